#include "hb_crc32.h"
#include "hb_internal.h"

/* The CRC covers everything after the first four header fields. */
#define CRC_START 16u
/* Earlier versions read the same under this one: what they reserved is 0 (image.toml). */
#define OLDEST_VERSION 1u

/* Sizes in bytes, of elements of 64 bits too, fit 32 bits. */
#define MAX_ELEMENTS (UINT32_C(1) << 28)

#define DYNAMIC_FLAGS ((uint32_t)(HB_OP_FLAG_DYNAMIC_SYMMETRIC | HB_OP_FLAG_DYNAMIC_ASYMMETRIC))

static bool in_range(uint32_t offset, uint64_t bytes, uint32_t first, uint32_t end) {
    return offset >= first && offset <= end && bytes <= end - offset;
}

static uint32_t element_bits(uint8_t dtype) {
    switch (dtype) {
    case HB_DTYPE_INT4: return 4;
    case HB_DTYPE_INT8:
    case HB_DTYPE_UINT8:
    case HB_DTYPE_FLOAT8: return 8;
    case HB_DTYPE_INT16:
    case HB_DTYPE_FLOAT16: return 16;
    case HB_DTYPE_INT32:
    case HB_DTYPE_FLOAT32: return 32;
    case HB_DTYPE_INT64: return 64;
    default: return 0;
    }
}

static enum hb_engine_status check_header(struct hb_engine *engine, uint32_t image_capacity,
                                          uint32_t arena_capacity, uint32_t *detail) {
    const struct hb_image_header *h = &engine->header;
    *detail = HB_RECORD_HEADER;
    if (((uintptr_t)engine->image & (HB_IMAGE_ALIGNMENT - 1u)) != 0u) return HB_ENGINE_BOUNDS;
    if (image_capacity < HB_IMAGE_HEADER_BYTES) return HB_ENGINE_MAGIC;
    if (hb_image_header_decode(engine->image, HB_IMAGE_HEADER_BYTES, &engine->header) != 0 ||
        h->magic != HB_IMAGE_MAGIC) {
        return HB_ENGINE_MAGIC;
    }
    if (h->version < OLDEST_VERSION || h->version > HB_IMAGE_VERSION) {
        *detail = h->version;
        return HB_ENGINE_VERSION_DIFFERS;
    }
    if (h->header_bytes != HB_IMAGE_HEADER_BYTES || h->image_bytes < HB_IMAGE_HEADER_BYTES ||
        h->image_bytes > image_capacity || h->image_bytes % HB_IMAGE_ALIGNMENT != 0u) {
        return HB_ENGINE_BOUNDS;
    }
    const uint32_t crc = hb_crc32(0, engine->image + CRC_START, h->image_bytes - CRC_START);
    if (crc != h->crc) {
        *detail = crc;
        return HB_ENGINE_CRC;
    }
    if (h->arena_bytes > arena_capacity) {
        *detail = h->arena_bytes - arena_capacity;
        return HB_ENGINE_ARENA;
    }
    return HB_ENGINE_OK;
}

HB_PART static bool check_table(struct hb_engine *engine, uint32_t offset, uint32_t bytes) {
    if (offset % 4u != 0u ||
        !in_range(offset, bytes, HB_IMAGE_HEADER_BYTES, engine->header.image_bytes)) {
        return false;
    }
    if (engine->data_start < offset + bytes) engine->data_start = offset + bytes;
    return true;
}

HB_PART static bool check_tables(struct hb_engine *engine) {
    const struct hb_image_header *h = &engine->header;
    const uint32_t io_count = (uint32_t)h->input_count + h->output_count;
    engine->data_start = HB_IMAGE_HEADER_BYTES;
    return h->tensor_count > 0u && h->op_count > 0u && h->input_count > 0u &&
           h->output_count > 0u &&
           check_table(engine, h->tensors_offset, h->tensor_count * HB_IMAGE_TENSOR_BYTES) &&
           check_table(engine, h->ops_offset, h->op_count * HB_IMAGE_OP_BYTES) &&
           check_table(engine, h->io_offset, 2u * io_count);
}

