/* What each operator demands of its tensors and parameters. */
#include "hb_checks.h"

/* Sum of exponentials in Q12.19: 4095 times 1.0 is the most that fits. */
#define MAX_SOFTMAX_DEPTH 4095u
/* int16: sum of exponentials in Q16.15; tables of e^x and 1 / (1 + x). */
#define MAX_SOFTMAX_DEPTH_S16 32767u
#define SOFTMAX_TABLE_ENTRIES 513u
/* So many int16 and their half fit 32 bits. */
#define MAX_POOL_POSITIONS_S16 32768u

bool hb_slots_absent(const struct hb_image_op *op, uint32_t first_slot) {
    for (uint32_t i = first_slot; i < HB_IMAGE_OP_INPUTS; i++) {
        if (op->inputs[i] != HB_IMAGE_NO_TENSOR) return false;
    }
    return true;
}

bool hb_get_input(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                      struct hb_image_tensor *tensor) {
    if (op->inputs[slot] == HB_IMAGE_NO_TENSOR) return false;
    *tensor = hb_tensor_at(engine, op->inputs[slot]);
    return true;
}

static bool is_kernel_type(uint8_t dtype) {
    return dtype == HB_DTYPE_INT8 || dtype == HB_DTYPE_FLOAT32;
}

static bool same_shape(const struct hb_image_tensor *a, const struct hb_image_tensor *b) {
    for (uint32_t axis = 0; axis < HB_IMAGE_MAX_RANK; axis++) {
        if (a->dims[axis] != b->dims[axis]) return false;
    }
    return true;
}

static bool is_constant_row(const struct hb_image_tensor *tensor, uint8_t dtype, uint32_t count) {
    return tensor->storage == HB_STORAGE_CONSTANT && tensor->dtype == dtype &&
           hb_elements(tensor) == count;
}

static bool in_int8(int32_t value) { return value >= -128 && value <= 127; }

static bool is_offset(int32_t value) { return value >= -127 && value <= 128; }

static bool check_clamp(uint8_t dtype, int32_t low, int32_t high, float low_f, float high_f) {
    if (dtype == HB_DTYPE_FLOAT32) return low_f <= high_f; /* false for NaN */
    return in_int8(low) && in_int8(high) && low <= high;
}

bool hb_check_axis(uint32_t in, uint32_t out, uint32_t filter, uint32_t stride,
                       uint32_t dilation, uint32_t pad) {
    const uint64_t extent = (uint64_t)(filter - 1u) * dilation + 1u;
    if (pad == 0u && in >= extent && out == (in - extent) / stride + 1u) return true;
    if (out != (in - 1u) / stride + 1u) return false;
    const uint64_t needed = (uint64_t)(out - 1u) * stride + extent;
    return pad == (needed > in ? (needed - in) / 2u : 0u);
}

/* Bias, and for int8 the multipliers and shifts of each output channel. */
HB_PART static bool check_channels(const struct hb_engine *engine, const struct hb_image_op *op,
                           uint8_t dtype, uint32_t channels) {
    struct hb_image_tensor bias, multiplier, shift;
    if (hb_get_input(engine, op, 2, &bias) &&
        !is_constant_row(&bias, dtype == HB_DTYPE_INT8 ? HB_DTYPE_INT32 : HB_DTYPE_FLOAT32,
                         channels)) {
        return false;
    }
    if (dtype == HB_DTYPE_FLOAT32) return hb_slots_absent(op, 3);
    if (!hb_get_input(engine, op, 3, &multiplier) || !hb_get_input(engine, op, 4, &shift) ||
        !hb_slots_absent(op, 5) || !is_constant_row(&multiplier, HB_DTYPE_INT32, channels) ||
        !is_constant_row(&shift, HB_DTYPE_INT32, channels)) {
        return false;
    }
    for (uint32_t i = 0; i < channels; i++) {
        const int32_t m = hb_get_i32(engine->image + multiplier.offset + 4u * i);
        const int32_t s = hb_get_i32(engine->image + shift.offset + 4u * i);
        if (m < 0 || s < -31 || s > 30) return false;
    }
    return true;
}

bool hb_check_weighted(const struct hb_engine *engine, const struct hb_image_op *op,
                           struct hb_image_tensor *in, struct hb_image_tensor *weights,
                           struct hb_image_tensor *out, struct hb_image_conv *p) {
    if (op->params_bytes != HB_IMAGE_CONV_BYTES || !hb_get_input(engine, op, 0, in) ||
        !hb_get_input(engine, op, 1, weights)) {
        return false;
    }
    *out = hb_tensor_at(engine, op->output);
    *p = hb_conv_params(engine, op);
    const bool packed = hb_is_packed(op);
    if (!is_kernel_type(in->dtype) || out->dtype != in->dtype ||
        weights->dtype != (packed ? HB_DTYPE_INT32 : in->dtype) ||
        (p->filter_h != 0u) != packed || (p->filter_w != 0u) != packed) {
        return false;
    }
    if (in->dtype == HB_DTYPE_INT8 &&
        !(is_offset(p->input_offset) && in_int8(p->output_offset))) {
        return false;
    }
    return check_clamp(in->dtype, p->act_min, p->act_max, p->act_min_f, p->act_max_f);
}

