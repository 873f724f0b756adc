/* The two byte streams of a run; offsets are absolute and wrap modulo 2^32. */
#ifndef HB_STREAM_H
#define HB_STREAM_H

#include <stdbool.h>
#include <stdint.h>

/* In stream: a ring (inference), plain memory (upload) or nothing (sink) behind it. */
struct hb_in_stream {
    uint8_t *ring;
    uint32_t capacity; /* of `ring`; 0: bytes are dropped after counting */
    uint32_t total;    /* the stream ends here */
    uint32_t expected; /* next byte that should arrive */
    uint32_t consumed; /* bytes before this are no longer needed */
    uint32_t grant;    /* the run's own bound on the credit (mode timed) */
    uint32_t line_room;/* bytes that the receive path can hold */
    uint32_t limit;    /* credit last told to the host */
    uint32_t told;     /* `expected` at that time */
    uint32_t crc;      /* of all bytes so far */
    bool keep_crc;
    bool gap_told;     /* the host knows of the gap at `expected` */
    uint32_t gap_at;   /* offset of the last frame dropped */
    uint32_t out_of_order;
};

enum hb_in_result { HB_IN_TAKEN, HB_IN_DROPPED, HB_IN_DROPPED_TELL };

/* Takes a `data` frame.  HB_IN_DROPPED_TELL: answer with a `credit` that asks to resend. */
enum hb_in_result hb_in_take(struct hb_in_stream *in, uint32_t offset, const uint8_t *data,
                             uint32_t bytes);
/* Offset up to which the host may send now. */
uint32_t hb_in_limit(const struct hb_in_stream *in);
/* Whether the host should be told: of every full frame, and of a new limit when it is about to
 * reach the old one; often enough that the line never idles, and that the host sees progress. */
bool hb_in_credit_due(const struct hb_in_stream *in);
/* Copies `bytes` received bytes, `skip` past the consumed ones. */
void hb_in_copy(const struct hb_in_stream *in, uint32_t skip, uint8_t *to, uint32_t bytes);

/* Out stream: everything from `acked` to `head` is kept in the ring. */
struct hb_out_stream {
    uint8_t *ring;
    uint32_t capacity;
    uint32_t acked;
    uint32_t sent;
    uint32_t head;
    uint32_t resent_bytes;
};

uint32_t hb_out_room(const struct hb_out_stream *out);
/* Appends; `bytes` <= hb_out_room(). */
void hb_out_append(struct hb_out_stream *out, const uint8_t *data, uint32_t bytes);
/* Takes up to `most` bytes to send; returns how many, and their offset. */
uint32_t hb_out_take(struct hb_out_stream *out, uint8_t *to, uint32_t most, uint32_t *offset);
void hb_out_ack(struct hb_out_stream *out, uint32_t offset, bool resend);

#endif
