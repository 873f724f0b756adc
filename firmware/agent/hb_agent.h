/* The agent: speaks the protocol, feeds the engine, measures.  One instance per firmware. */
#ifndef HB_AGENT_H
#define HB_AGENT_H

#include "hb_engine.h"
#include "hb_frame.h"
#include "hb_port.h"
#include "hb_stream.h"

#define HB_REPLY_CACHE_BYTES 64u

/* The request answered last, so that a repeated one is answered without being done again. */
struct hb_reply_cache {
    bool valid;
    uint8_t seq;
    uint8_t request;
    uint8_t type;
    uint8_t bytes;
    uint8_t payload[HB_REPLY_CACHE_BYTES];
};

struct hb_link_state {
    uint32_t baud;
    uint8_t rx_mode;
    bool on_trial; /* a new mode that no valid frame has proved yet */
    uint32_t old_baud;
    uint8_t old_rx_mode;
    uint32_t trial_start_ms;
};

enum hb_activity { HB_IDLE, HB_RUNNING, HB_UPLOADING, HB_CLOCK_CHECK };

struct hb_agent {
    const struct hb_port *port;
    struct hb_engine engine;
    bool image_ready;
    bool image_uploaded; /* the current image lies in the upload memory */
    uint32_t upload_bytes; /* size of the complete upload there, 0 = none */

    struct hb_frame_reader reader;
    struct hb_frame_writer writer;
    uint8_t rx_chunk[64];
    uint32_t rx_at, rx_bytes;
    uint32_t rx_total;
    uint8_t tx_seq;

    struct hb_reply_cache cache;
    struct hb_link_state link;
    struct hb_in_stream in;
    struct hb_out_stream out;
    bool in_end_told;
    uint32_t out_sent_ms;

    enum hb_activity activity;
    bool in_run; /* inside hb_run_execute(): a request that ends the run lets it unwind first */
    struct hb_run run;
    uint32_t clock_start, clock_wait;
};

/* hb_agent.c */
void hb_agent_init(struct hb_agent *agent, const struct hb_port *port); /* sends `boot` */
void hb_agent_poll(struct hb_agent *agent);                             /* body of the main loop */
/* Takes what has arrived, and answers it. */
void hb_agent_receive(struct hb_agent *agent);
/* Receives, then sends the credit and out frames that are due.  `flush`: also a frame that
 * is not full. */
void hb_agent_pump(struct hb_agent *agent, bool flush);
void hb_agent_send(struct hb_agent *agent, uint8_t type, size_t payload_bytes); /* unsolicited */
void hb_agent_send_credit(struct hb_agent *agent, uint8_t flags);
void hb_agent_drain_line(struct hb_agent *agent); /* until the transmitter is idle */
void hb_agent_send_mark(struct hb_agent *agent, uint8_t kind);

/* hb_request.c */
void hb_agent_handle(struct hb_agent *agent, const struct hb_frame *frame);
/* A new in stream of `total` bytes into `memory` (no bytes: they are dropped); `grant`: how much of
 * it the host may send for now. */
void hb_agent_open_in(struct hb_agent *agent, struct hb_memory memory, uint32_t total,
                      uint32_t grant);

/* hb_run.c */
enum hb_status hb_run_start(struct hb_agent *agent, const struct hb_run *request,
                            uint32_t *detail);
void hb_run_execute(struct hb_agent *agent); /* to the end of the run, or until it is stopped */
bool hb_counter_advances(const struct hb_port *port);

/* hb_paint.c: high-water marks */
void hb_paint(struct hb_memory memory);
uint32_t hb_painted_high_water(struct hb_memory memory); /* bytes up to the last one touched */

#endif
