/* Weighted operators by rows (kernels/hb_rows.h): arguments, scratch, and what they demand. */
#include "kernels/hb_rows.h"

#include "hb_internal.h"
#include "kernels/hb_fixed_point.h"

#define DYNAMIC_FLAGS ((uint32_t)(HB_OP_FLAG_DYNAMIC_SYMMETRIC | HB_OP_FLAG_DYNAMIC_ASYMMETRIC))
/* int64 biases and 65536 products of int16 x int8 stay below 2^47 together. */
#define MAX_BIAS_64 (INT64_C(1) << 46)
#define MAX_LEFT_SHIFT_64 7

bool hb_is_by_rows(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, weights;
    if (op->variant != HB_KERNEL_CANONICAL && op->variant != HB_KERNEL_REFERENCE) return false;
    return hb_get_input(engine, op, 0, &in) && hb_get_input(engine, op, 1, &weights) &&
           weights.dtype != in.dtype;
}

static bool is_dynamic(const struct hb_image_op *op) { return (op->flags & DYNAMIC_FLAGS) != 0u; }

static uint32_t align4(uint32_t bytes) { return (bytes + 3u) & ~3u; }

/* ------------------------------------------------------------------ arguments */

/* Convolutions as they are, fully connected layers as convolutions of 1 x 1 images. */
static struct hb_conv_args conv_args(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_conv_args args = hb_conv_args_of(engine, op);
    struct hb_image_tensor bias;
    args.is_conv = op->opcode == HB_OPCODE_CONV_2D;
    args.bias_is_narrow = hb_get_input(engine, op, 2, &bias) && bias.dtype == HB_DTYPE_INT32;
    if (op->opcode != HB_OPCODE_FULLY_CONNECTED) return args;
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_tensor weights = hb_tensor_at(engine, op->inputs[1]);
    args.batches = (int32_t)(hb_elements(&out) / out.dims[3]);
    args.in_h = args.in_w = args.out_h = args.out_w = 1;
    args.filter_h = args.filter_w = 1;
    args.in_c = (int32_t)weights.dims[3];
    args.params.stride_h = args.params.stride_w = 1;
    args.params.dilation_h = args.params.dilation_w = 1;
    args.params.pad_top = args.params.pad_left = 0;
    return args;
}

struct layout {
    uint32_t row_bytes; /* decoded weights */
    uint32_t table_bytes; /* struct hb_dynamic_row of every row of data */
    uint32_t data_bytes; /* quantized data */
};

static struct layout layout_of(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[0]);
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_tensor weights = hb_tensor_at(engine, op->inputs[1]);
    const uint32_t channels = out.dims[3];
    const uint32_t count = hb_elements(&weights) / channels;
    const bool as_float = in.dtype == HB_DTYPE_FLOAT32 && !is_dynamic(op);
    struct layout layout = {0};
    if (as_float) layout.row_bytes = 4u * count;
    else if (weights.dtype == HB_DTYPE_INT4) layout.row_bytes = align4(count);
    if (is_dynamic(op)) {
        const uint32_t rows =
            op->opcode == HB_OPCODE_FULLY_CONNECTED ? hb_elements(&out) / channels : in.dims[0];
        layout.table_bytes = rows * (uint32_t)sizeof(struct hb_dynamic_row);
        layout.data_bytes = align4(hb_elements(&in));
    }
    return layout;
}

/* ------------------------------------------------------------------ execution */

static void run_channel(struct hb_row *row, const struct hb_row_weights *weights, uint8_t dtype,
                        void *scratch) {
    const uint32_t channel = (uint32_t)row->channel;
    if (row->rows != NULL) {
        row->scales = weights->scales + channel * weights->blocks;
        row->weights = hb_weights_row_s8_ref(weights, channel, scratch);
        hb_row_dynamic_ref(row);
    } else if (dtype == HB_DTYPE_FLOAT32) {
        row->weights = hb_weights_row_f32_ref(weights, channel, scratch);
        hb_row_f32_ref(row);
    } else {
        row->weights = hb_weights_row_s8_ref(weights, channel, scratch);
        if (dtype == HB_DTYPE_INT16) hb_row_s16_ref(row);
        else hb_row_s8_ref(row);
    }
}

