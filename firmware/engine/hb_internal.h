/* Shared by the engine's own files. */
#ifndef HB_INTERNAL_H
#define HB_INTERNAL_H

#include "hb_engine.h"
#include "hb_ops.h"
#include "kernels/hb_kernels.h"

/* Records, decoded; the index or offset must have been validated. */
struct hb_image_tensor hb_tensor_at(const struct hb_engine *engine, uint32_t index);
/* The record's second byte, without the others. */
static inline uint8_t hb_dtype_at(const struct hb_engine *engine, uint32_t index) {
    return engine->image[engine->header.tensors_offset + index * HB_IMAGE_TENSOR_BYTES + 1u];
}

struct hb_image_op hb_op_at(const struct hb_engine *engine, uint32_t index);
uint16_t hb_io_at(const struct hb_engine *engine, uint32_t index);
struct hb_image_conv hb_conv_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_pool hb_pool_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_softmax hb_softmax_params(const struct hb_engine *engine,
                                          const struct hb_image_op *op);
struct hb_image_add hb_add_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_mul hb_mul_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_mean hb_mean_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_move hb_move_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_fill hb_fill_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_unary hb_unary_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_quantize hb_quantize_params(const struct hb_engine *engine,
                                            const struct hb_image_op *op);

/* Constants packed for an instruction set, instead of TensorFlow Lite's layout. */
static inline bool hb_is_packed(const struct hb_image_op *op) {
    return op->variant > HB_KERNEL_REFERENCE;
}

/* RV32IM runs the layouts made for Armv6-M. */
static inline bool hb_is_thumb1(const struct hb_image_op *op) {
    return op->variant == HB_KERNEL_THUMB1 || op->variant == HB_KERNEL_RV32;
}

static inline uint32_t hb_elements(const struct hb_image_tensor *tensor) {
    return tensor->dims[0] * tensor->dims[1] * tensor->dims[2] * tensor->dims[3];
}

struct hb_image_svdf hb_svdf_params(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_image_lstm hb_lstm_params(const struct hb_engine *engine, const struct hb_image_op *op);

/* First byte of a tensor; a constant's is only read. */
static inline uint8_t *hb_tensor_data(const struct hb_engine *engine,
                                      const struct hb_image_tensor *tensor) {
    const bool is_constant = tensor->storage == HB_STORAGE_CONSTANT;
    return is_constant ? (uint8_t *)(uintptr_t)(engine->image + tensor->offset)
                       : engine->arena + tensor->offset;
}

/* Arguments of kernels; the operator's tensors must have been validated. */
struct hb_conv_args hb_conv_args_of(const struct hb_engine *engine, const struct hb_image_op *op);
struct hb_fully_connected_args hb_fully_connected_args_of(const struct hb_engine *engine,
                                                          const struct hb_image_op *op);

struct hb_conv_args hb_pointwise_args_of(const struct hb_fully_connected_args *args);

/* A dot product of this many int8 x int8 terms (|x + offset| <= 255, |w| <= 128) fits int32. */
#define HB_MAX_DOT_TERMS 65536u

/* A Huffman-coded tensor: u32 size of the coded bytes, then those; its table of code lengths. */
#define HB_CODED_HEAD_BYTES 4u
#define HB_CODE_TABLE_BYTES 128u

/* No tensor in the slots from `first_slot` on. */
bool hb_slots_absent(const struct hb_image_op *op, uint32_t first_slot);
/* The tensor in a slot; false: none. */
bool hb_get_input(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                  struct hb_image_tensor *tensor);
/* One spatial axis: the output is as long as SAME or VALID padding makes it, and the padding in
 * front is the one that goes with it (TensorFlow's definition). */
bool hb_check_axis(uint32_t in, uint32_t out, uint32_t filter, uint32_t stride, uint32_t dilation,
                   uint32_t pad);
/* Data, weights and output agree in type; offsets and clamps are in range. */
bool hb_check_weighted(const struct hb_engine *engine, const struct hb_image_op *op,
                       struct hb_image_tensor *in, struct hb_image_tensor *weights,
                       struct hb_image_tensor *out, struct hb_image_conv *p);

/* All of a pool, and of an addition but its slots from 2 on. */
bool hb_check_pool(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_check_add(const struct hb_engine *engine, const struct hb_image_op *op);

/* Packed constants: [blocks, size] of one type in slot `slot`, no tensors in the slots behind. */
bool hb_is_stream(const struct hb_engine *engine, const struct hb_image_op *op, uint32_t slot,
                  uint8_t dtype, uint32_t blocks, uint32_t size);
/* Exactly `bytes` of scratch, rounded up to the alignment. */
bool hb_has_scratch(const struct hb_image_op *op, uint64_t bytes);
/* Data of int8 or int16, packed constants, parameters; shapes and clamps are the callers'. */
bool hb_get_packed(const struct hb_engine *engine, const struct hb_image_op *op,
                   struct hb_image_tensor *in, struct hb_image_tensor *stream,
                   struct hb_image_tensor *out, struct hb_image_conv *p);
/* The same, and the shapes of a convolution or depthwise convolution. */
bool hb_check_packed_conv(const struct hb_engine *engine, const struct hb_image_op *op,
                          struct hb_image_tensor *in, struct hb_image_tensor *stream,
                          struct hb_image_tensor *out, struct hb_image_conv *p);

/* Weighted operators whose weights have another type than the data (kernels/hb_rows.h). */
bool hb_is_by_rows(const struct hb_engine *engine, const struct hb_image_op *op);
void hb_run_by_rows(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_by_rows(const struct hb_engine *engine, const struct hb_image_op *op);

/* An operator for a packed kernel; false where the build has none. */
bool hb_validate_dsp(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_winograd_dsp(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_mve(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_thumb1(const struct hb_engine *engine, const struct hb_image_op *op);

/* A sum or difference whose operands may have 1 where the output has more. */
bool hb_check_sum(const struct hb_engine *engine, const struct hb_image_op *op);
/* The operators of each group; false for any other. */
bool hb_validate_elementwise(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_recurrent(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_movement(const struct hb_engine *engine, const struct hb_image_op *op);

/* Run one operator of a group; false: it is of another.  Sums and products, of any shapes. */
bool hb_run_elementwise(const struct hb_engine *engine, const struct hb_image_op *op,
                        const struct hb_image_tensor *in, const struct hb_image_tensor *out);
bool hb_run_recurrent(const struct hb_engine *engine, const struct hb_image_op *op,
                      const struct hb_image_tensor *in, const struct hb_image_tensor *out);
bool hb_run_movement(const struct hb_engine *engine, const struct hb_image_op *op,
                     const struct hb_image_tensor *in, const struct hb_image_tensor *out);
void hb_run_transpose_conv(const struct hb_engine *engine, const struct hb_image_op *op);
bool hb_validate_transpose_conv(const struct hb_engine *engine, const struct hb_image_op *op);
void hb_run_binary(const struct hb_engine *engine, const struct hb_image_op *op);

/* Executes a validated operator; `dry`: only says whether this build has a kernel for it. */
bool hb_dispatch(const struct hb_engine *engine, const struct hb_image_op *op, bool dry);

/* Types, shapes and parameters of one operator whose tensors are already known to be in bounds. */
bool hb_validate_op(const struct hb_engine *engine, const struct hb_image_op *op);

#endif
