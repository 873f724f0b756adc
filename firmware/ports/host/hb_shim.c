/* Frames and engine behind plain functions, for tests that call them from Python. */
#include <stdlib.h>
#include <string.h>

#include "hb_shim.h"

size_t hb_shim_seal(uint8_t type, uint8_t seq, const uint8_t *payload, size_t bytes,
                    uint8_t *wire) {
    static struct hb_frame_writer writer;
    memcpy(hb_frame_payload(&writer), payload, bytes);
    const size_t size = hb_frame_seal(&writer, type, seq, bytes);
    memcpy(wire, writer.wire, size);
    return size;
}

struct hb_frame_reader *hb_shim_reader(void) { return calloc(1, sizeof(struct hb_frame_reader)); }

void hb_shim_reader_free(struct hb_frame_reader *reader) { free(reader); }

void hb_shim_feed(struct hb_frame_reader *reader, const uint8_t *data, size_t bytes,
                  hb_shim_on_frame on_frame) {
    struct hb_frame frame;
    for (size_t i = 0; i < bytes; i++) {
        if (hb_frame_push(reader, data[i], &frame)) {
            on_frame(frame.type, frame.seq, frame.payload, frame.payload_bytes);
        }
    }
}

void hb_shim_errors(const struct hb_frame_reader *reader, uint32_t *cobs, uint32_t *crc) {
    *cobs = reader->cobs_errors;
    *crc = reader->crc_errors;
}

int hb_shim_infer(const uint8_t *image, uint32_t bytes, uint32_t arena_bytes,
                  const uint8_t *input, uint8_t *output, uint32_t *detail) {
    /* Copies of the exact size, so that a sanitizer sees every access beyond the end; malloc aligns
     * to 16 bytes. */
    uint8_t *copy = malloc(bytes);
    uint8_t *arena = malloc(arena_bytes);
    struct hb_engine engine;
    if (bytes > 0u) memcpy(copy, image, bytes);
    memset(arena, 0xA5, arena_bytes);
    const enum hb_engine_status status =
        hb_engine_init(&engine, copy, bytes, arena, arena_bytes, detail);
    if (status == HB_ENGINE_OK) {
        hb_engine_reset(&engine);
        for (uint32_t i = 0; i < engine.header.input_count; i++) {
            const struct hb_span span = hb_engine_input(&engine, i);
            if (input == NULL) {
                memset(span.data, 0x5A, span.bytes);
            } else {
                memcpy(span.data, input, span.bytes);
                input += span.bytes;
            }
        }
        (void)hb_engine_invoke(&engine, NULL, NULL);
        for (uint32_t i = 0; output != NULL && i < engine.header.output_count; i++) {
            const struct hb_span span = hb_engine_output(&engine, i);
            memcpy(output, span.data, span.bytes);
            output += span.bytes;
        }
    }
    free(arena);
    free(copy);
    return (int)status;
}
