/* Bytes from one interrupt handler to the main loop. */
#ifndef HB_RING_H
#define HB_RING_H

#include <stdbool.h>
#include <stdint.h>

struct hb_ring {
    uint8_t *data;
    uint32_t bytes; /* a power of two */
    volatile uint32_t head; /* written by the producer only */
    volatile uint32_t tail; /* written by the consumer only */
    volatile uint32_t lost; /* bytes that found the ring full */
};

static inline void hb_ring_put(struct hb_ring *ring, uint8_t byte) {
    const uint32_t head = ring->head;
    if (head - ring->tail == ring->bytes) {
        ring->lost++;
        return;
    }
    ring->data[head & (ring->bytes - 1u)] = byte;
    ring->head = head + 1u;
}

static inline uint32_t hb_ring_get(struct hb_ring *ring, uint8_t *to, uint32_t room) {
    uint32_t tail = ring->tail, count = ring->head - tail;
    if (count > room) count = room;
    for (uint32_t i = 0; i < count; i++) to[i] = ring->data[tail++ & (ring->bytes - 1u)];
    ring->tail = tail;
    return count;
}

static inline bool hb_ring_is_empty(const struct hb_ring *ring) {
    return ring->head == ring->tail;
}

#endif
