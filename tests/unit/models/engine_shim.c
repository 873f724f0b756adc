/* Runs an image through the engine and keeps every layer's output, for ctypes. */
#include <string.h>

#include "hb_engine.h"

struct shim_log {
    const struct hb_engine *engine;
    uint8_t *to;
    uint32_t room;
    uint32_t used;
};

static bool keep(void *context, uint32_t layer, uint32_t op) {
    (void)layer;
    struct shim_log *log = context;
    const struct hb_span span = hb_engine_op_output(log->engine, op);
    if (span.bytes > log->room - log->used) return false;
    memcpy(log->to + log->used, span.data, span.bytes);
    log->used += span.bytes;
    return true;
}

/* Inferences on `count` vectors, one after the other without a reset; each one's outputs, or -1. */
int shim_stream(const uint8_t *image, uint32_t image_bytes, uint8_t *arena, uint32_t arena_bytes,
                const uint8_t *vectors, uint32_t count, uint8_t *outputs) {
    struct hb_engine engine;
    uint32_t detail;
    if (hb_engine_init(&engine, image, image_bytes, arena, arena_bytes, &detail) != HB_ENGINE_OK) {
        return -1;
    }
    hb_engine_reset(&engine);
    for (uint32_t vector = 0; vector < count; vector++) {
        for (uint32_t i = 0; i < engine.header.input_count; i++) {
            const struct hb_span span = hb_engine_input(&engine, i);
            memcpy(span.data, vectors, span.bytes);
            vectors += span.bytes;
        }
        (void)hb_engine_invoke(&engine, NULL, NULL);
        for (uint32_t i = 0; i < engine.header.output_count; i++) {
            const struct hb_span span = hb_engine_output(&engine, i);
            memcpy(outputs, span.data, span.bytes);
            outputs += span.bytes;
        }
    }
    return 0;
}

/* Status of hb_engine_init, or -1 when the outputs did not fit; `layers` gets all layers'
 * outputs one after the other, `*layers_bytes` their size (in: the room). */
int shim_run(const uint8_t *image, uint32_t image_bytes, uint8_t *arena, uint32_t arena_bytes,
             const uint8_t *vector, uint8_t *layers, uint32_t *layers_bytes, uint32_t *detail) {
    struct hb_engine engine;
    const enum hb_engine_status status =
        hb_engine_init(&engine, image, image_bytes, arena, arena_bytes, detail);
    if (status != HB_ENGINE_OK) return (int)status;
    hb_engine_reset(&engine);
    for (uint32_t i = 0; i < engine.header.input_count; i++) {
        const struct hb_span span = hb_engine_input(&engine, i);
        memcpy(span.data, vector, span.bytes);
        vector += span.bytes;
    }
    struct shim_log log = {&engine, layers, *layers_bytes, 0};
    if (!hb_engine_invoke(&engine, keep, &log)) return -1;
    *layers_bytes = log.used;
    return 0;
}
