/* What the kernels for the DSP extension demand: int8, packed constants of the right size, exactly
 * the scratch that they need.  Whatever the constants hold, no kernel leaves its memory. */
#include "hb_internal.h"

#ifdef HB_KERNELS_DSP

#include "kernels/dsp/hb_dsp.h"

static bool is_full_range(int32_t act_min, int32_t act_max) {
    return act_min == -128 && act_max == 127;
}

static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!hb_check_packed_conv(engine, op)) return false;
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const uint32_t channels = (uint32_t)args.out_c;
    const bool shared = args.input == args.output;
    if (!is_full_range(args.params.act_min, args.params.act_max)) return false;
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) {
        return hb_depthwise_conv_2d_s8xs8_dsp_takes(&args) &&
               (!shared || hb_depthwise_conv_2d_s8xs8_dsp_in_place(&args)) &&
               hb_is_stream(engine, op, 1, channels, HB_DEPTHWISE_RECORD_WORDS) &&
               hb_has_scratch(op, hb_depthwise_conv_2d_s8xs8_dsp_scratch_bytes(&args));
    }
    const uint32_t words = HB_P8_FIXED_WORDS + hb_conv_2d_s8xs8_dsp_depth(&args) / 2u;
    return channels % 2u == 0u && (!shared || hb_conv_2d_s8xs8_dsp_in_place(&args)) &&
           hb_is_stream(engine, op, 1, channels / 2u, words) &&
           hb_has_scratch(op, hb_conv_2d_s8xs8_dsp_scratch_bytes(&args));
}

static bool check_fully_connected(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_weighted(engine, op, &in, &stream, &out, &p) || in.dtype != HB_DTYPE_INT8 ||
        !is_full_range(p.act_min, p.act_max)) {
        return false;
    }
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
    const uint32_t channels = out.dims[3], rows = hb_elements(&out) / channels;
    if (hb_elements(&in) % rows != 0u || (uint32_t)args.in_c > HB_MAX_DOT_TERMS ||
        p.filter_h != 1u || p.filter_w != 1u) {
        return false;
    }
    const uint32_t words = HB_P8_FIXED_WORDS + hb_fully_connected_s8xs8_dsp_depth(&args) / 2u;
    return args.in_c > 0 && channels % 2u == 0u &&
           hb_is_stream(engine, op, 1, channels / 2u, words) &&
           hb_has_scratch(op, hb_fully_connected_s8xs8_dsp_scratch_bytes(&args));
}

static bool is_int8(const struct hb_engine *engine, const struct hb_image_op *op) {
    return hb_tensor_at(engine, op->output).dtype == HB_DTYPE_INT8;
}

static bool check_pool(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_pool(engine, op)) return false;
    const struct hb_image_pool p = hb_pool_params(engine, op);
    return hb_tensor_at(engine, op->output).dims[3] % 4u == 0u && op->scratch_bytes == 0u &&
           (uint32_t)p.filter_h * p.filter_w <= HB_POOL_POSITIONS;
}

static bool check_add(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_add(engine, op)) return false;
    const struct hb_image_add p = hb_add_params(engine, op);
    return is_full_range(p.act_min, p.act_max) && op->scratch_bytes == 0u &&
           (hb_is_stream(engine, op, 2, 1, HB_ADD_DIRECT_WORDS) ||
            hb_is_stream(engine, op, 2, 1, HB_ADD_SCALED_WORDS));
}

bool hb_validate_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return check_conv(engine, op);
    case HB_OPCODE_FULLY_CONNECTED: return check_fully_connected(engine, op);
    case HB_OPCODE_AVERAGE_POOL_2D: return check_pool(engine, op);
    case HB_OPCODE_ADD: return check_add(engine, op);
    default: return false;
    }
}

#else

bool hb_validate_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

#endif