HB_PART static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, weights, out;
    struct hb_image_conv p;
    if (!hb_check_weighted(engine, op, &in, &weights, &out, &p)) return false;
    if (p.stride_h == 0u || p.stride_w == 0u || p.dilation_h == 0u || p.dilation_w == 0u) {
        return false;
    }
    const bool depthwise = op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D;
    const uint32_t channels = out.dims[3];
    if (depthwise) {
        if (weights.dims[0] != 1u || weights.dims[3] != channels ||
            (uint64_t)in.dims[3] * p.depth_multiplier != channels) {
            return false;
        }
    } else if (weights.dims[0] != channels || weights.dims[3] != in.dims[3] ||
               p.depth_multiplier != 1u) {
        return false;
    }
    const uint64_t terms = (uint64_t)hb_elements(&weights) / channels;
    return terms <= HB_MAX_DOT_TERMS && in.dims[0] == out.dims[0] &&
           hb_check_axis(in.dims[1], out.dims[1], weights.dims[1], p.stride_h, p.dilation_h,
                      p.pad_top) &&
           hb_check_axis(in.dims[2], out.dims[2], weights.dims[2], p.stride_w, p.dilation_w,
                      p.pad_left) &&
           check_channels(engine, op, in.dtype, channels);
}

HB_PART static bool check_fully_connected(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, weights, out;
    struct hb_image_conv p;
    if (!hb_check_weighted(engine, op, &in, &weights, &out, &p)) return false;
    const uint32_t outputs = weights.dims[2], inputs = weights.dims[3];
    if (weights.dims[0] != 1u || weights.dims[1] != 1u || inputs > HB_MAX_DOT_TERMS) return false;
    if (hb_elements(&in) % inputs != 0u || out.dims[3] != outputs) return false;
    return hb_elements(&in) / inputs == hb_elements(&out) / outputs &&
           check_channels(engine, op, in.dtype, outputs);
}

/* The most inputs that a window may meet. */
static uint64_t pool_positions(const struct hb_image_tensor *in, const struct hb_image_pool *p) {
    const uint64_t rows = p->filter_h < in->dims[1] ? p->filter_h : in->dims[1];
    const uint64_t columns = p->filter_w < in->dims[2] ? p->filter_w : in->dims[2];
    return rows * columns;
}

bool hb_check_pool(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != HB_IMAGE_POOL_BYTES || !hb_get_input(engine, op, 0, &in) ||
        !hb_slots_absent(op, 1)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_pool p = hb_pool_params(engine, op);
    const bool is_s16 = in.dtype == HB_DTYPE_INT16;
    if ((!is_kernel_type(in.dtype) && !is_s16) || out.dtype != in.dtype ||
        in.dims[0] != out.dims[0] ||
        in.dims[3] != out.dims[3]) {
        return false;
    }
    if (p.filter_h == 0u || p.filter_w == 0u || p.stride_h == 0u || p.stride_w == 0u) return false;
    return hb_check_axis(in.dims[1], out.dims[1], p.filter_h, p.stride_h, 1, p.pad_top) &&
           hb_check_axis(in.dims[2], out.dims[2], p.filter_w, p.stride_w, 1, p.pad_left) &&
           hb_is_clamp(in.dtype, p.act_min, p.act_max, p.act_min_f, p.act_max_f) &&
           (!is_s16 || pool_positions(&in, &p) <= MAX_POOL_POSITIONS_S16);
}

/* A row of int16 constants in a slot. */
static bool is_softmax_table(const struct hb_engine *engine, const struct hb_image_op *op,
                             uint32_t slot) {
    struct hb_image_tensor table;
    return hb_get_input(engine, op, slot, &table) &&
           is_constant_row(&table, HB_DTYPE_INT16, SOFTMAX_TABLE_ENTRIES);
}

HB_PART static bool check_softmax_s16(const struct hb_engine *engine, const struct hb_image_op *op,
                              const struct hb_image_tensor *in,
                              const struct hb_image_softmax *p) {
    return in->dims[3] <= MAX_SOFTMAX_DEPTH_S16 && is_softmax_table(engine, op, 1) &&
           is_softmax_table(engine, op, 2) && hb_slots_absent(op, 3) &&
           hb_is_multiplier(p->input_multiplier, p->input_left_shift);
}

HB_PART static bool check_softmax(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != HB_IMAGE_SOFTMAX_BYTES || !hb_get_input(engine, op, 0, &in)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_softmax p = hb_softmax_params(engine, op);
    if (out.dtype != in.dtype || !same_shape(&in, &out)) return false;
    if (in.dtype == HB_DTYPE_INT16) return check_softmax_s16(engine, op, &in, &p);
    if (!is_kernel_type(in.dtype) || !hb_slots_absent(op, 1)) return false;
    if (in.dtype == HB_DTYPE_FLOAT32) return p.beta > 0.0f;
    if (in.dims[3] > MAX_SOFTMAX_DEPTH || p.input_multiplier < 0 || p.input_left_shift < 0 ||
        p.input_left_shift > 31 || p.diff_min > 0) {
        return false;
    }
    /* The largest difference that counts, shifted left, fits Q5.26. */
    const uint64_t largest = p.diff_min < -255 ? 255u : (uint64_t)(-p.diff_min);
    return largest << p.input_left_shift <= INT32_MAX;
}

