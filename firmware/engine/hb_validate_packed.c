/* What all packed operators have in common. */
#include "hb_internal.h"

bool hb_is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                  uint8_t dtype, uint32_t blocks, uint32_t size) {
    struct hb_image_tensor stream;
    return hb_get_input(engine, op, slot, &stream) && hb_slots_absent(op, slot + 1u) &&
           stream.dtype == dtype && stream.dims[0] == 1u && stream.dims[1] == 1u &&
           stream.dims[2] == blocks && stream.dims[3] == size;
}

bool hb_has_scratch(const struct hb_image_op *op, uint64_t bytes) {
    const uint64_t blocks = (bytes + HB_IMAGE_ALIGNMENT - 1u) / HB_IMAGE_ALIGNMENT;
    return op->scratch_bytes == blocks * HB_IMAGE_ALIGNMENT;
}

bool hb_get_packed(const struct hb_engine *engine, const struct hb_image_op *op,
                   struct hb_image_tensor *in, struct hb_image_tensor *stream,
                   struct hb_image_tensor *out, struct hb_image_conv *p) {
    if (op->params_bytes != HB_IMAGE_CONV_BYTES || !hb_get_input(engine, op, 0, in) ||
        !hb_get_input(engine, op, 1, stream)) {
        return false;
    }
    *out = hb_tensor_at(engine, op->output);
    *p = hb_conv_params(engine, op);
    const bool is_s8 = in->dtype == HB_DTYPE_INT8;
    if ((!is_s8 && in->dtype != HB_DTYPE_INT16) || out->dtype != in->dtype || p->filter_h == 0u ||
        p->filter_w == 0u) {
        return false;
    }
    return !is_s8 || (p->input_offset >= -127 && p->input_offset <= 128 &&
                      p->output_offset >= INT8_MIN && p->output_offset <= INT8_MAX);
}

bool hb_check_packed_conv(const struct hb_engine *engine, const struct hb_image_op *op,
                          struct hb_image_tensor *in, struct hb_image_tensor *stream,
                          struct hb_image_tensor *out, struct hb_image_conv *p) {
    if (!hb_get_packed(engine, op, in, stream, out, p)) return false;
    const bool depthwise = op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D;
    const uint64_t channels = (uint64_t)in->dims[3] * p->depth_multiplier;
    const uint64_t terms = depthwise ? 1u : in->dims[3];
    return p->stride_h > 0u && p->stride_w > 0u && p->dilation_h == 1u && p->dilation_w == 1u &&
           (depthwise ? channels == out->dims[3] : p->depth_multiplier == 1u) &&
           in->dims[0] == out->dims[0] &&
           (uint64_t)p->filter_h * p->filter_w * terms <= HB_MAX_DOT_TERMS &&
           hb_check_axis(in->dims[1], out->dims[1], p->filter_h, p->stride_h, 1, p->pad_top) &&
           hb_check_axis(in->dims[2], out->dims[2], p->filter_w, p->stride_w, 1, p->pad_left);
}
