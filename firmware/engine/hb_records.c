#include "hb_internal.h"

/* The decoders fail only on a wrong length, which is a constant here. */
#define DECODE(kind, offset)                                                                       \
    struct hb_image_##kind record;                                                                 \
    if (hb_image_##kind##_decode(engine->image + (offset), sizeof_##kind, &record) != 0) {         \
        return (struct hb_image_##kind){0};                                                        \
    }                                                                                              \
    return record

enum {
    sizeof_tensor = HB_IMAGE_TENSOR_BYTES,
    sizeof_op = HB_IMAGE_OP_BYTES,
    sizeof_conv = HB_IMAGE_CONV_BYTES,
    sizeof_pool = HB_IMAGE_POOL_BYTES,
    sizeof_softmax = HB_IMAGE_SOFTMAX_BYTES,
    sizeof_add = HB_IMAGE_ADD_BYTES,
    sizeof_mul = HB_IMAGE_MUL_BYTES,
    sizeof_mean = HB_IMAGE_MEAN_BYTES,
    sizeof_move = HB_IMAGE_MOVE_BYTES,
    sizeof_fill = HB_IMAGE_FILL_BYTES,
    sizeof_unary = HB_IMAGE_UNARY_BYTES,
    sizeof_quantize = HB_IMAGE_QUANTIZE_BYTES,
    sizeof_svdf = HB_IMAGE_SVDF_BYTES,
    sizeof_lstm = HB_IMAGE_LSTM_BYTES,
};

struct hb_image_tensor hb_tensor_at(const struct hb_engine *engine, uint32_t index) {
    DECODE(tensor, engine->header.tensors_offset + index * HB_IMAGE_TENSOR_BYTES);
}

struct hb_image_op hb_op_at(const struct hb_engine *engine, uint32_t index) {
    DECODE(op, engine->header.ops_offset + index * HB_IMAGE_OP_BYTES);
}

uint16_t hb_io_at(const struct hb_engine *engine, uint32_t index) {
    return hb_get_u16(engine->image + engine->header.io_offset + 2u * index);
}

struct hb_image_conv hb_conv_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(conv, op->params_offset);
}

struct hb_image_pool hb_pool_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(pool, op->params_offset);
}

struct hb_image_softmax hb_softmax_params(const struct hb_engine *engine,
                                          const struct hb_image_op *op) {
    DECODE(softmax, op->params_offset);
}

struct hb_image_add hb_add_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(add, op->params_offset);
}

struct hb_image_mul hb_mul_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(mul, op->params_offset);
}

struct hb_image_mean hb_mean_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(mean, op->params_offset);
}

struct hb_image_move hb_move_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(move, op->params_offset);
}

struct hb_image_fill hb_fill_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(fill, op->params_offset);
}

struct hb_image_unary hb_unary_params(const struct hb_engine *engine,
                                      const struct hb_image_op *op) {
    DECODE(unary, op->params_offset);
}

struct hb_image_quantize hb_quantize_params(const struct hb_engine *engine,
                                            const struct hb_image_op *op) {
    DECODE(quantize, op->params_offset);
}

struct hb_image_svdf hb_svdf_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(svdf, op->params_offset);
}

struct hb_image_lstm hb_lstm_params(const struct hb_engine *engine, const struct hb_image_op *op) {
    DECODE(lstm, op->params_offset);
}
