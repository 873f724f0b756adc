/* What the kernels of Armv6-M and RV32IM demand: records of the right size, exactly the scratch that
 * they need.  Whatever the constants hold, no kernel leaves its memory. */
#include "hb_internal.h"

#ifdef HB_KERNELS_THUMB1

#include "kernels/dsp/hb_dsp.h"
#include "kernels/thumb1/hb_thumb1.h"

/* Constants int32[blocks, words] in slot `slot`, nothing after them. */
static bool is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                      uint32_t blocks, uint32_t words) {
    return hb_is_stream(engine, op, slot, HB_DTYPE_INT32, blocks, words);
}

static bool is_clamp(const struct hb_image_conv *p, int32_t low, int32_t high) {
    return p->act_min >= low && p->act_min <= p->act_max && p->act_max <= high;
}

static uint32_t words_of(uint32_t bytes) { return (bytes + 3u) / 4u; }

/* int16 data: no zero points. */
HB_PART static bool check_s16(const struct hb_engine *engine, const struct hb_image_op *op,
                              const struct hb_image_conv *p, uint32_t channels, uint32_t taps) {
    return p->input_offset == 0 && p->output_offset == 0 && is_clamp(p, INT16_MIN, INT16_MAX) &&
           is_stream(engine, op, 1, channels, HB_THUMB1_S16_FIXED_WORDS + words_of(taps));
}

HB_PART static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_packed_conv(engine, op, &in, &stream, &out, &p) || p.depth_multiplier != 1u) {
        return false;
    }
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const uint32_t channels = out.dims[3], filter = (uint32_t)p.filter_h * p.filter_w;
    const bool shared = in.storage == HB_STORAGE_ARENA && in.offset == out.offset;
    const bool depthwise = op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D;
    if (in.dtype == HB_DTYPE_INT16) {
        return HB_HAS(conv_2d_s16xs8_thumb1) && !depthwise &&
               (!shared || hb_conv_2d_s8xs8_thumb1_in_place(&args)) &&
               check_s16(engine, op, &p, channels, filter * in.dims[3]) &&
               hb_has_scratch(op, hb_conv_2d_s16xs8_thumb1_scratch_bytes(&args));
    }
    if (!is_clamp(&p, INT8_MIN, INT8_MAX)) return false;
    if (depthwise && hb_is_by_taps_thumb1(&args)) {
        return HB_HAS(depthwise_conv_2d_taps_s8xs8_thumb1) && !shared &&
               is_stream(engine, op, 1, channels / 2u,
                         HB_THUMB1_TWO_FIXED_WORDS + words_of(2u * filter)) &&
               op->scratch_bytes == 0u;
    }
    if (depthwise) {
        return HB_HAS(depthwise_conv_2d_s8xs8_thumb1) &&
               (!shared || hb_depthwise_conv_2d_s8xs8_thumb1_in_place(&args)) &&
               is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + words_of(filter)) &&
               hb_has_scratch(op, hb_depthwise_conv_2d_s8xs8_thumb1_scratch_bytes(&args));
    }
    const uint32_t depth = hb_conv_2d_s8xs8_thumb1_depth(&args);
    if ((shared && !hb_conv_2d_s8xs8_thumb1_in_place(&args)) ||
        !hb_has_scratch(op, hb_conv_2d_s8xs8_thumb1_scratch_bytes(&args))) {
        return false;
    }
    if (stream.dtype == HB_DTYPE_INT8) {
        const uint32_t bytes = 4u * (HB_THUMB1_FIXED_WORDS + words_of(depth / 2u));
        return HB_HAS(conv_2d_s8xs4_thumb1) &&
               hb_is_stream(engine, op, 1, HB_DTYPE_INT8, channels, bytes);
    }
    return HB_HAS(conv_2d_s8xs8_thumb1) &&
           is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + depth / 4u);
}

