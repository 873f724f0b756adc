/* Runs the element-wise operators, lookups and means of a validated image. */
#include "hb_checks.h"
#include "kernels/hb_elementwise.h"

static void run_row(const struct hb_image_op *op, uint8_t dtype,
                    const struct hb_binary_args *args) {
    const bool is_float = dtype == HB_DTYPE_FLOAT32, is_s16 = dtype == HB_DTYPE_INT16;
    if (op->opcode == HB_OPCODE_MUL) {
        if (is_s16) hb_mul_s16_ref(args);
        else if (is_float) hb_mul_f32_ref(args);
        else hb_mul_s8_ref(args);
    } else {
        if (is_s16) hb_sum_s16_ref(args);
        else if (is_float) hb_sum_f32_ref(args);
        else hb_sum_s8_ref(args);
    }
}

/* How an operand advances along an axis: 1 with the output, 0 not at all, -1 either will do. */
static int32_t step_along(const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                          uint32_t axis) {
    if (out->dims[axis] == 1u) return -1;
    return in->dims[axis] == 1u ? 0 : 1;
}

/* The innermost axes along which both operands advance alike become one row: returns how many,
 * with the row's length and steps in `args`. */
static uint32_t merge_axes(const struct hb_image_tensor in[2], const struct hb_image_tensor *out,
                           struct hb_binary_args *args) {
    int32_t steps[2] = {-1, -1};
    uint32_t axes = 0;
    args->elements = 1;
    for (; axes < HB_IMAGE_MAX_RANK; axes++) {
        const uint32_t axis = HB_IMAGE_MAX_RANK - 1u - axes;
        for (uint32_t i = 0; i < 2u; i++) {
            const int32_t step = step_along(&in[i], out, axis);
            if (step < 0) continue;
            if (steps[i] >= 0 && steps[i] != step) goto done;
        }
        for (uint32_t i = 0; i < 2u; i++) {
            const int32_t step = step_along(&in[i], out, axis);
            if (step >= 0) steps[i] = step;
        }
        args->elements *= (int32_t)out->dims[axis];
    }
done:
    args->step1 = steps[0] == 0 ? 0 : 1;
    args->step2 = steps[1] == 0 ? 0 : 1;
    return axes;
}

/* Element of an operand that goes with output row `row`, of the axes outside the row. */
static uint32_t operand_at(const struct hb_image_tensor *in, const struct hb_image_tensor *out,
                           uint32_t axes, uint32_t row) {
    uint32_t at = 0, stride = 1;
    for (uint32_t axis = HB_IMAGE_MAX_RANK; axis-- > 0u;) {
        if (axis < HB_IMAGE_MAX_RANK - axes) {
            const uint32_t i = row % out->dims[axis];
            row /= out->dims[axis];
            if (in->dims[axis] != 1u) at += i * stride;
        }
        stride *= in->dims[axis];
    }
    return at;
}

void hb_run_binary(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor in[2] = {hb_tensor_at(engine, op->inputs[0]),
                                          hb_tensor_at(engine, op->inputs[1])};
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    struct hb_binary_args args = {.sign = op->opcode == HB_OPCODE_SUB ? -1 : 1};
    if (op->opcode == HB_OPCODE_MUL) args.mul = hb_mul_params(engine, op);
    else args.sum = hb_add_params(engine, op);
    const uint32_t axes = merge_axes(in, &out, &args);
    const uint32_t size = hb_element_bytes(out.dtype);
    const uint32_t rows = hb_elements(&out) / (uint32_t)args.elements;
    uint8_t *to = hb_tensor_data(engine, &out);
    for (uint32_t row = 0; row < rows; row++, to += (uint32_t)args.elements * size) {
        args.input1 =
            hb_tensor_data(engine, &in[0]) + operand_at(&in[0], &out, axes, row) * size;
        args.input2 =
            hb_tensor_data(engine, &in[1]) + operand_at(&in[1], &out, axes, row) * size;
        args.output = to;
        run_row(op, out.dtype, &args);
    }
}

static void run_lookup(const struct hb_engine *engine, const struct hb_image_op *op,
                       const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_tensor table = hb_tensor_at(engine, op->inputs[1]);
    hb_lookup_ref(hb_tensor_data(engine, in), hb_tensor_data(engine, &table),
                  hb_tensor_data(engine, out), hb_elements(out),
                  in->dtype == HB_DTYPE_INT8 ? 0x80u : 0u);
}

static void run_unary(const struct hb_engine *engine, const struct hb_image_op *op,
                      const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    struct hb_unary_args args = {
        .input = hb_tensor_data(engine, in),
        .output = hb_tensor_data(engine, out),
        .elements = (int32_t)hb_elements(out),
        .params = hb_unary_params(engine, op),
    };
    if (op->inputs[1] != HB_IMAGE_NO_TENSOR) {
        const struct hb_image_tensor table = hb_tensor_at(engine, op->inputs[1]);
        args.table = (const void *)hb_tensor_data(engine, &table);
    }
    if (in->dtype == HB_DTYPE_INT16) hb_unary_s16_ref(&args);
    else hb_unary_f32_ref(&args);
}

static void run_quantize(const struct hb_engine *engine, const struct hb_image_op *op,
                         const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_quantize_args args = {
        .input = hb_tensor_data(engine, in),
        .output = hb_tensor_data(engine, out),
        .elements = (int32_t)hb_elements(out),
        .in_dtype = in->dtype,
        .out_dtype = out->dtype,
        .params = hb_quantize_params(engine, op),
    };
    if (op->opcode == HB_OPCODE_DEQUANTIZE) hb_dequantize_ref(&args);
    else if (in->dtype == HB_DTYPE_FLOAT32) hb_quantize_f32_ref(&args);
    else hb_requantize_ref(&args);
}

static void run_mean(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    struct hb_mean_args args = {
        .input = hb_tensor_data(engine, in),
        .output = hb_tensor_data(engine, out),
        .count = 1,
        .params = hb_mean_params(engine, op),
    };
    int32_t stride = 1;
    for (uint32_t axis = HB_IMAGE_MAX_RANK; axis-- > 0u;) {
        const int32_t extent = (int32_t)in->dims[axis];
        const bool is_reduced = (args.params.axes >> axis & 1u) != 0u;
        args.kept[axis] = is_reduced ? 1 : extent;
        args.reduced[axis] = is_reduced ? extent : 1;
        args.strides[axis] = stride;
        args.count *= args.reduced[axis];
        stride *= extent;
    }
    if (in->dtype == HB_DTYPE_FLOAT32) hb_mean_f32_ref(&args);
    else if (in->dtype == HB_DTYPE_INT16) hb_mean_s16_ref(&args);
    else hb_mean_s8_ref(&args);
}

bool hb_run_elementwise(const struct hb_engine *engine, const struct hb_image_op *op,
                        const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    switch (op->opcode) {
    case HB_OPCODE_SUB:
    case HB_OPCODE_MUL: hb_run_binary(engine, op); return true;
    case HB_OPCODE_LOOKUP: run_lookup(engine, op, in, out); return true;
    case HB_OPCODE_UNARY: run_unary(engine, op, in, out); return true;
    case HB_OPCODE_QUANTIZE:
    case HB_OPCODE_DEQUANTIZE: run_quantize(engine, op, in, out); return true;
    case HB_OPCODE_MEAN: run_mean(engine, op, in, out); return true;
    default: return false;
    }
}