void hb_run_by_rows(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[0]);
    const struct hb_image_tensor tensor = hb_tensor_at(engine, op->inputs[1]);
    const struct hb_conv_args args = conv_args(engine, op);
    const struct layout layout = layout_of(engine, op);
    struct hb_image_tensor scales;
    const bool has_scales = in.dtype == HB_DTYPE_FLOAT32 && hb_get_input(engine, op, 3, &scales);
    const struct hb_row_weights weights = {
        .data = args.weights,
        .dtype = tensor.dtype,
        .count = hb_elements(&tensor) / (uint32_t)args.out_c,
        .scales = has_scales ? (const float *)(const void *)args.multiplier : NULL,
        .blocks = has_scales ? scales.dims[3] : 1u,
    };
    uint8_t *scratch = args.scratch;
    struct hb_row row = {.args = &args,
                         .depth = args.in_c,
                         .blocks = weights.blocks,
                         .asymmetric = (op->flags & HB_OP_FLAG_DYNAMIC_ASYMMETRIC) != 0u};
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) row.depth = 1;
    if (is_dynamic(op)) {
        struct hb_dynamic_row *rows = (void *)scratch;
        int8_t *quantized = (int8_t *)(scratch + layout.table_bytes);
        hb_quantize_rows_ref(args.input, (uint32_t)args.batches,
                             hb_elements(&in) / (uint32_t)args.batches, !row.asymmetric, quantized,
                             rows);
        row.rows = rows;
        row.quantized = quantized;
        scratch += layout.table_bytes + layout.data_bytes;
    }
    for (row.channel = 0; row.channel < args.out_c; row.channel++) {
        if (row.depth == 1 && op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) {
            row.first = row.channel / args.params.depth_multiplier;
        }
        run_channel(&row, &weights, in.dtype, scratch);
    }
}

/* ------------------------------------------------------------------ validation */

static bool are_weights(const struct hb_image_op *op, const struct hb_image_tensor *in,
                        const struct hb_image_tensor *weights) {
    const bool small = weights->dtype == HB_DTYPE_INT8 || weights->dtype == HB_DTYPE_INT4;
    const uint32_t dynamic = op->flags & DYNAMIC_FLAGS;
    switch (in->dtype) {
    case HB_DTYPE_INT8: return weights->dtype == HB_DTYPE_INT4 && dynamic == 0u;
    case HB_DTYPE_INT16: return small && dynamic == 0u;
    case HB_DTYPE_FLOAT32:
        if (dynamic == DYNAMIC_FLAGS) return false;
        if (dynamic != 0u) return small;
        return small || weights->dtype == HB_DTYPE_FLOAT16 || weights->dtype == HB_DTYPE_FLOAT8;
    default: return false;
    }
}

static bool are_parameters(uint8_t dtype, const struct hb_image_conv *p) {
    if (dtype == HB_DTYPE_FLOAT32) return p->act_min_f <= p->act_max_f; /* false for NaN */
    if (p->act_min > p->act_max) return false;
    if (dtype == HB_DTYPE_INT16) {
        return p->input_offset == 0 && p->output_offset == 0 && p->act_min >= INT16_MIN &&
               p->act_max <= INT16_MAX;
    }
    return p->input_offset >= -127 && p->input_offset <= 128 && p->output_offset >= INT8_MIN &&
           p->output_offset <= INT8_MAX && p->act_min >= INT8_MIN && p->act_max <= INT8_MAX;
}

static bool is_row(const struct hb_image_tensor *tensor, uint8_t dtype, uint32_t count) {
    return tensor->storage == HB_STORAGE_CONSTANT && tensor->dtype == dtype &&
           hb_elements(tensor) == count;
}

static bool is_bias(const struct hb_engine *engine, const struct hb_image_op *op, uint8_t dtype,
                    uint32_t channels) {
    struct hb_image_tensor bias;
    if (!hb_get_input(engine, op, 2, &bias)) return true;
    if (dtype == HB_DTYPE_FLOAT32) return is_row(&bias, HB_DTYPE_FLOAT32, channels);
    if (is_row(&bias, HB_DTYPE_INT32, channels)) return true;
    if (dtype != HB_DTYPE_INT16 || !is_row(&bias, HB_DTYPE_INT64, channels)) return false;
    for (uint32_t i = 0; i < channels; i++) {
        const int64_t value = hb_bias_64(engine->image + bias.offset, (int32_t)i);
        if (value <= -MAX_BIAS_64 || value >= MAX_BIAS_64) return false;
    }
    return true;
}

