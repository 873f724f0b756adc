/* See hb_shim.c. */
#ifndef HB_SHIM_H
#define HB_SHIM_H

#include "hb_engine.h"
#include "hb_frame.h"

typedef void (*hb_shim_on_frame)(uint8_t type, uint8_t seq, const uint8_t *payload, size_t bytes);

size_t hb_shim_seal(uint8_t type, uint8_t seq, const uint8_t *payload, size_t bytes,
                    uint8_t *wire);
struct hb_frame_reader *hb_shim_reader(void);
void hb_shim_reader_free(struct hb_frame_reader *reader);
void hb_shim_feed(struct hb_frame_reader *reader, const uint8_t *data, size_t bytes,
                  hb_shim_on_frame on_frame);
void hb_shim_errors(const struct hb_frame_reader *reader, uint32_t *cobs, uint32_t *crc);

/* Validates an image and, when it is good, runs it once.  `input` NULL: a fixed pattern; `output`
 * NULL: dropped.  Returns enum hb_engine_status. */
int hb_shim_infer(const uint8_t *image, uint32_t bytes, uint32_t arena_bytes,
                  const uint8_t *input, uint8_t *output, uint32_t *detail);

#endif
