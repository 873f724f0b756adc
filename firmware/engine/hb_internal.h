/* Shared by the engine's own files. */
#ifndef HB_INTERNAL_H
#define HB_INTERNAL_H

#include "hb_engine.h"

/* Records, decoded; the index or offset must have been validated. */
struct hb_image_tensor hb_tensor_at(const struct hb_engine *engine, uint32_t index);
struct hb_image_op hb_op_at(const struct hb_engine *engine, uint32_t index);
uint16_t hb_io_at(const struct hb_engine *engine, uint32_t index);
struct hb_image_conv hb_conv_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_pool hb_pool_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_softmax hb_softmax_params(const struct hb_engine *engine,
                                          const struct hb_image_op *op);
struct hb_image_add hb_add_params(const struct hb_engine *engine, const struct hb_image_op *op);

static inline uint32_t hb_elements(const struct hb_image_tensor *tensor) {
    return tensor->dims[0] * tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
}

/* Types, shapes and parameters of one operator whose tensors are already known to be in bounds. */
bool hb_validate_op(const struct hb_engine *engine, const struct hb_image_op *op);

#endif
