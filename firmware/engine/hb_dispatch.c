/* Which kernel executes an operator.  Every path ends in HB_RUN(): one place says both whether a
 * build has the kernel, which the validator asks, and how it is called. */
#include "hb_checks.h"
#include "hb_internal.h"
#include "kernels/dsp/hb_dsp.h"
#include "kernels/hb_kernels.h"
#include "kernels/mve/hb_mve.h"

/* Returns whether the kernel is there; calls it unless the run is dry. */
#define HB_RUN(kernel, args) HB_RUN_CALL(kernel, hb_##kernel(args))
#define HB_RUN_CALL(kernel, call) return HB_HAS(kernel) && (dry || ((call), true))

static uint8_t *tensor_data(const struct hb_engine *engine, const struct hb_image_tensor *tensor) {
    return hb_tensor_data(engine, tensor);
}

/* Data of an input slot, NULL where the slot is empty. */
static const void *slot_data(const struct hb_engine *engine, const struct hb_image_op *op,
                             uint32_t slot) {
    if (op->inputs[slot] == HB_IMAGE_NO_TENSOR) return NULL;
    const struct hb_image_tensor tensor = hb_tensor_at(engine, op->inputs[slot]);
    return tensor_data(engine, &tensor);
}

/* Filter of a canonical kernel: the weights' shape; of a packed stream: in the parameters. */
static struct hb_conv_args conv_args(const struct hb_engine *engine, const struct hb_image_op *op,
                                     const struct hb_image_tensor *in,
                                     const struct hb_image_tensor *out) {
    const struct hb_image_tensor weights = hb_tensor_at(engine, op->inputs[1]);
    const struct hb_image_conv params = hb_conv_params(engine, op);
    const bool packed = hb_is_packed(op);
    return (struct hb_conv_args){
        .input = tensor_data(engine, in),
        .weights = tensor_data(engine, &weights),
        .bias = slot_data(engine, op, 2),
        .multiplier = slot_data(engine, op, 3),
        .shift = slot_data(engine, op, 4),
        .output = tensor_data(engine, out),
        .scratch = engine->arena + op->scratch_offset,
        .batches = (int32_t)in->dims[0],
        .in_h = (int32_t)in->dims[1],
        .in_w = (int32_t)in->dims[2],
        .in_c = (int32_t)in->dims[3],
        .out_h = (int32_t)out->dims[1],
        .out_w = (int32_t)out->dims[2],
        .out_c = (int32_t)out->dims[3],
        .filter_h = packed ? params.filter_h : (int32_t)weights.dims[1],
        .filter_w = packed ? params.filter_w : (int32_t)weights.dims[2],
        .params = params,
    };
}

/* Whether packed weights are of two channels in a byte. */
static inline bool is_s4(const struct hb_engine *engine, const struct hb_image_op *op) {
    return hb_dtype_at(engine, op->inputs[1]) == HB_DTYPE_INT8;
}

#ifdef HB_KERNELS_DSP
HB_PART static bool conv_dsp(const struct hb_engine *engine, const struct hb_image_op *op,
                             uint8_t dtype, const struct hb_conv_args *args, bool dry) {
    if (dtype == HB_DTYPE_INT16) HB_RUN(conv_2d_s16xs8_dsp, args);
    if (is_s4(engine, op)) HB_RUN(conv_2d_s8xs4_dsp, args);
    if (op->opcode == HB_OPCODE_CONV_2D) HB_RUN(conv_2d_s8xs8_dsp, args);
    if (hb_tensor_at(engine, op->inputs[1]).dims[2] != (uint32_t)args->out_c) {
        HB_RUN(depthwise_conv_2d_taps_s8xs8_dsp, args);
    }
    HB_RUN(depthwise_conv_2d_s8xs8_dsp, args);
}
#endif

