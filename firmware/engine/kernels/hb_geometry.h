/* Which taps of a filter lie inside the input. */
#ifndef HB_GEOMETRY_H
#define HB_GEOMETRY_H

#include <stdint.h>

struct hb_taps {
    int32_t origin; /* input position of tap 0, may be negative */
    int32_t first;  /* first tap inside the input */
    int32_t end;    /* one past the last tap inside; first >= end: none */
};

static inline struct hb_taps hb_taps(int32_t out, int32_t stride, int32_t pad, int32_t dilation,
                                     int32_t filter, int32_t in) {
    struct hb_taps taps = {.origin = out * stride - pad, .first = 0, .end = filter};
    if (taps.origin < 0) taps.first = (-taps.origin + dilation - 1) / dilation;
    const int32_t inside = (in - taps.origin + dilation - 1) / dilation; /* taps before the end */
    if (inside < taps.end) taps.end = inside;
    return taps;
}

#endif
