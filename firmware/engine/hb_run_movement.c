/* Runs the operators of a validated image that move elements. */
#include "hb_checks.h"
#include "kernels/hb_movement.h"

static void run_move(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_move p = hb_move_params(engine, op);
    const uint32_t size = hb_element_bytes(out->dtype);
    struct hb_move_args args = {
        .input = hb_tensor_data(engine, in) + p.in_offset * size,
        .output = hb_tensor_data(engine, out) + p.out_offset * size,
        .element_bytes = size,
    };
    for (uint32_t axis = 0; axis < 4u; axis++) {
        args.dims[axis] = (int32_t)p.dims[axis];
        /* The stride of an axis of one element is never used, and may be anything. */
        if (p.dims[axis] == 1u) continue;
        args.in_strides[axis] = p.in_strides[axis] * (int32_t)size;
        args.out_strides[axis] = p.out_strides[axis] * (int32_t)size;
    }
    hb_move_ref(&args);
}

static void run_resize(const struct hb_engine *engine, const struct hb_image_op *op,
                       const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_tensor rows = hb_tensor_at(engine, op->inputs[1]);
    const struct hb_image_tensor columns = hb_tensor_at(engine, op->inputs[2]);
    const struct hb_resize_args args = {
        .input = hb_tensor_data(engine, in),
        .output = hb_tensor_data(engine, out),
        .rows = (const void *)hb_tensor_data(engine, &rows),
        .columns = (const void *)hb_tensor_data(engine, &columns),
        .batches = (int32_t)in->dims[0],
        .in_h = (int32_t)in->dims[1],
        .in_w = (int32_t)in->dims[2],
        .out_h = (int32_t)out->dims[1],
        .out_w = (int32_t)out->dims[2],
        .pixel_bytes = in->dims[3] * hb_element_bytes(in->dtype),
    };
    hb_resize_nearest_ref(&args);
}

static void run_expand(const struct hb_engine *engine, const struct hb_image_op *op,
                       const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_tensor table = hb_tensor_at(engine, op->inputs[1]);
    const uint8_t *blob = engine->image + in->offset;
    const struct hb_expand_args args = {
        .coded = blob + HB_CODED_HEAD_BYTES,
        .coded_bytes = hb_get_u32(blob),
        .table = hb_tensor_data(engine, &table),
        .output = hb_tensor_data(engine, out),
        .bytes = out->bytes,
    };
    hb_expand_ref(&args);
}

bool hb_run_movement(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    switch (op->opcode) {
    case HB_OPCODE_MOVE: run_move(engine, op, in, out); return true;
    case HB_OPCODE_FILL:
        hb_fill_ref(hb_tensor_data(engine, out), hb_elements(out), hb_element_bytes(out->dtype),
                    hb_fill_params(engine, op).value);
        return true;
    case HB_OPCODE_EXPAND: run_expand(engine, op, in, out); return true;
    case HB_OPCODE_RESIZE_NEAREST: run_resize(engine, op, in, out); return true;
    default: return false;
    }
}