#ifdef HB_KERNELS_THUMB1
HB_PART static bool conv_thumb1(const struct hb_engine *engine, const struct hb_image_op *op,
                                uint8_t dtype, const struct hb_conv_args *args, bool dry) {
    if (op->opcode == HB_OPCODE_CONV_2D) {
        if (dtype == HB_DTYPE_INT16) HB_RUN(conv_2d_s16xs8_thumb1, args);
        if (is_s4(engine, op)) HB_RUN(conv_2d_s8xs4_thumb1, args);
        HB_RUN(conv_2d_s8xs8_thumb1, args);
    }
    if (hb_is_by_taps_thumb1(args)) HB_RUN(depthwise_conv_2d_taps_s8xs8_thumb1, args);
    HB_RUN(depthwise_conv_2d_s8xs8_thumb1, args);
}

static bool fully_connected_thumb1(const struct hb_engine *engine, const struct hb_image_op *op,
                                   uint8_t dtype, const struct hb_fully_connected_args *args,
                                   bool dry) {
    if (dtype == HB_DTYPE_INT16) HB_RUN(fully_connected_s16xs8_thumb1, args);
    if (is_s4(engine, op)) HB_RUN(fully_connected_s8xs4_thumb1, args);
    HB_RUN(fully_connected_s8xs8_thumb1, args);
}
#endif

#ifdef HB_KERNELS_MVE
HB_PART static bool conv_mve(const struct hb_engine *engine, const struct hb_image_op *op,
                             uint8_t dtype, const struct hb_conv_args *args, bool dry) {
    if (dtype == HB_DTYPE_INT16) HB_RUN(conv_2d_s16xs8_mve, args);
    if (is_s4(engine, op)) HB_RUN(conv_2d_s8xs4_mve, args);
    if (op->opcode == HB_OPCODE_CONV_2D) HB_RUN(conv_2d_s8xs8_mve, args);
    HB_RUN(depthwise_conv_2d_s8xs8_mve, args);
}
#endif

HB_PART static bool conv_ref(const struct hb_image_op *op, uint8_t dtype,
                             const struct hb_conv_args *args, bool dry) {
    const bool is_float = dtype == HB_DTYPE_FLOAT32;
    if (op->opcode == HB_OPCODE_CONV_2D) {
        if (is_float) HB_RUN(conv_2d_f32xf32_ref, args);
        HB_RUN(conv_2d_s8xs8_ref, args);
    }
    if (is_float) HB_RUN(depthwise_conv_2d_f32xf32_ref, args);
    HB_RUN(depthwise_conv_2d_s8xs8_ref, args);
}

struct hb_conv_args hb_conv_args_of(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[0]);
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    return conv_args(engine, op, &in, &out);
}

HB_PART static bool run_conv(const struct hb_engine *engine, const struct hb_image_op *op,
                             const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                             bool dry) {
    if (hb_is_by_rows(engine, op)) HB_RUN_CALL(rows, hb_run_by_rows(engine, op));
    const struct hb_conv_args args = conv_args(engine, op, in, out);
#ifdef HB_KERNELS_DSP
    if (op->variant == HB_KERNEL_DSP) return conv_dsp(engine, op, in->dtype, &args, dry);
    if (op->variant == HB_KERNEL_DSP_WINOGRAD) HB_RUN(conv_2d_s8xs8_winograd_dsp, &args);
#endif
#ifdef HB_KERNELS_THUMB1
    if (hb_is_thumb1(op)) return conv_thumb1(engine, op, in->dtype, &args, dry);
#endif
#ifdef HB_KERNELS_MVE
    if (op->variant == HB_KERNEL_MVE) return conv_mve(engine, op, in->dtype, &args, dry);
#endif
    return conv_ref(op, in->dtype, &args, dry);
}