HB_PART static bool check_coded(const struct hb_engine *engine, uint32_t offset) {
    const uint32_t end = engine->header.image_bytes;
    return in_range(offset, HB_CODED_HEAD_BYTES, engine->data_start, end) &&
           in_range(offset + HB_CODED_HEAD_BYTES, hb_get_u32(engine->image + offset), offset, end);
}

HB_PART static bool check_tensor(const struct hb_engine *engine, uint32_t index) {
    const struct hb_image_tensor t = hb_tensor_at(engine, index);
    if (t.rank < 1u || t.rank > HB_IMAGE_MAX_RANK || t.reserved != 0u) return false;
    uint64_t elements = 1;
    for (uint32_t axis = 0; axis < HB_IMAGE_MAX_RANK; axis++) {
        if (t.dims[axis] == 0u) return false;
        if (axis < HB_IMAGE_MAX_RANK - t.rank && t.dims[axis] != 1u) return false;
        elements *= t.dims[axis]; /* below 2^28 before, so below 2^60 now */
        if (elements > MAX_ELEMENTS) return false;
    }
    const uint64_t bytes = (elements * element_bits(t.dtype) + 7u) / 8u;
    if (bytes == 0u || bytes != t.bytes || t.offset % HB_IMAGE_ALIGNMENT != 0u) return false;
    switch (t.storage) {
    case HB_STORAGE_ARENA:
    case HB_STORAGE_STATE: return in_range(t.offset, bytes, 0, engine->header.arena_bytes);
    case HB_STORAGE_CONSTANT:
        return in_range(t.offset, bytes, engine->data_start, engine->header.image_bytes);
    case HB_STORAGE_HUFFMAN: return check_coded(engine, t.offset);
    default: return false;
    }
}

HB_PART static bool check_io(const struct hb_engine *engine, uint32_t first, uint32_t count,
                     uint32_t *total) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint16_t index = hb_io_at(engine, first + i);
        if (index >= engine->header.tensor_count) return false;
        const struct hb_image_tensor t = hb_tensor_at(engine, index);
        if (t.storage != HB_STORAGE_ARENA) return false;
        bytes += t.bytes;
    }
    *total = (uint32_t)bytes;
    return bytes <= UINT32_MAX;
}

static bool is_in_arena(const struct hb_image_tensor *tensor) {
    return tensor->storage == HB_STORAGE_ARENA || tensor->storage == HB_STORAGE_STATE;
}

static bool overlap(uint32_t a, uint32_t a_bytes, uint32_t b, uint32_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes; /* both already lie inside the arena */
}

/* Whether the output may lie where input `slot` lies: reshape, and operators that read one element
 * of each input for one of the output, on exactly the same bytes; packed convolutions from the same
 * byte on, when their own validation agrees. */
static bool may_share(const struct hb_image_op *op, uint32_t slot,
                      const struct hb_image_tensor *in, const struct hb_image_tensor *out) {
    if (in->offset != out->offset) return false;
    switch (op->opcode) {
    case HB_OPCODE_RESHAPE:
    case HB_OPCODE_ADD:
    case HB_OPCODE_SUB:
    case HB_OPCODE_MUL:
    case HB_OPCODE_LOOKUP:
    case HB_OPCODE_UNARY:
    case HB_OPCODE_QUANTIZE:
    case HB_OPCODE_DEQUANTIZE: return in->bytes == out->bytes;
    case HB_OPCODE_CONV_2D:
    case HB_OPCODE_DEPTHWISE_CONV_2D:
        return hb_is_packed(op) && slot == 0u && in->bytes >= out->bytes;
    default: return false;
    }
}