HB_PART static bool check_fully_connected(const struct hb_engine *engine,
                                          const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_get_packed(engine, op, &in, &stream, &out, &p)) return false;
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
    const uint32_t channels = out.dims[3], rows = hb_elements(&out) / channels;
    const uint32_t taps = (uint32_t)args.in_c;
    if (hb_elements(&in) % rows != 0u || taps == 0u || taps > HB_MAX_DOT_TERMS ||
        p.filter_h != 1u || p.filter_w != 1u || op->scratch_bytes != 0u) {
        return false;
    }
    if (in.dtype == HB_DTYPE_INT16) {
        return HB_HAS(fully_connected_s16xs8_thumb1) && check_s16(engine, op, &p, channels, taps);
    }
    if (!is_clamp(&p, INT8_MIN, INT8_MAX)) return false;
    if (stream.dtype == HB_DTYPE_INT8) {
        const uint32_t bytes = 4u * (HB_THUMB1_TWO_FIXED_WORDS + words_of(taps));
        return HB_HAS(fully_connected_s8xs4_thumb1) &&
               hb_is_stream(engine, op, 1, HB_DTYPE_INT8, (channels + 1u) / 2u, bytes);
    }
    return HB_HAS(fully_connected_s8xs8_thumb1) &&
           is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + words_of(taps));
}

static bool is_int8(const struct hb_engine *engine, const struct hb_image_op *op) {
    return hb_tensor_at(engine, op->output).dtype == HB_DTYPE_INT8;
}

HB_PART static bool check_pool(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_pool(engine, op) || op->scratch_bytes != 0u) return false;
    if (op->opcode == HB_OPCODE_MAX_POOL_2D) return HB_HAS(max_pool_2d_s8_thumb1);
    const struct hb_image_pool p = hb_pool_params(engine, op);
    return HB_HAS(average_pool_2d_s8_thumb1) &&
           hb_tensor_at(engine, op->output).dims[3] % 4u == 0u &&
           (uint32_t)p.filter_h * p.filter_w <= HB_POOL_POSITIONS;
}

HB_PART static bool check_add(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_add(engine, op)) return false;
    const struct hb_image_add p = hb_add_params(engine, op);
    return p.act_min == -128 && p.act_max == 127 && op->scratch_bytes == 0u &&
           (is_stream(engine, op, 2, 1, HB_ADD_DIRECT_WORDS) ||
            is_stream(engine, op, 2, 1, HB_ADD_SCALED_WORDS));
}

#define HAS_CONV                                                                                   \
    (HB_HAS(conv_2d_s8xs8_thumb1) || HB_HAS(conv_2d_s8xs4_thumb1) ||                               \
     HB_HAS(conv_2d_s16xs8_thumb1) || HB_HAS(depthwise_conv_2d_s8xs8_thumb1) ||                    \
     HB_HAS(depthwise_conv_2d_taps_s8xs8_thumb1))
#define HAS_FULLY_CONNECTED                                                                        \
    (HB_HAS(fully_connected_s8xs8_thumb1) || HB_HAS(fully_connected_s8xs4_thumb1) ||               \
     HB_HAS(fully_connected_s16xs8_thumb1))
#define HAS_POOL (HB_HAS(average_pool_2d_s8_thumb1) || HB_HAS(max_pool_2d_s8_thumb1))

bool hb_validate_thumb1(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return HAS_CONV && check_conv(engine, op);
    case HB_OPCODE_FULLY_CONNECTED: return HAS_FULLY_CONNECTED && check_fully_connected(engine, op);
    case HB_OPCODE_AVERAGE_POOL_2D:
    case HB_OPCODE_MAX_POOL_2D: return HAS_POOL && check_pool(engine, op);
    case HB_OPCODE_ADD: return HB_HAS(add_s8_thumb1) && check_add(engine, op);
    default: return false;
    }
}

#else

bool hb_validate_thumb1(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

#endif