/* Canonical weights say how long a row is; with packed ones a row is what is not the batch. */
struct hb_fully_connected_args hb_fully_connected_args_of(const struct hb_engine *engine,
                                                          const struct hb_image_op *op) {
    const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[0]);
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_tensor weights = hb_tensor_at(engine, op->inputs[1]);
    const uint32_t rows = hb_elements(&out) / out.dims[3];
    const uint32_t in_c = hb_is_packed(op) ? hb_elements(&in) / rows : weights.dims[3];
    return (struct hb_fully_connected_args){
        .input = tensor_data(engine, &in),
        .weights = tensor_data(engine, &weights),
        .bias = slot_data(engine, op, 2),
        .multiplier = slot_data(engine, op, 3),
        .shift = slot_data(engine, op, 4),
        .output = tensor_data(engine, &out),
        .scratch = engine->arena + op->scratch_offset,
        .batches = (int32_t)rows,
        .in_c = (int32_t)in_c,
        .out_c = (int32_t)out.dims[3],
        .params = hb_conv_params(engine, op),
    };
}

/* Rows as the pixels of a 1 x 1 convolution. */
struct hb_conv_args hb_pointwise_args_of(const struct hb_fully_connected_args *args) {
    struct hb_conv_args conv = {
        .input = args->input,
        .weights = args->weights,
        .output = args->output,
        .scratch = args->scratch,
        .batches = 1,
        .in_h = 1,
        .in_w = args->batches,
        .in_c = args->in_c,
        .out_h = 1,
        .out_w = args->batches,
        .out_c = args->out_c,
        .filter_h = 1,
        .filter_w = 1,
        .params = args->params,
    };
    conv.params.stride_h = conv.params.stride_w = 1;
    conv.params.dilation_h = conv.params.dilation_w = 1;
    conv.params.pad_top = conv.params.pad_left = 0;
    return conv;
}

#ifdef HB_KERNELS_DSP
HB_PART static bool fully_connected_dsp(const struct hb_engine *engine,
                                        const struct hb_image_op *op, uint8_t dtype,
                                        const struct hb_fully_connected_args *args, bool dry) {
    if (dtype == HB_DTYPE_INT16) {
        const struct hb_conv_args conv = hb_pointwise_args_of(args);
        HB_RUN(conv_2d_s16xs8_dsp, &conv);
    }
    if (is_s4(engine, op)) HB_RUN(fully_connected_s8xs4_dsp, args);
    HB_RUN(fully_connected_s8xs8_dsp, args);
}
#endif

#ifdef HB_KERNELS_MVE
HB_PART static bool fully_connected_mve(const struct hb_engine *engine,
                                        const struct hb_image_op *op, uint8_t dtype,
                                        const struct hb_fully_connected_args *args, bool dry) {
    const bool as_conv = dtype == HB_DTYPE_INT16 || is_s4(engine, op);
    if (!as_conv) HB_RUN(fully_connected_s8xs8_mve, args);
    const struct hb_conv_args conv = hb_pointwise_args_of(args);
    if (dtype == HB_DTYPE_INT16) HB_RUN(conv_2d_s16xs8_mve, &conv);
    HB_RUN(conv_2d_s8xs4_mve, &conv);
}
#endif

HB_PART static bool fully_connected_ref(uint8_t dtype, const struct hb_fully_connected_args *args,
                                        bool dry) {
    if (dtype == HB_DTYPE_FLOAT32) HB_RUN(fully_connected_f32xf32_ref, args);
    HB_RUN(fully_connected_s8xs8_ref, args);
}

HB_PART static bool run_fully_connected(const struct hb_engine *engine,
                                        const struct hb_image_op *op,
                                        const struct hb_image_tensor *in, bool dry) {
    if (hb_is_by_rows(engine, op)) HB_RUN_CALL(rows, hb_run_by_rows(engine, op));
    const struct hb_fully_connected_args args = hb_fully_connected_args_of(engine, op);
#ifdef HB_KERNELS_DSP
    if (op->variant == HB_KERNEL_DSP) return fully_connected_dsp(engine, op, in->dtype, &args, dry);
#endif
#ifdef HB_KERNELS_THUMB1
    if (hb_is_thumb1(op)) return fully_connected_thumb1(engine, op, in->dtype, &args, dry);
#endif
#ifdef HB_KERNELS_MVE
    if (op->variant == HB_KERNEL_MVE) return fully_connected_mve(engine, op, in->dtype, &args, dry);
#endif
    return fully_connected_ref(in->dtype, &args, dry);
}

