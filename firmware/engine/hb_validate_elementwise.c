/* What the element-wise operators, lookups and means demand of their tensors and parameters. */
#include "hb_checks.h"

/* Elements of one mean, so that sums fit 32 bits. */
#define MAX_MEAN_COUNT 32768u
#define TABLE_ENTRIES 256u

static bool is_number(uint8_t dtype) {
    return dtype == HB_DTYPE_INT8 || dtype == HB_DTYPE_INT16 || dtype == HB_DTYPE_FLOAT32;
}

static bool is_byte(uint8_t dtype) { return dtype == HB_DTYPE_INT8 || dtype == HB_DTYPE_UINT8; }

/* Two operands of the output's type, each dimension the output's or 1. */
static bool check_operands(const struct hb_engine *engine, const struct hb_image_op *op,
                           struct hb_image_tensor *out) {
    *out = hb_tensor_at(engine, op->output);
    if (!is_number(out->dtype) || !hb_slots_absent(op, 2)) return false;
    for (uint32_t slot = 0; slot < 2u; slot++) {
        struct hb_image_tensor in;
        if (!hb_get_input(engine, op, slot, &in) || in.dtype != out->dtype) return false;
        for (uint32_t axis = 0; axis < HB_IMAGE_MAX_RANK; axis++) {
            if (in.dims[axis] != 1u && in.dims[axis] != out->dims[axis]) return false;
        }
    }
    return true;
}

bool hb_check_sum(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor out;
    if (op->params_bytes != HB_IMAGE_ADD_BYTES || !check_operands(engine, op, &out)) return false;
    const struct hb_image_add p = hb_add_params(engine, op);
    if (!hb_is_clamp(out.dtype, p.act_min, p.act_max, p.act_min_f, p.act_max_f)) return false;
    if (out.dtype == HB_DTYPE_FLOAT32) return true;
    const int32_t multipliers[3] = {p.input1_multiplier, p.input2_multiplier, p.output_multiplier};
    const int32_t shifts[3] = {p.input1_shift, p.input2_shift, p.output_shift};
    for (uint32_t i = 0; i < 3u; i++) {
        if (multipliers[i] < 0 || shifts[i] < -31 || shifts[i] > 0) return false;
    }
    /* 255 << 20 or 32768 << 15, halved by the multiplier, twice, stays inside int32. */
    return hb_is_minus_zero_point(out.dtype, p.input1_offset) &&
           hb_is_minus_zero_point(out.dtype, p.input2_offset) &&
           hb_is_zero_point(out.dtype, p.output_offset) && p.left_shift >= 0 &&
           p.left_shift <= (out.dtype == HB_DTYPE_INT16 ? 15 : 20);
}

static bool check_mul(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor out;
    if (op->params_bytes != HB_IMAGE_MUL_BYTES || !check_operands(engine, op, &out)) return false;
    const struct hb_image_mul p = hb_mul_params(engine, op);
    if (!hb_is_clamp(out.dtype, p.act_min, p.act_max, p.act_min_f, p.act_max_f)) return false;
    return out.dtype == HB_DTYPE_FLOAT32 ||
           (hb_is_minus_zero_point(out.dtype, p.input1_offset) &&
            hb_is_minus_zero_point(out.dtype, p.input2_offset) &&
            hb_is_zero_point(out.dtype, p.output_offset) &&
            hb_is_multiplier(p.multiplier, p.shift));
}

/* One input of the output's shape in slot 0, nothing from `first_absent` on. */
static bool check_one(const struct hb_engine *engine, const struct hb_image_op *op,
                      uint32_t first_absent, struct hb_image_tensor *in,
                      struct hb_image_tensor *out) {
    *out = hb_tensor_at(engine, op->output);
    return hb_get_input(engine, op, 0, in) && hb_slots_absent(op, first_absent) &&
           hb_same_shape(in, out);
}

static bool check_lookup(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, out, table;
    return op->params_bytes == 0u && check_one(engine, op, 2, &in, &out) &&
           hb_get_input(engine, op, 1, &table) && is_byte(in.dtype) && is_byte(out.dtype) &&
           table.storage == HB_STORAGE_CONSTANT && table.dtype == out.dtype &&
           hb_elements(&table) == TABLE_ENTRIES;
}

/* The table of logistic and tanh, or no table. */
static bool check_unary_table(const struct hb_engine *engine, const struct hb_image_op *op,
                              bool is_wanted) {
    struct hb_image_tensor table;
    if (!is_wanted) return hb_slots_absent(op, 1);
    return hb_get_input(engine, op, 1, &table) && table.storage == HB_STORAGE_CONSTANT &&
           table.dtype == HB_DTYPE_INT16 && hb_elements(&table) == TABLE_ENTRIES;
}

