/* The inference engine: validates a packed model (schema/image.toml) once, then walks its flat
 * list of operators.  No heap, no recursion, no global state, only C standard headers.
 *
 * The image must stay unchanged, and 16-byte aligned, from hb_engine_init() on. */
#ifndef HB_ENGINE_H
#define HB_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_image.h"

#define HB_ENGINE_NAME "hilbench"
#define HB_ENGINE_VERSION 0x0001u /* major << 8 | minor */

/* Bits of the protocol's kernel_set: which kernels this build has. */
#ifdef HB_KERNELS_DSP
#define HB_ENGINE_KERNELS_DSP 2u
#else
#define HB_ENGINE_KERNELS_DSP 0u
#endif
#ifdef HB_KERNELS_MVE
#define HB_ENGINE_KERNELS_MVE 4u
#else
#define HB_ENGINE_KERNELS_MVE 0u
#endif
#if !defined(HB_KERNELS_THUMB1)
#define HB_ENGINE_KERNELS_THUMB1 0u
#elif defined(__riscv)
#define HB_ENGINE_KERNELS_THUMB1 16u
#else
#define HB_ENGINE_KERNELS_THUMB1 8u
#endif
#define HB_ENGINE_KERNELS \
    (1u | HB_ENGINE_KERNELS_DSP | HB_ENGINE_KERNELS_MVE | HB_ENGINE_KERNELS_THUMB1)

enum hb_engine_status {
    HB_ENGINE_OK = 0,
    HB_ENGINE_MAGIC,   /* no image there */
    HB_ENGINE_VERSION_DIFFERS, /* detail = the image's version */
    HB_ENGINE_CRC,     /* detail = the CRC computed */
    HB_ENGINE_BOUNDS,  /* detail = HB_RECORD_HEADER, a tensor index, or HB_RECORD_OP + op index */
    HB_ENGINE_OP,      /* operator, type, shape or parameter not supported; detail = op index */
    HB_ENGINE_ARENA,   /* detail = bytes missing */
};

#define HB_RECORD_HEADER 0xFFFFFFFFu
#define HB_RECORD_OP 0x10000u

struct hb_engine {
    const uint8_t *image;
    uint8_t *arena;
    struct hb_image_header header;
    uint32_t init_count;   /* operators in front that only set the state's first value */
    uint32_t layer_count;  /* operators of the model that the others make up */
    uint32_t data_start;   /* first byte after the tables */
    uint32_t vector_bytes; /* all inputs together */
    uint32_t output_bytes; /* all outputs together */
};

struct hb_span {
    uint8_t *data;
    uint32_t bytes;
};

/* Called after each layer, an operator of the model, with its number and the index of its last
 * operator in the image; false ends the inference early. */
typedef bool (*hb_engine_hook)(void *context, uint32_t layer, uint32_t op);

/* Validates all of the image; nothing of it is trusted later that is not checked here.  On
 * failure the engine must not be used.  `image_capacity`: bytes readable at `image`. */
enum hb_engine_status hb_engine_init(struct hb_engine *engine, const uint8_t *image,
                                     uint32_t image_capacity, uint8_t *arena,
                                     uint32_t arena_capacity, uint32_t *detail);

/* Gives what is kept from one inference to the next its first value.  Before the first inference,
 * and before the inputs are written. */
void hb_engine_reset(const struct hb_engine *engine);

/* One inference on what is in the input tensors; `hook` may be NULL.  False: the hook ended it. */
bool hb_engine_invoke(const struct hb_engine *engine, hb_engine_hook hook, void *context);

/* Input tensor `i` < header.input_count, output tensor `i` < header.output_count, and the output
 * of operator `i` < header.op_count. */
struct hb_span hb_engine_input(const struct hb_engine *engine, uint32_t i);
struct hb_span hb_engine_output(const struct hb_engine *engine, uint32_t i);
struct hb_span hb_engine_op_output(const struct hb_engine *engine, uint32_t i);

#endif