HB_PART static bool pool_ref(const struct hb_image_op *op, uint8_t dtype,
                             const struct hb_pool_args *args, bool dry) {
    if (op->opcode == HB_OPCODE_AVERAGE_POOL_2D) {
        if (dtype == HB_DTYPE_INT16) HB_RUN(average_pool_2d_s16_ref, args);
        if (dtype == HB_DTYPE_FLOAT32) HB_RUN(average_pool_2d_f32_ref, args);
        HB_RUN(average_pool_2d_s8_ref, args);
    }
    if (dtype == HB_DTYPE_INT16) HB_RUN(max_pool_2d_s16_ref, args);
    if (dtype == HB_DTYPE_FLOAT32) HB_RUN(max_pool_2d_f32_ref, args);
    HB_RUN(max_pool_2d_s8_ref, args);
}

HB_PART static bool run_pool(const struct hb_engine *engine, const struct hb_image_op *op,
                             const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                             bool dry) {
    const struct hb_pool_args args = {
        .input = tensor_data(engine, in),
        .output = tensor_data(engine, out),
        .batches = (int32_t)in->dims[0],
        .in_h = (int32_t)in->dims[1],
        .in_w = (int32_t)in->dims[2],
        .channels = (int32_t)in->dims[3],
        .out_h = (int32_t)out->dims[1],
        .out_w = (int32_t)out->dims[2],
        .params = hb_pool_params(engine, op),
    };
    const bool is_average = op->opcode == HB_OPCODE_AVERAGE_POOL_2D;
    (void)is_average; /* only packed kernels ask */
#ifdef HB_KERNELS_DSP
    if (op->variant == HB_KERNEL_DSP) {
        if (is_average) HB_RUN(average_pool_2d_s8_dsp, &args);
        HB_RUN(max_pool_2d_s8_dsp, &args);
    }
#endif
#ifdef HB_KERNELS_THUMB1
    if (hb_is_thumb1(op)) {
        if (is_average) HB_RUN(average_pool_2d_s8_thumb1, &args);
        HB_RUN(max_pool_2d_s8_thumb1, &args);
    }
#endif
#ifdef HB_KERNELS_MVE
    if (op->variant == HB_KERNEL_MVE) {
        if (is_average) HB_RUN(average_pool_2d_s8_mve, &args);
        HB_RUN(max_pool_2d_s8_mve, &args);
    }
#endif
    return pool_ref(op, in->dtype, &args, dry);
}

HB_PART static bool run_softmax(const struct hb_engine *engine, const struct hb_image_op *op,
                                const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                                bool dry) {
    const struct hb_softmax_args args = {
        .input = tensor_data(engine, in),
        .output = tensor_data(engine, out),
        .exp_table = slot_data(engine, op, 1),
        .reciprocal_table = slot_data(engine, op, 2),
        .rows = (int32_t)(hb_elements(in) / in->dims[3]),
        .depth = (int32_t)in->dims[3],
        .params = hb_softmax_params(engine, op),
    };
    if (in->dtype == HB_DTYPE_FLOAT32) HB_RUN(softmax_f32_ref, &args);
    else if (in->dtype == HB_DTYPE_INT16) HB_RUN(softmax_s16_ref, &args);
    else HB_RUN(softmax_s8_ref, &args);
}