static bool check_unary_s16(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_unary p = hb_unary_params(engine, op);
    if (!hb_is_clamp(HB_DTYPE_INT16, p.act_min, p.act_max, 0.0f, 0.0f)) return false;
    switch (p.function) {
    case HB_FUNCTION_LOGISTIC:
    case HB_FUNCTION_TANH:
        return check_unary_table(engine, op, true) && p.multiplier >= 0 &&
               p.multiplier <= INT16_MAX && p.shift >= 0 && p.shift <= 31;
    case HB_FUNCTION_CLAMP:
    case HB_FUNCTION_LEAKY_RELU:
        return check_unary_table(engine, op, false) && hb_is_multiplier(p.multiplier, p.shift) &&
               p.alpha_multiplier > INT32_MIN && p.alpha_shift >= -31 && p.alpha_shift <= 30;
    default: return false;
    }
}

static bool check_unary(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, out;
    if (op->params_bytes != HB_IMAGE_UNARY_BYTES || !check_one(engine, op, 2, &in, &out) ||
        out.dtype != in.dtype) {
        return false;
    }
    if (in.dtype == HB_DTYPE_INT16) return check_unary_s16(engine, op);
    const struct hb_image_unary p = hb_unary_params(engine, op);
    return in.dtype == HB_DTYPE_FLOAT32 && check_unary_table(engine, op, false) &&
           p.function >= HB_FUNCTION_CLAMP && p.function <= HB_FUNCTION_LEAKY_RELU &&
           p.act_min_f <= p.act_max_f && p.alpha == p.alpha; /* no NaN */
}

static bool is_quantized(uint8_t dtype) {
    return dtype == HB_DTYPE_INT8 || dtype == HB_DTYPE_INT16;
}

static bool check_quantize(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, out;
    if (op->params_bytes != HB_IMAGE_QUANTIZE_BYTES || !check_one(engine, op, 1, &in, &out)) {
        return false;
    }
    const struct hb_image_quantize p = hb_quantize_params(engine, op);
    if (!is_quantized(out.dtype) || !hb_is_zero_point(out.dtype, p.output_offset)) return false;
    if (in.dtype == HB_DTYPE_FLOAT32) return p.scale > 0.0f;
    return is_quantized(in.dtype) && hb_is_minus_zero_point(in.dtype, p.input_offset) &&
           hb_is_multiplier(p.multiplier, p.shift);
}

static bool check_dequantize(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, out;
    if (op->params_bytes != HB_IMAGE_QUANTIZE_BYTES || !check_one(engine, op, 1, &in, &out)) {
        return false;
    }
    const struct hb_image_quantize p = hb_quantize_params(engine, op);
    return (is_byte(in.dtype) || in.dtype == HB_DTYPE_INT16) && out.dtype == HB_DTYPE_FLOAT32 &&
           p.scale > 0.0f &&
           hb_is_minus_zero_point(in.dtype, p.input_offset);
}

static bool check_mean(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != HB_IMAGE_MEAN_BYTES || !hb_get_input(engine, op, 0, &in) ||
        !hb_slots_absent(op, 1)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_mean p = hb_mean_params(engine, op);
    if (!is_number(in.dtype) || out.dtype != in.dtype || p.axes > 15u) {
        return false;
    }
    uint64_t count = 1;
    for (uint32_t axis = 0; axis < HB_IMAGE_MAX_RANK; axis++) {
        if ((p.axes >> axis & 1u) != 0u) count *= in.dims[axis];
    }
    if (count > MAX_MEAN_COUNT || hb_elements(&in) / count != hb_elements(&out)) return false;
    return in.dtype == HB_DTYPE_FLOAT32 ||
           (hb_is_minus_zero_point(in.dtype, p.input_offset) &&
            hb_is_zero_point(in.dtype, p.output_offset) &&
            hb_is_multiplier(p.multiplier, p.shift));
}

bool hb_validate_elementwise(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_SUB: return hb_check_sum(engine, op);
    case HB_OPCODE_MUL: return check_mul(engine, op);
    case HB_OPCODE_LOOKUP: return check_lookup(engine, op);
    case HB_OPCODE_UNARY: return check_unary(engine, op);
    case HB_OPCODE_QUANTIZE: return check_quantize(engine, op);
    case HB_OPCODE_DEQUANTIZE: return check_dequantize(engine, op);
    case HB_OPCODE_MEAN: return check_mean(engine, op);
    default: return false;
    }
}