/* Writing the output must not destroy what the operator still reads. */
HB_PART static bool check_places(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_tensor out = hb_tensor_at(engine, op->output);
    if (!is_in_arena(&out)) return false;
    if (op->scratch_bytes > 0u &&
        overlap(op->scratch_offset, op->scratch_bytes, out.offset, out.bytes)) {
        return false;
    }
    for (uint32_t i = 0; i < HB_IMAGE_OP_INPUTS; i++) {
        if (op->inputs[i] == HB_IMAGE_NO_TENSOR) continue;
        const struct hb_image_tensor in = hb_tensor_at(engine, op->inputs[i]);
        if (!is_in_arena(&in)) continue;
        if (op->scratch_bytes > 0u &&
            overlap(op->scratch_offset, op->scratch_bytes, in.offset, in.bytes)) {
            return false;
        }
        if (overlap(in.offset, in.bytes, out.offset, out.bytes) &&
            !may_share(op, i, &in, &out)) {
            return false;
        }
    }
    return true;
}

HB_PART static bool check_op_bounds(const struct hb_engine *engine, const struct hb_image_op *op) {
    const struct hb_image_header *h = &engine->header;
    if (op->output >= h->tensor_count) return false;
    for (uint32_t i = 0; i < HB_IMAGE_OP_INPUTS; i++) {
        if (op->inputs[i] == HB_IMAGE_NO_TENSOR) continue;
        if (op->inputs[i] >= h->tensor_count) return false;
        /* Coded bytes are fewer than the tensor's: only expand knows. */
        if (hb_tensor_at(engine, op->inputs[i]).storage == HB_STORAGE_HUFFMAN &&
            op->opcode != HB_OPCODE_EXPAND) {
            return false;
        }
    }
    if (op->params_bytes == 0u) {
        if (op->params_offset != 0u) return false;
    } else if (op->params_offset % 4u != 0u || !in_range(op->params_offset, op->params_bytes,
                                                         engine->data_start, h->image_bytes)) {
        return false;
    }
    if (op->scratch_offset % HB_IMAGE_ALIGNMENT != 0u ||
        !in_range(op->scratch_offset, op->scratch_bytes, 0, h->arena_bytes)) {
        return false;
    }
    return check_places(engine, op);
}

/* Operators that set the state come first; a layer does not go on behind the last operator. */
HB_PART static bool check_flags(struct hb_engine *engine, const struct hb_image_op *op, uint32_t index) {
    const uint32_t place = op->flags & ~DYNAMIC_FLAGS;
    if (place == HB_OP_FLAG_INIT) {
        if (engine->init_count != index || index + 1u == engine->header.op_count) return false;
        engine->init_count++;
        return hb_tensor_at(engine, op->output).storage == HB_STORAGE_STATE;
    }
    if (place == HB_OP_FLAG_CONTINUES) return index + 1u < engine->header.op_count;
    engine->layer_count++;
    return place == 0u;
}

enum hb_engine_status hb_engine_init(struct hb_engine *engine, const uint8_t *image,
                                     uint32_t image_capacity, uint8_t *arena,
                                     uint32_t arena_capacity, uint32_t *detail) {
    engine->image = image;
    engine->arena = arena;
    engine->init_count = 0;
    engine->layer_count = 0;
    const enum hb_engine_status status =
        check_header(engine, image_capacity, arena_capacity, detail);
    if (status != HB_ENGINE_OK) return status;

    const struct hb_image_header *h = &engine->header;
    *detail = HB_RECORD_HEADER;
    if (!check_tables(engine)) return HB_ENGINE_BOUNDS;
    for (uint32_t i = 0; i < h->tensor_count; i++) {
        *detail = i;
        if (!check_tensor(engine, i)) return HB_ENGINE_BOUNDS;
    }
    *detail = HB_RECORD_HEADER;
    if (!check_io(engine, 0, h->input_count, &engine->vector_bytes) ||
        !check_io(engine, h->input_count, h->output_count, &engine->output_bytes)) {
        return HB_ENGINE_BOUNDS;
    }
    for (uint32_t i = 0; i < h->op_count; i++) {
        const struct hb_image_op op = hb_op_at(engine, i);
        *detail = HB_RECORD_OP + i;
        if (!check_op_bounds(engine, &op)) return HB_ENGINE_BOUNDS;
        *detail = i;
        if (!check_flags(engine, &op, i) || !hb_validate_op(engine, &op) ||
            !hb_dispatch(engine, &op, true)) {
            return HB_ENGINE_OP;
        }
    }
    *detail = 0;
    return HB_ENGINE_OK;
}