HB_PART static bool run_add(const struct hb_engine *engine, const struct hb_image_op *op,
                            const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                            bool dry) {
    struct hb_add_args args = {
        .input1 = tensor_data(engine, in),
        .input2 = slot_data(engine, op, 1),
        .output = tensor_data(engine, out),
        .elements = (int32_t)hb_elements(out),
        .params = hb_add_params(engine, op),
    };
    if (hb_is_packed(op)) {
        const uint32_t words = hb_tensor_at(engine, op->inputs[2]).dims[3];
        args.tables = slot_data(engine, op, 2);
        args.is_direct =
            words == (op->variant == HB_KERNEL_MVE ? HB_MVE_ADD_LINEAR_WORDS : HB_ADD_DIRECT_WORDS);
    }
#ifdef HB_KERNELS_DSP
    if (op->variant == HB_KERNEL_DSP) HB_RUN(add_s8_dsp, &args);
#endif
#ifdef HB_KERNELS_THUMB1
    if (hb_is_thumb1(op)) HB_RUN(add_s8_thumb1, &args);
#endif
#ifdef HB_KERNELS_MVE
    if (op->variant == HB_KERNEL_MVE) HB_RUN(add_s8_mve, &args);
#endif
    if (out->dtype == HB_DTYPE_FLOAT32) HB_RUN(add_f32_ref, &args);
    else HB_RUN(add_s8_ref, &args);
}

/* Both operands have the output's shape, and there is a kernel for no other. */
static bool is_plain_add(const struct hb_engine *engine, const struct hb_image_op *op,
                         const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_tensor other = hb_tensor_at(engine, op->inputs[1]);
    return out->dtype != HB_DTYPE_INT16 && hb_same_shape(in, out) && hb_same_shape(&other, out);
}

static bool is_elementwise(uint16_t opcode) {
    switch (opcode) {
    case HB_OPCODE_SUB:
    case HB_OPCODE_MUL:
    case HB_OPCODE_LOOKUP:
    case HB_OPCODE_UNARY:
    case HB_OPCODE_QUANTIZE:
    case HB_OPCODE_DEQUANTIZE:
    case HB_OPCODE_MEAN: return true;
    default: return false;
    }
}

bool hb_dispatch(const struct hb_engine *engine, const struct hb_image_op *op, bool dry) {
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    /* An operator without inputs looks at its output only. */
    const struct hb_image_tensor in =
        op->inputs[0] == HB_IMAGE_NO_TENSOR ? out : hb_tensor_at(engine, op->inputs[0]);
    switch (op->opcode) {
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D: return run_conv(engine, op, &in, &out, dry);
    case HB_OPCODE_FULLY_CONNECTED: return run_fully_connected(engine, op, &in, dry);
    case HB_OPCODE_AVERAGE_POOL_2D:
    case HB_OPCODE_MAX_POOL_2D: return run_pool(engine, op, &in, &out, dry);
    case HB_OPCODE_SOFTMAX: return run_softmax(engine, op, &in, &out, dry);
    case HB_OPCODE_RESHAPE:
        HB_RUN_CALL(reshape_ref,
                    hb_reshape_ref(tensor_data(engine, &in), tensor_data(engine, &out), out.bytes));
    case HB_OPCODE_ADD:
        if (hb_is_packed(op) || is_plain_add(engine, op, &in, &out)) {
            return run_add(engine, op, &in, &out, dry);
        }
        HB_RUN_CALL(elementwise, hb_run_binary(engine, op));
    case HB_OPCODE_TRANSPOSE_CONV: HB_RUN_CALL(transpose_conv, hb_run_transpose_conv(engine, op));
    case HB_OPCODE_SVDF:
    case HB_OPCODE_LSTM: HB_RUN_CALL(recurrent, hb_run_recurrent(engine, op, &in, &out));
    default: break;
    }
    if (is_elementwise(op->opcode)) {
        HB_RUN_CALL(elementwise, hb_run_elementwise(engine, op, &in, &out));
    }
    HB_RUN_CALL(movement, hb_run_movement(engine, op, &in, &out));
}
