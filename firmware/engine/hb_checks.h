/* Small questions that the validators of several operators ask. */
#ifndef HB_CHECKS_H
#define HB_CHECKS_H

#include "hb_internal.h"

static inline bool hb_same_shape(const struct hb_image_tensor *a, const struct hb_image_tensor *b) {
    for (uint32_t axis = 0; axis < HB_IMAGE_MAX_RANK; axis++) {
        if (a->dims[axis] != b->dims[axis]) return false;
    }
    return true;
}

/* Bytes of an element of data; 0 for a type that only constants have. */
static inline uint32_t hb_element_bytes(uint8_t dtype) {
    switch (dtype) {
    case HB_DTYPE_INT8:
    case HB_DTYPE_UINT8: return 1;
    case HB_DTYPE_INT16: return 2;
    case HB_DTYPE_INT32:
    case HB_DTYPE_FLOAT32: return 4;
    default: return 0;
    }
}

static inline int32_t hb_type_min(uint8_t dtype) {
    return dtype == HB_DTYPE_INT16 ? INT16_MIN : dtype == HB_DTYPE_UINT8 ? 0 : INT8_MIN;
}

static inline int32_t hb_type_max(uint8_t dtype) {
    return dtype == HB_DTYPE_INT16 ? INT16_MAX : dtype == HB_DTYPE_UINT8 ? UINT8_MAX : INT8_MAX;
}

/* A zero point of the type; symmetric types have none. */
static inline bool hb_is_zero_point(uint8_t dtype, int32_t value) {
    if (dtype == HB_DTYPE_INT16) return value == 0;
    return value >= hb_type_min(dtype) && value <= hb_type_max(dtype);
}

static inline bool hb_is_minus_zero_point(uint8_t dtype, int32_t value) {
    return value > INT32_MIN && hb_is_zero_point(dtype, -value);
}

static inline bool hb_is_clamp(uint8_t dtype, int32_t low, int32_t high, float low_f, float high_f) {
    if (dtype == HB_DTYPE_FLOAT32) return low_f <= high_f; /* false for NaN */
    return low >= hb_type_min(dtype) && high <= hb_type_max(dtype) && low <= high;
}

static inline bool hb_is_multiplier(int32_t multiplier, int32_t shift) {
    return multiplier >= 0 && shift >= -31 && shift <= 30;
}

#endif