/* Requantization of integers, or scales of float data, and nothing in the slots behind. */
static bool are_scales(const struct hb_engine *engine, const struct hb_image_op *op,
                       const struct hb_image_tensor *in, const struct hb_image_tensor *weights,
                       uint32_t channels) {
    struct hb_image_tensor multiplier, shift, bias;
    if (in->dtype == HB_DTYPE_FLOAT32) {
        if (weights->dtype == HB_DTYPE_FLOAT16) return hb_slots_absent(op, 3);
        struct hb_image_tensor scales;
        const uint32_t count = hb_elements(weights) / channels;
        return hb_get_input(engine, op, 3, &scales) && hb_slots_absent(op, 4) &&
               scales.storage == HB_STORAGE_CONSTANT && scales.dtype == HB_DTYPE_FLOAT32 &&
               scales.dims[0] == 1u && scales.dims[1] == 1u && scales.dims[2] == channels &&
               count % scales.dims[3] == 0u &&
               (scales.dims[3] == 1u || op->opcode == HB_OPCODE_FULLY_CONNECTED);
    }
    if (!hb_get_input(engine, op, 3, &multiplier) || !hb_get_input(engine, op, 4, &shift) ||
        !hb_slots_absent(op, 5) || !is_row(&multiplier, HB_DTYPE_INT32, channels) ||
        !is_row(&shift, HB_DTYPE_INT32, channels)) {
        return false;
    }
    const bool narrow = in->dtype == HB_DTYPE_INT8 ||
                        (hb_get_input(engine, op, 2, &bias) && bias.dtype == HB_DTYPE_INT32);
    const int32_t most = narrow ? 30 : MAX_LEFT_SHIFT_64;
    for (uint32_t i = 0; i < channels; i++) {
        const int32_t m = hb_get_i32(engine->image + multiplier.offset + 4u * i);
        const int32_t s = hb_get_i32(engine->image + shift.offset + 4u * i);
        if (m < 0 || s < -31 || s > most) return false;
    }
    return true;
}

static bool is_convolution(const struct hb_image_op *op, const struct hb_image_tensor *in,
                           const struct hb_image_tensor *weights, const struct hb_image_tensor *out,
                           const struct hb_image_conv *p) {
    if (p->stride_h == 0u || p->stride_w == 0u || p->dilation_h == 0u || p->dilation_w == 0u ||
        weights->dims[0] != out->dims[3] || in->dims[0] != out->dims[0]) {
        return false;
    }
    if (op->opcode == HB_OPCODE_DEPTHWISE_CONV_2D) {
        if (weights->dims[3] != 1u || p->depth_multiplier == 0u ||
            (uint64_t)in->dims[3] * p->depth_multiplier != out->dims[3]) {
            return false;
        }
    } else if (weights->dims[3] != in->dims[3] || p->depth_multiplier != 1u) {
        return false;
    }
    return hb_check_axis(in->dims[1], out->dims[1], weights->dims[1], p->stride_h, p->dilation_h,
                         p->pad_top) &&
           hb_check_axis(in->dims[2], out->dims[2], weights->dims[2], p->stride_w, p->dilation_w,
                         p->pad_left);
}

static bool is_fully_connected(const struct hb_image_tensor *in,
                               const struct hb_image_tensor *weights,
                               const struct hb_image_tensor *out) {
    const uint32_t inputs = weights->dims[3];
    return weights->dims[0] == 1u && weights->dims[1] == 1u && weights->dims[2] == out->dims[3] &&
           hb_elements(in) % inputs == 0u &&
           hb_elements(in) / inputs == hb_elements(out) / out->dims[3];
}

bool hb_validate_by_rows(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[0]);
    const struct hb_image_tensor weights = hb_tensor_at(engine, op->inputs[1]);
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    if (op->params_bytes != HB_IMAGE_CONV_BYTES) return false;
    const struct hb_image_conv p = hb_conv_params(engine, op);
    if (out.dtype != in.dtype || p.filter_h != 0u || p.filter_w != 0u ||
        !are_weights(op, &in, &weights) || !are_parameters(in.dtype, &p)) {
        return false;
    }
    const bool shapes = op->opcode == HB_OPCODE_FULLY_CONNECTED
                            ? is_fully_connected(&in, &weights, &out)
                            : is_convolution(op, &in, &weights, &out, &p);
    const uint32_t channels = out.dims[3];
    if (!shapes || hb_elements(&weights) / channels > HB_MAX_DOT_TERMS ||
        !is_bias(engine, op, in.dtype, channels) ||
        !are_scales(engine, op, &in, &weights, channels)) {
        return false;
    }
    const struct layout layout = layout_of(engine, op);
    const uint64_t bytes = (uint64_t)layout.row_bytes + layout.table_bytes + layout.data_bytes;
    return op->scratch_bytes ==
           (bytes + HB_IMAGE_ALIGNMENT - 1u) / HB_IMAGE_ALIGNMENT * HB_IMAGE_ALIGNMENT;
}
