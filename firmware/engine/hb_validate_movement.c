/* What the operators that move elements demand of their tensors and parameters. */
#include "hb_checks.h"

/* All elements of a box lie in a tensor of so many. */
static bool check_box(const uint32_t dims[4], const int32_t strides[4], uint32_t offset,
                      uint32_t elements) {
    int64_t low = offset, high = offset;
    for (uint32_t axis = 0; axis < 4u; axis++) {
        /* below 2^31 times 2^31 */
        const int64_t span = (int64_t)(dims[axis] - 1u) * strides[axis];
        if (span < -(int64_t)elements || span > (int64_t)elements) return false;
        if (span < 0) low += span;
        else high += span;
    }
    return low >= 0 && high < (int64_t)elements;
}

static bool check_move(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != HB_IMAGE_MOVE_BYTES || !hb_get_input(engine, op, 0, &in) ||
        !hb_slots_absent(op, 1)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_move p = hb_move_params(engine, op);
    if (in.dtype != out.dtype || hb_element_bytes(in.dtype) == 0u) return false;
    uint64_t moved = 1;
    for (uint32_t axis = 0; axis < 4u; axis++) {
        if (p.dims[axis] == 0u) return false;
        moved *= p.dims[axis]; /* below 2^31 before */
        if (moved > hb_elements(&out)) return false;
    }
    return check_box(p.dims, p.in_strides, p.in_offset, hb_elements(&in)) &&
           check_box(p.dims, p.out_strides, p.out_offset, hb_elements(&out));
}

static bool check_fill(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    return op->params_bytes == HB_IMAGE_FILL_BYTES && hb_slots_absent(op, 0) &&
           hb_element_bytes(out.dtype) != 0u;
}

/* A row of int16 constants, each a position below `limit`. */
static bool check_positions(const struct hb_engine *engine, const struct hb_image_op *op,
                            uint32_t slot, uint32_t count, uint32_t limit) {
    struct hb_image_tensor table;
    if (!hb_get_input(engine, op, slot, &table) || table.storage != HB_STORAGE_CONSTANT ||
        table.dtype != HB_DTYPE_INT16 || hb_elements(&table) != count) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t position = hb_get_u16(engine->image + table.offset + 2u * i);
        if (position > INT16_MAX || position >= limit) return false;
    }
    return true;
}

static bool check_resize(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != 0u || !hb_get_input(engine, op, 0, &in) || !hb_slots_absent(op, 3)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    return in.dtype == out.dtype && hb_element_bytes(in.dtype) != 0u && in.dims[0] == out.dims[0] && in.dims[3] == out.dims[3] &&
           check_positions(engine, op, 1, out.dims[1], in.dims[1]) &&
           check_positions(engine, op, 2, out.dims[2], in.dims[2]);
}

static bool check_expand(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, table;
    if (op->params_bytes != 0u || !hb_get_input(engine, op, 0, &in) ||
        !hb_get_input(engine, op, 1, &table) || !hb_slots_absent(op, 2)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    return in.storage == HB_STORAGE_HUFFMAN && in.dtype == out.dtype && hb_same_shape(&in, &out) &&
           table.storage == HB_STORAGE_CONSTANT && table.dtype == HB_DTYPE_UINT8 &&
           hb_elements(&table) == HB_CODE_TABLE_BYTES;
}

bool hb_validate_movement(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_MOVE: return check_move(engine, op);
    case HB_OPCODE_FILL: return check_fill(engine, op);
    case HB_OPCODE_EXPAND: return check_expand(engine, op);
    case HB_OPCODE_RESIZE_NEAREST: return check_resize(engine, op);
    default: return false;
    }
}
