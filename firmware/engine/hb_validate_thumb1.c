/* What the kernels of Armv6-M and RV32IM demand: int8, records of the right size, exactly the scratch
 * that they need.  Whatever the constants hold, no kernel leaves its memory. */
#include "hb_internal.h"

#ifdef HB_KERNELS_THUMB1

#include "kernels/dsp/hb_dsp.h"
#include "kernels/thumb1/hb_thumb1.h"

/* Constants int32[blocks, words] in slot `slot`, nothing after them. */
static bool is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                      uint32_t blocks, uint32_t words) {
    return hb_is_stream(engine, op, slot, HB_DTYPE_INT32, blocks, words);
}

static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_weighted(engine, op, &in, &stream, &out, &p) || in.dtype != HB_DTYPE_INT8 ||
        p.stride_h == 0u || p.stride_w == 0u || p.dilation_h != 1u || p.dilation_w != 1u ||
        p.depth_multiplier != 1u || in.dims[0] != out.dims[0] ||
        !hb_check_axis(in.dims[1], out.dims[1], p.filter_h, p.stride_h, 1, p.pad_top) ||
        !hb_check_axis(in.dims[2], out.dims[2], p.filter_w, p.stride_w, 1, p.pad_left)) {
        return false;
    }
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const uint32_t channels = out.dims[3];
    const bool shared = in.storage == HB_STORAGE_ARENA && in.offset == out.offset;
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) {
        const uint32_t words = ((uint32_t)p.filter_h * p.filter_w + 3u) / 4u;
        return in.dims[3] == channels &&
               (!shared || hb_depthwise_conv_2d_s8xs8_thumb1_in_place(&args)) &&
               is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + words) &&
               hb_has_scratch(op, hb_depthwise_conv_2d_s8xs8_thumb1_scratch_bytes(&args));
    }
    if ((uint64_t)p.filter_h * p.filter_w * in.dims[3] > HB_MAX_DOT_TERMS) return false;
    const uint32_t words = hb_conv_2d_s8xs8_thumb1_depth(&args) / 4u;
    return (!shared || hb_conv_2d_s8xs8_thumb1_in_place(&args)) &&
           is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + words) &&
           hb_has_scratch(op, hb_conv_2d_s8xs8_thumb1_scratch_bytes(&args));
}

static bool check_fully_connected(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_weighted(engine, op, &in, &stream, &out, &p) || in.dtype != HB_DTYPE_INT8) {
        return false;
    }
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
    const uint32_t channels = out.dims[3], rows = hb_elements(&out) / channels;
    if (hb_elements(&in) % rows != 0u || args.in_c <= 0 ||
        (uint32_t)args.in_c > HB_MAX_DOT_TERMS || p.filter_h != 1u || p.filter_w != 1u) {
        return false;
    }
    const uint32_t words = hb_fully_connected_s8xs8_thumb1_depth(&args) / 4u;
    return is_stream(engine, op, 1, channels, HB_THUMB1_FIXED_WORDS + words) &&
           op->scratch_bytes == 0u;
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
    return p.act_min == -128 && p.act_max == 127 && op->scratch_bytes == 0u &&
           (is_stream(engine, op, 2, 1, HB_ADD_DIRECT_WORDS) ||
            is_stream(engine, op, 2, 1, HB_ADD_SCALED_WORDS));
}

bool hb_validate_thumb1(const struct hb_engine *engine, const struct hb_image_op *op) {
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

bool hb_validate_thumb1(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

#endif
