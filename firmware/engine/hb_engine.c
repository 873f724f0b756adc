/* Executes a validated image. */
#include "hb_engine.h"

#include "hb_internal.h"

void hb_engine_reset(const struct hb_engine *engine) {
    for (uint32_t i = 0; i < engine->init_count; i++) {
        const struct hb_image_op op = hb_op_at(engine, i);
        (void)hb_dispatch(engine, &op, false);
    }
}

bool hb_engine_invoke(const struct hb_engine *engine, hb_engine_hook hook, void *context) {
    uint32_t layer = 0;
    for (uint32_t i = engine->init_count; i < engine->header.op_count; i++) {
        const struct hb_image_op op = hb_op_at(engine, i);
        (void)hb_dispatch(engine, &op, false);
        if ((op.flags & HB_OP_FLAG_CONTINUES) != 0u) continue;
        if (hook != NULL && !hook(context, layer, i)) return false;
        layer++;
    }
    return true;
}

static struct hb_span span_of(const struct hb_engine *engine, uint16_t index) {
    const struct hb_image_tensor tensor = hb_tensor_at(engine, index);
    return (struct hb_span){.data = hb_tensor_data(engine, &tensor), .bytes = tensor.bytes};
}

struct hb_span hb_engine_input(const struct hb_engine *engine, uint32_t i) {
    return span_of(engine, hb_io_at(engine, i));
}

struct hb_span hb_engine_output(const struct hb_engine *engine, uint32_t i) {
    return span_of(engine, hb_io_at(engine, engine->header.input_count + i));
}

struct hb_span hb_engine_op_output(const struct hb_engine *engine, uint32_t i) {
    return span_of(engine, hb_op_at(engine, i).output);
}
