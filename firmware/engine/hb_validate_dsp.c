/* What the kernels for the DSP extension demand: int8, packed constants of the right size, exactly
 * the scratch that they need.  Whatever the constants hold, no kernel leaves its memory. */
#include "hb_internal.h"

#ifdef HB_KERNELS_DSP

#include "kernels/dsp/hb_winograd_dsp.h"

static bool is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                      uint32_t blocks, uint32_t words) {
    return hb_is_stream(engine, op, slot, HB_DTYPE_INT32, blocks, words);
}

/* int4 weights are bytes: two channels of one k in each. */
static bool is_p4_stream(const struct hb_engine *engine, const struct hb_image_op *op,
                         uint32_t channels, uint32_t depth) {
    return hb_is_stream(engine, op, 1, HB_DTYPE_INT8, channels / 2u, HB_P4_FIXED_BYTES + depth);
}

static bool is_full_range(int32_t act_min, int32_t act_max) {
    return act_min == -128 && act_max == 127;
}

/* int16 data times p16 weights. */
HB_PART static bool check_s16(const struct hb_engine *engine, const struct hb_image_op *op,
                              const struct hb_conv_args *args) {
    const uint32_t depth = hb_conv_2d_s16xs8_dsp_depth(args);
    const uint32_t words = HB_P16_FIXED_WORDS + depth / 2u, blocks = (uint32_t)args->out_c / 2u;
    const struct hb_image_conv *p = &args->params;
    return args->out_c % 2 == 0 && p->input_offset == 0 && p->output_offset == 0 &&
           p->act_min <= p->act_max && p->act_min >= INT16_MIN && p->act_max <= INT16_MAX &&
           is_stream(engine, op, 1, blocks, words) &&
           hb_has_scratch(op, hb_conv_2d_s16xs8_dsp_scratch_bytes(args));
}

HB_PART static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_packed_conv(engine, op, &in, &stream, &out, &p) || p.depth_multiplier != 1u) {
        return false;
    }
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const uint32_t channels = out.dims[3];
    const bool shared = in.storage == HB_STORAGE_ARENA && in.offset == out.offset;
    if (in.dtype == HB_DTYPE_INT16) {
        return HB_HAS(conv_2d_s16xs8_dsp) && !shared && op->opcode == HB_OPCODE_CONV_2D &&
               check_s16(engine, op, &args);
    }
    if (!is_full_range(p.act_min, p.act_max)) return false;
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D && stream.dims[2] != channels) {
        const uint32_t words = HB_TAPS_FIXED_WORDS + (uint32_t)p.filter_h * p.filter_w;
        return HB_HAS(depthwise_conv_2d_taps_s8xs8_dsp) && !shared && channels % 4u == 0u &&
               is_stream(engine, op, 1, channels / 4u, words) && op->scratch_bytes == 0u;
    }
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) {
        return HB_HAS(depthwise_conv_2d_s8xs8_dsp) && hb_depthwise_conv_2d_s8xs8_dsp_takes(&args) &&
               (!shared || hb_depthwise_conv_2d_s8xs8_dsp_in_place(&args)) &&
               is_stream(engine, op, 1, channels, HB_DEPTHWISE_RECORD_WORDS) &&
               hb_has_scratch(op, hb_depthwise_conv_2d_s8xs8_dsp_scratch_bytes(&args));
    }
    const uint32_t depth = hb_conv_2d_s8xs8_dsp_depth(&args);
    if (channels % 2u != 0u) return false;
    if (stream.dtype == HB_DTYPE_INT8) {
        return HB_HAS(conv_2d_s8xs4_dsp) && !shared && is_p4_stream(engine, op, channels, depth) &&
               hb_has_scratch(op, hb_conv_2d_s8xs4_dsp_scratch_bytes(&args));
    }
    return (!shared || hb_conv_2d_s8xs8_dsp_in_place(&args)) &&
           is_stream(engine, op, 1, channels / 2u, HB_P8_FIXED_WORDS + depth / 2u) &&
           hb_has_scratch(op, hb_conv_2d_s8xs8_dsp_scratch_bytes(&args));
}

