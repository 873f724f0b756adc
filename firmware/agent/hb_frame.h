/* Frames: COBS( type seq flags reserved payload crc32 ) 0x00; see schema/protocol.toml. */
#ifndef HB_FRAME_H
#define HB_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hb_protocol.h"

#define HB_FRAME_RAW_BYTES (HB_HEADER_BYTES + HB_MAX_PAYLOAD + HB_CRC_BYTES)
/* COBS adds one byte, one more for every 254, and the delimiter. */
#define HB_FRAME_WIRE_BYTES (HB_FRAME_RAW_BYTES + 1u + HB_FRAME_RAW_BYTES / 254u + 1u)

/* A frame under construction: the payload is written in place. */
struct hb_frame_writer {
    uint8_t raw[HB_FRAME_RAW_BYTES];
    uint8_t wire[HB_FRAME_WIRE_BYTES];
};

static inline uint8_t *hb_frame_payload(struct hb_frame_writer *writer) {
    return writer->raw + HB_HEADER_BYTES;
}

/* Completes the frame in `writer->wire`; returns its size there, delimiter included.
 * `payload_bytes` <= HB_MAX_PAYLOAD. */
size_t hb_frame_seal(struct hb_frame_writer *writer, uint8_t type, uint8_t seq,
                     size_t payload_bytes);

/* Decodes a byte stream; frames that are too long, or broken, are counted and dropped. */
struct hb_frame_reader {
    uint8_t raw[HB_FRAME_RAW_BYTES];
    size_t bytes;        /* decoded so far */
    uint8_t block_left;  /* bytes to come in this COBS block */
    bool block_open;     /* a block has begun in this frame */
    bool zero_follows;   /* the block in progress stands for a zero at its end */
    bool broken;         /* drop everything up to the delimiter */
    uint32_t frames;     /* valid ones */
    uint32_t cobs_errors;
    uint32_t crc_errors;
};

struct hb_frame {
    uint8_t type;
    uint8_t seq;
    const uint8_t *payload; /* valid until the next byte is pushed */
    size_t payload_bytes;
};

void hb_frame_reset(struct hb_frame_reader *reader); /* forgets a partial frame */

/* Takes one byte from the line; true when it completes a valid frame. */
bool hb_frame_push(struct hb_frame_reader *reader, uint8_t byte, struct hb_frame *frame);

/* COBS of `bytes` bytes, without delimiter; `out` holds bytes + bytes / 254 + 1. */
size_t hb_cobs_encode(uint8_t *out, const uint8_t *in, size_t bytes);

#endif
