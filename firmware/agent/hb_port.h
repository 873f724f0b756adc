/* What a port gives to the agent: memory, a line, a clock, a counter.  All callbacks are called
 * from the main loop, never from an interrupt. */
#ifndef HB_PORT_H
#define HB_PORT_H

#include <stdbool.h>
#include <stdint.h>

struct hb_memory {
    uint8_t *data; /* 16-byte aligned */
    uint32_t bytes;
};

/* Constants of the build and of this start; reported in hello_reply. */
struct hb_identity {
    const char *board;              /* at most 24 characters */
    const uint8_t *firmware_digest; /* 16 bytes */
    uint32_t chip_id;
    uint8_t unique_id[12];
    uint8_t reset_cause;
    uint32_t reset_cause_raw;
    uint32_t core_clock_hz;
    uint8_t wait_states;
    uint32_t clock_flags;
    uint8_t counter_kind;
    uint8_t counter_bits;
    uint32_t counter_hz;
    uint32_t baud; /* at start */
    uint32_t max_baud;
    uint8_t rx_modes;
    uint8_t rx_mode; /* at start */
    uint32_t rx_buffer_bytes;
    uint32_t slot_address;
    int32_t temperature_mc; /* of the die, at start; only with vdd_mv */
    uint32_t vdd_mv;        /* 0: the chip or the port cannot tell */
};

struct hb_port {
    struct hb_identity identity;

    struct hb_memory arena;
    struct hb_memory vectors; /* in-stream ring */
    struct hb_memory out;     /* out-stream ring */
    struct hb_memory upload;  /* zero bytes: uploads are unsupported */
    const uint8_t *slot;      /* image slot */
    uint32_t slot_bytes;

    /* Line.  `read` returns at once with up to `room` bytes.  `write` returns when all bytes are in
     * the transmit buffer; reception goes on meanwhile.  `tx_idle`: the last stop bit has left. */
    uint32_t (*read)(uint8_t *to, uint32_t room);
    void (*write)(const uint8_t *from, uint32_t bytes);
    bool (*tx_idle)(void);
    void (*link_set)(uint32_t baud, uint8_t rx_mode);
    uint32_t (*overruns)(void);
    uint32_t (*line_errors)(void);

    /* Sleeps until an interrupt; returns at once when received bytes are waiting. */
    void (*idle)(void);
    uint32_t (*millis)(void);

    /* Counter.  Between window_begin and window_end every interrupt of the port's own making is
     * masked; window_end returns how many interrupts were taken nevertheless.  counter_start and
     * counter_stop enclose the work; counter_read is free-running, modulo 2^32. */
    void (*window_begin)(void);
    void (*counter_start)(void);
    uint64_t (*counter_stop)(void);
    uint32_t (*window_end)(void);
    uint32_t (*counter_read)(void);

    uint32_t (*stack_used)(void);
    uint32_t (*stack_capacity)(void);
    void (*reset)(void);
};

#endif
