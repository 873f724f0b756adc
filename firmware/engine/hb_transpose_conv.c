/* Transposed convolutions of a validated image, and what they demand. */
#include "hb_checks.h"
#include "kernels/hb_transpose.h"

/* |int64 bias| and 65536 products of int16 x int8 stay below 2^47 together. */
#define MAX_BIAS_64 (INT64_C(1) << 46)
#define MAX_LEFT_SHIFT_64 7

void hb_run_transpose_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    switch (hb_tensor_at(engine, op->output).dtype) {
    case HB_DTYPE_FLOAT32: hb_transpose_conv_f32xf32_ref(&args); break;
    case HB_DTYPE_INT16: hb_transpose_conv_s16xs8_ref(&args); break;
    default: hb_transpose_conv_s8xs8_ref(&args); break;
    }
}

static bool is_row(const struct hb_image_tensor *tensor, uint8_t dtype, uint32_t count) {
    return tensor->storage == HB_STORAGE_CONSTANT && tensor->dtype == dtype &&
           hb_elements(tensor) == count;
}

static bool is_small_bias(const struct hb_engine *engine, const struct hb_image_tensor *bias) {
    for (uint32_t i = 0; i < hb_elements(bias); i++) {
        const uint8_t *at = engine->image + bias->offset + 8u * i;
        const int64_t value =
            (int64_t)((uint64_t)hb_get_u32(at) | ((uint64_t)hb_get_u32(at + 4) << 32));
        if (value <= -MAX_BIAS_64 || value >= MAX_BIAS_64) return false;
    }
    return true;
}

/* Bias, and for integers a multiplier and a shift of every output channel. */
static bool check_channels(const struct hb_engine *engine, const struct hb_image_op *op,
                           uint8_t dtype, uint32_t channels) {
    const bool is_s16 = dtype == HB_DTYPE_INT16, is_float = dtype == HB_DTYPE_FLOAT32;
    const uint8_t bias_dtype =
        is_float ? HB_DTYPE_FLOAT32 : is_s16 ? HB_DTYPE_INT64 : HB_DTYPE_INT32;
    struct hb_image_tensor bias, multiplier, shift;
    if (hb_get_input(engine, op, 2, &bias) &&
        (!is_row(&bias, bias_dtype, channels) || (is_s16 && !is_small_bias(engine, &bias)))) {
        return false;
    }
    if (is_float) return hb_slots_absent(op, 3);
    if (!hb_get_input(engine, op, 3, &multiplier) || !hb_get_input(engine, op, 4, &shift) ||
        !hb_slots_absent(op, 5) || !is_row(&multiplier, HB_DTYPE_INT32, channels) ||
        !is_row(&shift, HB_DTYPE_INT32, channels)) {
        return false;
    }
    for (uint32_t i = 0; i < channels; i++) {
        const int32_t s = hb_get_i32(engine->image + shift.offset + 4u * i);
        if (!hb_is_multiplier(hb_get_i32(engine->image + multiplier.offset + 4u * i), s) ||
            (is_s16 && s > MAX_LEFT_SHIFT_64)) {
            return false;
        }
    }
    return true;
}

bool hb_validate_transpose_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, weights;
    if (op->params_bytes != HB_IMAGE_CONV_BYTES || !hb_get_input(engine, op, 0, &in) ||
        !hb_get_input(engine, op, 1, &weights)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_conv p = hb_conv_params(engine, op);
    const bool is_float = in.dtype == HB_DTYPE_FLOAT32;
    if ((!is_float && in.dtype != HB_DTYPE_INT8 && in.dtype != HB_DTYPE_INT16) ||
        out.dtype != in.dtype || weights.dtype != (is_float ? HB_DTYPE_FLOAT32 : HB_DTYPE_INT8) ||
        weights.storage != HB_STORAGE_CONSTANT) {
        return false;
    }
    const uint32_t channels = out.dims[3];
    if (p.stride_h == 0u || p.stride_w == 0u || p.dilation_h != 1u || p.dilation_w != 1u ||
        p.depth_multiplier != 1u || p.filter_h != 0u || p.filter_w != 0u ||
        in.dims[0] != out.dims[0] || weights.dims[0] != channels ||
        weights.dims[3] != in.dims[3] || hb_elements(&weights) / channels > HB_MAX_DOT_TERMS) {
        return false;
    }
    if (!is_float && !(hb_is_minus_zero_point(in.dtype, p.input_offset) &&
                       hb_is_zero_point(in.dtype, p.output_offset))) {
        return false;
    }
    /* The input is what a convolution with this filter would make of the output. */
    return hb_is_clamp(in.dtype, p.act_min, p.act_max, p.act_min_f, p.act_max_f) &&
           hb_check_axis(out.dims[1], in.dims[1], weights.dims[1], p.stride_h, 1, p.pad_top) &&
           hb_check_axis(out.dims[2], in.dims[2], weights.dims[2], p.stride_w, 1, p.pad_left) &&
           check_channels(engine, op, in.dtype, channels);
}