HB_PART static bool check_fully_connected(const struct hb_engine *engine,
                                          const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_get_packed(engine, op, &in, &stream, &out, &p)) return false;
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
    const uint32_t channels = out.dims[3], rows = hb_elements(&out) / channels;
    if (hb_elements(&in) % rows != 0u || (uint32_t)args.in_c > HB_MAX_DOT_TERMS ||
        p.filter_h != 1u || p.filter_w != 1u) {
        return false;
    }
    if (args.in_c == 0) return false;
    if (in.dtype == HB_DTYPE_INT16) {
        const struct hb_conv_args conv = hb_pointwise_args_of(&args);
        return HB_HAS(conv_2d_s16xs8_dsp) && check_s16(engine, op, &conv);
    }
    const uint32_t depth = hb_fully_connected_s8xs8_dsp_depth(&args);
    if (channels % 2u != 0u || !is_full_range(p.act_min, p.act_max)) return false;
    if (stream.dtype == HB_DTYPE_INT8) {
        return HB_HAS(fully_connected_s8xs4_dsp) && is_p4_stream(engine, op, channels, depth) &&
               hb_has_scratch(op, hb_fully_connected_s8xs4_dsp_scratch_bytes(&args));
    }
    return is_stream(engine, op, 1, channels / 2u, HB_P8_FIXED_WORDS + depth / 2u) &&
           hb_has_scratch(op, hb_fully_connected_s8xs8_dsp_scratch_bytes(&args));
}

static bool is_int8(const struct hb_engine *engine, const struct hb_image_op *op) {
    return hb_tensor_at(engine, op->output).dtype == HB_DTYPE_INT8;
}

HB_PART static bool check_pool(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_pool(engine, op) || op->scratch_bytes != 0u ||
        hb_tensor_at(engine, op->output).dims[3] % 4u != 0u) {
        return false;
    }
    if (op->opcode == HB_OPCODE_MAX_POOL_2D) return HB_HAS(max_pool_2d_s8_dsp);
    const struct hb_image_pool p = hb_pool_params(engine, op);
    return HB_HAS(average_pool_2d_s8_dsp) && (uint32_t)p.filter_h * p.filter_w <= HB_POOL_POSITIONS;
}

HB_PART static bool check_add(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_add(engine, op)) return false;
    const struct hb_image_add p = hb_add_params(engine, op);
    return is_full_range(p.act_min, p.act_max) && op->scratch_bytes == 0u &&
           (is_stream(engine, op, 2, 1, HB_ADD_DIRECT_WORDS) ||
            is_stream(engine, op, 2, 1, HB_ADD_SCALED_WORDS));
}

#define HAS_CONV                                                                                   \
    (HB_HAS(conv_2d_s8xs8_dsp) || HB_HAS(conv_2d_s8xs4_dsp) || HB_HAS(conv_2d_s16xs8_dsp) ||       \
     HB_HAS(depthwise_conv_2d_s8xs8_dsp) || HB_HAS(depthwise_conv_2d_taps_s8xs8_dsp))
#define HAS_FULLY_CONNECTED                                                                        \
    (HB_HAS(fully_connected_s8xs8_dsp) || HB_HAS(fully_connected_s8xs4_dsp) ||                     \
     HB_HAS(conv_2d_s16xs8_dsp))
#define HAS_POOL (HB_HAS(average_pool_2d_s8_dsp) || HB_HAS(max_pool_2d_s8_dsp))

bool hb_validate_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return HAS_CONV && check_conv(engine, op);
    case HB_OPCODE_FULLY_CONNECTED: return HAS_FULLY_CONNECTED && check_fully_connected(engine, op);
    case HB_OPCODE_AVERAGE_POOL_2D:
    case HB_OPCODE_MAX_POOL_2D: return HAS_POOL && check_pool(engine, op);
    case HB_OPCODE_ADD: return HB_HAS(add_s8_dsp) && check_add(engine, op);
    default: return false;
    }
}

bool hb_validate_winograd_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (op->opcode != HB_OPCODE_CONV_2D ||
        !hb_check_packed_conv(engine, op, &in, &stream, &out, &p) || in.dtype != HB_DTYPE_INT8 ||
        !is_full_range(p.act_min, p.act_max)) {
        return false;
    }
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const bool shared = in.storage == HB_STORAGE_ARENA && in.offset == out.offset;
    const uint32_t words = HB_WINOGRAD_POSITIONS * in.dims[3] + HB_WINOGRAD_FIXED_WORDS;
    return hb_conv_2d_s8xs8_winograd_dsp_takes(&args) &&
           (!shared || hb_conv_2d_s8xs8_winograd_dsp_in_place(&args)) &&
           is_stream(engine, op, 1, out.dims[3] / 2u, words) &&
           hb_has_scratch(op, hb_conv_2d_s8xs8_winograd_dsp_scratch_bytes(&args));
}

#else

bool hb_validate_winograd_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

bool hb_validate_dsp(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

#endif
