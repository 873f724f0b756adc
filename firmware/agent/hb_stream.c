#include "hb_stream.h"

#include <string.h>

#include "hb_crc32.h"

/* About once for every full frame. */
#define CREDIT_STEP 1024u

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Copies between linear memory and a ring, in at most two pieces. */
static void ring_write(uint8_t *ring, uint32_t capacity, uint32_t offset, const uint8_t *from,
                       uint32_t bytes) {
    const uint32_t at = offset % capacity;
    const uint32_t first = least(bytes, capacity - at);
    memcpy(ring + at, from, first);
    memcpy(ring, from + first, bytes - first);
}

static void ring_read(const uint8_t *ring, uint32_t capacity, uint32_t offset, uint8_t *to,
                      uint32_t bytes) {
    const uint32_t at = offset % capacity;
    const uint32_t first = least(bytes, capacity - at);
    memcpy(to, ring + at, first);
    memcpy(to + first, ring, bytes - first);
}

enum hb_in_result hb_in_take(struct hb_in_stream *in, uint32_t offset, const uint8_t *data,
                             uint32_t bytes) {
    if (offset != in->expected || bytes > hb_in_limit(in) - in->expected) {
        in->out_of_order++;
        /* Once per gap; again when the host has gone back and the same gap is still there. */
        const bool tell = !in->gap_told || offset <= in->gap_at;
        in->gap_told = true;
        in->gap_at = offset;
        return tell ? HB_IN_DROPPED_TELL : HB_IN_DROPPED;
    }
    if (in->capacity > 0u) ring_write(in->ring, in->capacity, offset, data, bytes);
    else in->consumed += bytes;
    if (in->keep_crc) in->crc = hb_crc32(in->crc, data, bytes);
    in->expected += bytes;
    in->gap_told = false;
    return HB_IN_TAKEN;
}

uint32_t hb_in_limit(const struct hb_in_stream *in) {
    uint32_t room = least(in->total - in->expected, in->line_room);
    room = least(room, in->grant - in->expected);
    if (in->capacity > 0u) room = least(room, in->capacity - (in->expected - in->consumed));
    return in->expected + room;
}

bool hb_in_credit_due(const struct hb_in_stream *in) {
    if (in->expected - in->told >= CREDIT_STEP) return true;
    const uint32_t raise = hb_in_limit(in) - in->limit;
    return raise != 0u && raise <= INT32_MAX && in->limit - in->expected < CREDIT_STEP;
}

void hb_in_copy(const struct hb_in_stream *in, uint32_t skip, uint8_t *to, uint32_t bytes) {
    ring_read(in->ring, in->capacity, in->consumed + skip, to, bytes);
}

uint32_t hb_out_room(const struct hb_out_stream *out) {
    return out->capacity - (out->head - out->acked);
}

void hb_out_append(struct hb_out_stream *out, const uint8_t *data, uint32_t bytes) {
    ring_write(out->ring, out->capacity, out->head, data, bytes);
    out->head += bytes;
}

uint32_t hb_out_take(struct hb_out_stream *out, uint8_t *to, uint32_t most, uint32_t *offset) {
    const uint32_t bytes = least(most, out->head - out->sent);
    *offset = out->sent;
    ring_read(out->ring, out->capacity, out->sent, to, bytes);
    out->sent += bytes;
    return bytes;
}

void hb_out_ack(struct hb_out_stream *out, uint32_t offset, bool resend) {
    const uint32_t kept = out->head - out->acked;
    if (offset - out->acked > kept) return; /* older than what is kept, or never written */
    out->acked = offset;
    if (out->sent - out->acked > out->head - out->acked) out->sent = out->acked;
    if (resend) {
        out->resent_bytes += out->sent - out->acked;
        out->sent = out->acked;
    }
}
