/* What the kernels for the M-profile vector extension demand: packed constants of the right size,
 * exactly the scratch that they need.  Whatever the constants hold, no kernel leaves its
 * memory. */
#include "hb_internal.h"

#ifdef HB_KERNELS_MVE

#include "kernels/mve/hb_mve.h"

static bool is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                      uint32_t blocks, uint32_t words) {
    return hb_is_stream(engine, op, slot, HB_DTYPE_INT32, blocks, words);
}

static uint32_t groups_of(const struct hb_conv_args *args) {
    return ((uint32_t)args->out_c + HB_MATMUL_CHANNELS - 1u) / HB_MATMUL_CHANNELS;
}

/* int16 data; shifts in the stream are VRSHL's, which takes any. */
static bool check_s16(const struct hb_engine *engine, const struct hb_image_op *op,
                      const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    return p->input_offset == 0 && p->output_offset == 0 && p->act_min <= p->act_max &&
           p->act_min >= INT16_MIN && p->act_max <= INT16_MAX &&
           is_stream(engine, op, 1, groups_of(args),
                     HB_MATMUL_FIXED_WORDS + hb_conv_2d_s16xs8_mve_depth(args)) &&
           hb_has_scratch(op, hb_conv_2d_s16xs8_mve_scratch_bytes(args));
}

/* int4 weights: a stream of bytes. */
static bool check_s4(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_conv_args *args) {
    const uint32_t bytes =
        4u * HB_MATMUL_FIXED_WORDS + 2u * hb_conv_2d_s8xs4_mve_depth(args);
    return hb_is_stream(engine, op, 1, HB_DTYPE_INT8, groups_of(args), bytes) &&
           hb_has_scratch(op, hb_conv_2d_s8xs4_mve_scratch_bytes(args));
}

static bool is_int8_clamp(const struct hb_image_conv *p) {
    return p->act_min <= p->act_max && p->act_min >= INT8_MIN && p->act_max <= INT8_MAX;
}

static bool check_conv(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_check_packed_conv(engine, op, &in, &stream, &out, &p)) return false;
    const struct hb_conv_args args = hb_conv_args_of(engine, op);
    const bool depthwise = op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D;
    const bool shared = args.input == args.output;
    if (in.dtype == HB_DTYPE_INT16) return !depthwise && !shared && check_s16(engine, op, &args);
    if (!is_int8_clamp(&p)) return false;
    if (depthwise) {
        const uint32_t words = HB_DEPTHWISE_FIXED_WORDS +
                               hb_depthwise_conv_2d_s8xs8_mve_depth(&args) / 2u;
        return hb_depthwise_conv_2d_s8xs8_mve_takes(&args) &&
               (!shared || hb_depthwise_conv_2d_s8xs8_mve_in_place(&args)) &&
               is_stream(engine, op, 1, out.dims[3] / 2u, words) &&
               hb_has_scratch(op, hb_depthwise_conv_2d_s8xs8_mve_scratch_bytes(&args));
    }
    if (stream.dtype == HB_DTYPE_INT8) return !shared && check_s4(engine, op, &args);
    const uint32_t words = HB_MATMUL_FIXED_WORDS + hb_conv_2d_s8xs8_mve_depth(&args);
    return (!shared || hb_conv_2d_s8xs8_mve_in_place(&args)) &&
           is_stream(engine, op, 1, groups_of(&args), words) &&
           hb_has_scratch(op, hb_conv_2d_s8xs8_mve_scratch_bytes(&args));
}

static bool check_fully_connected(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, stream, out;
    struct hb_image_conv p;
    if (!hb_get_packed(engine, op, &in, &stream, &out, &p) || p.filter_h != 1u ||
        p.filter_w != 1u) {
        return false;
    }
    const uint32_t channels = out.dims[3], rows = hb_elements(&out) / channels;
    if (hb_elements(&in) % rows != 0u) return false;
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
    if ((uint32_t)args.in_c > HB_MAX_DOT_TERMS) return false;
    const struct hb_conv_args conv = hb_pointwise_args_of(&args);
    if (in.dtype == HB_DTYPE_INT16) return check_s16(engine, op, &conv);
    if (!is_int8_clamp(&p)) return false;
    if (stream.dtype == HB_DTYPE_INT8) return check_s4(engine, op, &conv);
    const uint32_t groups = (channels + HB_DOT_CHANNELS - 1u) / HB_DOT_CHANNELS;
    const uint32_t words = HB_DOT_FIXED_WORDS + 2u * hb_fully_connected_s8xs8_mve_depth(&args);
    return is_stream(engine, op, 1, groups, words) &&
           hb_has_scratch(op, hb_fully_connected_s8xs8_mve_scratch_bytes(&args));
}

static bool is_int8(const struct hb_engine *engine, const struct hb_image_op *op) {
    return hb_tensor_at(engine, op->output).dtype == HB_DTYPE_INT8;
}

static bool check_pool(const struct hb_engine *engine, const struct hb_image_op *op) {
    if (!is_int8(engine, op) || !hb_check_pool(engine, op) || op->scratch_bytes != 0u) return false;
    const struct hb_image_pool p = hb_pool_params(engine, op);
    return op->opcode == HB_OPCODE_MAX_POOL_2D ||
           (uint32_t)p.filter_h * p.filter_w <= HB_MVE_POOL_POSITIONS;
}

static bool check_add(const struct hb_engine *engine, const struct hb_image_op *op) {
    return is_int8(engine, op) && hb_check_add(engine, op) && op->scratch_bytes == 0u &&
           (is_stream(engine, op, 2, 1, HB_MVE_ADD_LINEAR_WORDS) ||
            is_stream(engine, op, 2, 1, HB_MVE_ADD_SCALED_WORDS));
}

bool hb_validate_mve(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return check_conv(engine, op);
    case HB_OPCODE_FULLY_CONNECTED: return check_fully_connected(engine, op);
    case HB_OPCODE_AVERAGE_POOL_2D:
    case HB_OPCODE_MAX_POOL_2D: return check_pool(engine, op);
    case HB_OPCODE_ADD: return check_add(engine, op);
    default: return false;
    }
}

#else

bool hb_validate_mve(const struct hb_engine *engine, const struct hb_image_op *op) {
    (void)engine;
    (void)op;
    return false;
}

#endif
