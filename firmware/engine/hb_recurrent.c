/* SVDF and LSTM of a validated image, and what they demand. */
#include "kernels/hb_recurrent.h"

#include "hb_checks.h"

#define TABLE_ENTRIES 256u
/* Sums of so many products of bytes fit 32 bits, of int16 and int8 64 bits and far below 2^47. */
#define MAX_TERMS 32768u
/* |int64 bias| and those products stay below 2^47 together. */
#define MAX_BIAS_64 (INT64_C(1) << 46)
#define MAX_LEFT_SHIFT_64 7

/* ------------------------------------------------------------------ execution */

static void *slot_data(const struct hb_engine *engine, const struct hb_image_op *op,
                       uint32_t slot) {
    if (op->inputs[slot] == HB_IMAGE_NO_TENSOR) return NULL;
    const struct hb_image_tensor tensor = hb_tensor_at(engine, op->inputs[slot]);
    return hb_tensor_data(engine, &tensor);
}

static void run_svdf(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_tensor time = hb_tensor_at(engine, op->inputs[3]);
    const struct hb_svdf_args args = {
        .input = hb_tensor_data(engine, in),
        .state = slot_data(engine, op, 1),
        .features = slot_data(engine, op, 2),
        .time = hb_tensor_data(engine, &time),
        .bias = slot_data(engine, op, 4),
        .output = hb_tensor_data(engine, out),
        .batch = (int32_t)in->dims[2],
        .inputs = (int32_t)in->dims[3],
        .filters = (int32_t)time.dims[2],
        .memory = (int32_t)time.dims[3],
        .units = (int32_t)out->dims[3],
        .state_is_s16 = time.dtype == HB_DTYPE_INT16,
        .params = hb_svdf_params(engine, op),
    };
    if (in->dtype == HB_DTYPE_FLOAT32) hb_svdf_f32_ref(&args);
    else hb_svdf_s8_ref(&args);
}

static void run_lstm(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    const struct hb_image_lstm p = hb_lstm_params(engine, op);
    const struct hb_lstm_args args = {
        .input = hb_tensor_data(engine, in),
        .hidden = slot_data(engine, op, 1),
        .cell = slot_data(engine, op, 2),
        .weights = slot_data(engine, op, 3),
        .biases = slot_data(engine, op, 4),
        .table = slot_data(engine, op, 5),
        .output = hb_tensor_data(engine, out),
        .gates = engine->arena + op->scratch_offset,
        .batch = (int32_t)p.batch,
        .steps = (int32_t)(in->dims[1] * in->dims[2] / p.batch),
        .inputs = (int32_t)in->dims[3],
        .units = (int32_t)out->dims[3],
        .params = p,
    };
    switch (in->dtype) {
    case HB_DTYPE_FLOAT32: hb_lstm_f32_ref(&args); break;
    case HB_DTYPE_INT16: hb_lstm_s16_ref(&args); break;
    default: hb_lstm_s8_ref(&args); break;
    }
}

bool hb_run_recurrent(const struct hb_engine *engine, const struct hb_image_op *op,
                      const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    switch (op->opcode) {
    case HB_OPCODE_SVDF: run_svdf(engine, op, in, out); return true;
    case HB_OPCODE_LSTM: run_lstm(engine, op, in, out); return true;
    default: return false;
    }
}

/* ------------------------------------------------------------------ validation */

static bool is_constant(const struct hb_engine *engine, const struct hb_image_op *op,
                        uint32_t slot, uint8_t dtype, uint64_t elements) {
    struct hb_image_tensor tensor;
    return hb_get_input(engine, op, slot, &tensor) && tensor.storage == HB_STORAGE_CONSTANT &&
           tensor.dtype == dtype && hb_elements(&tensor) == elements;
}

static bool is_state(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                     uint8_t dtype, uint64_t elements) {
    struct hb_image_tensor tensor;
    return hb_get_input(engine, op, slot, &tensor) && tensor.storage == HB_STORAGE_STATE &&
           tensor.dtype == dtype && hb_elements(&tensor) == elements;
}

static bool check_svdf_params(const struct hb_image_svdf *p, uint8_t dtype, uint8_t state_dtype) {
    if (dtype == HB_DTYPE_FLOAT32) return p->act_min_f <= p->act_max_f;
    return hb_is_minus_zero_point(dtype, p->input_offset) &&
           hb_is_zero_point(state_dtype, p->state_zero_point) &&
           hb_is_zero_point(dtype, p->output_offset) &&
           hb_is_multiplier(p->feature_multiplier, p->feature_shift) &&
           hb_is_multiplier(p->output_multiplier, p->output_shift);
}

static bool check_svdf(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in, time;
    if (op->params_bytes != HB_IMAGE_SVDF_BYTES || !hb_get_input(engine, op, 0, &in) ||
        !hb_get_input(engine, op, 3, &time) || !hb_slots_absent(op, 5)) {
        return false;
    }
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_svdf p = hb_svdf_params(engine, op);
    const bool is_float = in.dtype == HB_DTYPE_FLOAT32;
    if ((!is_float && in.dtype != HB_DTYPE_INT8) || out.dtype != in.dtype ||
        in.dims[0] * in.dims[1] != 1u || out.dims[0] * out.dims[1] != 1u ||
        out.dims[2] != in.dims[2] || time.dims[0] * time.dims[1] != 1u) {
        return false;
    }
    const bool is_known = is_float ? time.dtype == HB_DTYPE_FLOAT32
                                   : time.dtype == HB_DTYPE_INT8 || time.dtype == HB_DTYPE_INT16;
    const uint64_t filters = time.dims[2], memory = time.dims[3], units = out.dims[3];
    const uint8_t bias_dtype = is_float ? HB_DTYPE_FLOAT32 : HB_DTYPE_INT32;
    return is_known && p.rank > 0u && p.rank <= MAX_TERMS && p.rank * units == filters &&
           in.dims[3] <= MAX_TERMS && memory * p.rank <= MAX_TERMS &&
           check_svdf_params(&p, in.dtype, time.dtype) &&
           is_state(engine, op, 1, time.dtype, in.dims[2] * filters * memory) &&
           is_constant(engine, op, 2, in.dtype, filters * in.dims[3]) &&
           is_constant(engine, op, 3, time.dtype, filters * memory) &&
           (op->inputs[4] == HB_IMAGE_NO_TENSOR ||
            is_constant(engine, op, 4, bias_dtype, units));
}