HB_PART static bool check_reshape(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != 0u || !hb_get_input(engine, op, 0, &in) || !hb_slots_absent(op, 1)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    return out.dtype == in.dtype && out.bytes == in.bytes;
}

bool hb_check_add(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor a, b;
    if (op->params_bytes != HB_IMAGE_ADD_BYTES || !hb_get_input(engine, op, 0, &a) ||
        !hb_get_input(engine, op, 1, &b)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_add p = hb_add_params(engine, op);
    if (!is_kernel_type(out.dtype) || a.dtype != out.dtype || b.dtype != out.dtype ||
        !same_shape(&a, &out) || !same_shape(&b, &out) ||
        !check_clamp(out.dtype, p.act_min, p.act_max, p.act_min_f, p.act_max_f)) {
        return false;
    }
    if (out.dtype == HB_DTYPE_FLOAT32) return true;
    const int32_t multipliers[3] = {p.input1_multiplier, p.input2_multiplier, p.output_multiplier};
    const int32_t shifts[3] = {p.input1_shift, p.input2_shift, p.output_shift};
    for (uint32_t i = 0; i < 3u; i++) {
        if (multipliers[i] < 0 || shifts[i] < -31 || shifts[i] > 0) return false;
    }
    /* 255 << 20, twice, stays far inside int32. */
    return is_offset(p.input1_offset) && is_offset(p.input2_offset) && in_int8(p.output_offset) &&
           p.left_shift >= 0 && p.left_shift <= 20;
}

static bool is_weighted(const struct hb_image_op *op) {
    return op->opcode == HB_OPCODE_CONV_2D || op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D ||
           op->opcode == HB_OPCODE_FULLY_CONNECTED;
}

/* Checks of kernels that a build lacks are left out of it. */
#define HAS_CONV                                                                                  \
    (HB_HAS(conv_2d_s8xs8_ref) || HB_HAS(conv_2d_f32xf32_ref) ||                                  \
     HB_HAS(depthwise_conv_2d_s8xs8_ref) || HB_HAS(depthwise_conv_2d_f32xf32_ref))
#define HAS_FULLY_CONNECTED                                                                       \
    (HB_HAS(fully_connected_s8xs8_ref) || HB_HAS(fully_connected_f32xf32_ref))
#define HAS_POOL                                                                                  \
    (HB_HAS(average_pool_2d_s8_ref) || HB_HAS(average_pool_2d_s16_ref) ||                         \
     HB_HAS(average_pool_2d_f32_ref) || HB_HAS(max_pool_2d_s8_ref) ||                             \
     HB_HAS(max_pool_2d_s16_ref) || HB_HAS(max_pool_2d_f32_ref))
#define HAS_SUM (HB_HAS(add_s8_ref) || HB_HAS(add_f32_ref) || HB_HAS(elementwise))

bool hb_validate_op(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (is_weighted(op) && hb_is_by_rows(engine, op)) {
        return HB_HAS(rows) && hb_validate_by_rows(engine, op);
    }
    if ((op->flags & (HB_OP_FLAG_DYNAMIC_SYMMETRIC | HB_OP_FLAG_DYNAMIC_ASYMMETRIC)) != 0u) {
        return false;
    }
    if (op->variant == HB_KERNEL_DSP) return hb_validate_dsp(engine, op);
    if (op->variant == HB_KERNEL_DSP_WINOGRAD) {
        return HB_HAS(conv_2d_s8xs8_winograd_dsp) && hb_validate_winograd_dsp(engine, op);
    }
    if (hb_is_thumb1(op)) return hb_validate_thumb1(engine, op);
    if (op->variant == HB_KERNEL_MVE) return hb_validate_mve(engine, op);
    if (op->variant > HB_KERNEL_REFERENCE) return false;
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return HAS_CONV && check_conv(engine, op);
    case HB_OPCODE_FULLY_CONNECTED:
        return HAS_FULLY_CONNECTED && check_fully_connected(engine, op);
    case HB_OPCODE_AVERAGE_POOL_2D:
    case HB_OPCODE_MAX_POOL_2D: return HAS_POOL && hb_check_pool(engine, op);
    case HB_OPCODE_SOFTMAX: return check_softmax(engine, op);
    case HB_OPCODE_RESHAPE: return check_reshape(engine, op);
    case HB_OPCODE_ADD: return HAS_SUM && hb_check_sum(engine, op);
    case HB_OPCODE_TRANSPOSE_CONV:
        return HB_HAS(transpose_conv) && hb_validate_transpose_conv(engine, op);
    default:
        return (HB_HAS(elementwise) && hb_validate_elementwise(engine, op)) ||
               (HB_HAS(movement) && hb_validate_movement(engine, op)) ||
               (HB_HAS(recurrent) && hb_validate_recurrent(engine, op));
    }
}