static bool are_gate_multipliers(const int32_t multipliers[4], const int32_t shifts[4],
                                 int32_t most) {
    for (uint32_t gate = 0; gate < HB_LSTM_GATES; gate++) {
        if (!hb_is_multiplier(multipliers[gate], shifts[gate]) || shifts[gate] > most) return false;
    }
    return true;
}

static bool check_lstm_params(const struct hb_image_lstm *p, uint8_t dtype) {
    const int32_t most = dtype == HB_DTYPE_INT16 ? MAX_LEFT_SHIFT_64 : 30;
    if (dtype == HB_DTYPE_FLOAT32) return p->cell_clip_f >= 0.0f;
    return hb_is_minus_zero_point(dtype, p->input_offset) &&
           hb_is_minus_zero_point(dtype, p->hidden_offset) &&
           hb_is_zero_point(dtype, p->output_offset) &&
           are_gate_multipliers(p->input_multiplier, p->input_shift, most) &&
           are_gate_multipliers(p->hidden_multiplier, p->hidden_shift, most) &&
           hb_is_multiplier(p->forget_multiplier, p->forget_shift) &&
           hb_is_multiplier(p->update_multiplier, p->update_shift) &&
           hb_is_multiplier(p->output_multiplier, p->output_shift) && p->tanh_multiplier >= 0 &&
           p->tanh_multiplier <= INT16_MAX && p->tanh_shift >= 0 && p->tanh_shift <= 31 &&
           p->cell_clip >= 0 && p->cell_clip <= INT16_MAX;
}

static bool are_small_biases(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor biases = hb_tensor_at(engine, op->inputs[4]);
    if (biases.dtype != HB_DTYPE_INT64) return true;
    for (uint32_t i = 0; i < hb_elements(&biases); i++) {
        const uint8_t *at = engine->image + biases.offset + 8u * i;
        const int64_t value =
            (int64_t)((uint64_t)hb_get_u32(at) | ((uint64_t)hb_get_u32(at + 4) << 32));
        if (value <= -MAX_BIAS_64 || value >= MAX_BIAS_64) return false;
    }
    return true;
}

static bool check_lstm_constants(const struct hb_engine *engine, const struct hb_image_op *op,
                                 uint8_t dtype, uint64_t inputs, uint64_t units) {
    const bool is_float = dtype == HB_DTYPE_FLOAT32;
    const uint8_t bias_dtype = is_float                  ? HB_DTYPE_FLOAT32
                               : dtype == HB_DTYPE_INT16 ? HB_DTYPE_INT64
                                                         : HB_DTYPE_INT32;
    return is_constant(engine, op, 3, is_float ? HB_DTYPE_FLOAT32 : HB_DTYPE_INT8,
                       HB_LSTM_GATES * units * (inputs + units)) &&
           is_constant(engine, op, 4, bias_dtype, HB_LSTM_GATES * units) &&
           are_small_biases(engine, op) &&
           (is_float ? hb_slots_absent(op, 5)
                     : is_constant(engine, op, 5, HB_DTYPE_INT16, TABLE_ENTRIES));
}

static bool check_lstm(const struct hb_engine *engine, const struct hb_image_op *op) {
    struct hb_image_tensor in;
    if (op->params_bytes != HB_IMAGE_LSTM_BYTES || !hb_get_input(engine, op, 0, &in)) return false;
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    const struct hb_image_lstm p = hb_lstm_params(engine, op);
    const bool is_float = in.dtype == HB_DTYPE_FLOAT32;
    if ((!is_float && in.dtype != HB_DTYPE_INT8 && in.dtype != HB_DTYPE_INT16) ||
        out.dtype != in.dtype || in.dims[0] != 1u || out.dims[0] != 1u ||
        in.dims[1] != out.dims[1] || in.dims[2] != out.dims[2] || p.time_major > 1u ||
        p.batch != in.dims[p.time_major != 0u ? 2 : 1]) {
        return false;
    }
    const uint64_t inputs = in.dims[3], units = out.dims[3];
    const uint8_t cell_dtype = is_float ? HB_DTYPE_FLOAT32 : HB_DTYPE_INT16;
    return inputs <= MAX_TERMS && units <= MAX_TERMS && check_lstm_params(&p, in.dtype) &&
           is_state(engine, op, 1, in.dtype, p.batch * units) &&
           is_state(engine, op, 2, cell_dtype, p.batch * units) &&
           check_lstm_constants(engine, op, in.dtype, inputs, units) &&
           op->scratch_bytes >= HB_LSTM_GATES * units * hb_element_bytes(cell_dtype);
}

bool hb_validate_recurrent(const struct hb_engine *engine, const struct hb_image_op *op) {
    switch (op->opcode) {
    case HB_OPCODE_SVDF: return check_svdf(engine, op);
    case HB_OPCODE_LSTM: return check_lstm(engine, op);
    default: return false;
    }
}
