/* Depthwise convolution with any filter and stride, tap by tap, two channels at a time.  For 3 x 3
 * filters the lines of hb_depthwise_conv_2d_s8xs8_thumb1.c are faster.
 *
 * Packed weights, per two channels: 2 starts; the weights of both for each tap, those of the filter's
 * longer direction in a row, zeros up to a whole word; 2 scales.  Taps outside the input meet its
 * zero point. */
#include "hb_geometry.h"
#include "hb_kernels.h"
#include "thumb1/hb_thumb1.h"

enum { CHANNELS = 2 };

#if !HB_THUMB1_ASM
void hb_dot2_taps_thumb1(const struct hb_thumb1_taps *taps) {
    uint32_t a = taps->acc[0], b = taps->acc[1];
    const int8_t *x_row = taps->x, *w_row = taps->w;
    for (int32_t row = taps->rows; row > 0; row--) {
        const int8_t *x = x_row, *w = w_row, *const end = w + CHANNELS * taps->columns;
        for (; w != end; x += taps->x_step, w += CHANNELS) {
            a += (uint32_t)(x[0] * w[0]);
            b += (uint32_t)(x[1] * w[1]);
        }
        x_row += taps->x_row_bytes;
        w_row += taps->w_row_bytes;
    }
    taps->acc[0] = a;
    taps->acc[1] = b;
}
#endif

/* One direction of the filter, and the bytes from an input position to the next along it. */
struct direction {
    int32_t first, end; /* taps inside the input: at least one, or first == end == filter */
    int32_t origin, filter, step;
};

static struct direction direction_of(struct hb_taps taps, int32_t filter, int32_t step) {
    const int32_t first = taps.first < filter ? taps.first : filter;
    const int32_t end = taps.end > first ? taps.end : first;
    return (struct direction){first, end, taps.origin, filter, step};
}

static void rectangle(struct hb_thumb1_taps *taps, const int8_t *w, int32_t rows, int32_t columns) {
    if (rows <= 0 || columns <= 0) return;
    taps->w = w;
    taps->rows = rows;
    taps->columns = columns;
    hb_dot2_taps_thumb1(taps);
}

/* Taps outside the input, on both sides of those inside. */
static void outside(const struct direction *outer, const struct direction *inner, const int8_t *w,
                    int32_t zero_point, uint32_t acc[CHANNELS]) {
    const int8_t padding[CHANNELS] = {(int8_t)zero_point, (int8_t)zero_point};
    const int32_t row = CHANNELS * inner->filter;
    const int8_t *const inside = w + outer->first * row;
    struct hb_thumb1_taps taps = {.x = padding, .w_row_bytes = row, .acc = acc};
    const int32_t rows = outer->end - outer->first;
    rectangle(&taps, w, outer->first, inner->filter);
    rectangle(&taps, w + outer->end * row, outer->filter - outer->end, inner->filter);
    rectangle(&taps, inside, rows, inner->first);
    rectangle(&taps, inside + CHANNELS * inner->end, rows, inner->filter - inner->end);
}

static bool is_whole(const struct direction *direction) {
    return direction->end - direction->first == direction->filter;
}

/* Two channels of one output; `image` begins with their bytes. */
static void output(const struct hb_conv_args *args, const int8_t *image, const uint32_t *record,
                   const struct direction *outer, const struct direction *inner, int8_t *out) {
    const int8_t *const w = (const int8_t *)(record + CHANNELS);
    const int32_t row = CHANNELS * inner->filter;
    uint32_t acc[CHANNELS] = {record[0], record[1]};
    struct hb_thumb1_taps taps = {
        .x = image + (outer->origin + outer->first) * outer->step +
             (inner->origin + inner->first) * inner->step,
        .x_step = inner->step,
        .x_row_bytes = outer->step,
        .w_row_bytes = row,
        .acc = acc,
    };
    rectangle(&taps, w + outer->first * row + CHANNELS * inner->first, outer->end - outer->first,
              inner->end - inner->first);
    if (!is_whole(outer) || !is_whole(inner)) {
        outside(outer, inner, w, -args->params.input_offset, acc);
    }
    const uint32_t *scale = record + CHANNELS + (outer->filter * row + 3) / 4;
    for (int32_t i = 0; i < CHANNELS; i++, scale += HB_THUMB1_SCALE_WORDS) {
        hb_requantize_thumb1(acc + i, acc + i + 1, hb_thumb1_scale_at(scale), out + i, 1);
    }
}

void hb_depthwise_conv_2d_taps_s8xs8_thumb1(const struct hb_conv_args *args) {
    const struct hb_image_conv *p = &args->params;
    const int32_t words =
        HB_THUMB1_TWO_FIXED_WORDS + (CHANNELS * args->filter_h * args->filter_w + 3) / 4;
    const int32_t row_bytes = args->in_w * args->in_c;
    const bool by_rows =
        args->filter_h > args->filter_w; /* the longer direction is the inner one */
    const int8_t *image = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        for (int32_t y = 0; y < args->out_h; y++) {
            const struct direction rows =
                direction_of(hb_taps(y, p->stride_h, p->pad_top, 1, args->filter_h, args->in_h),
                             args->filter_h, row_bytes);
            for (int32_t x = 0; x < args->out_w; x++, out += args->out_c) {
                const struct direction columns = direction_of(
                    hb_taps(x, p->stride_w, p->pad_left, 1, args->filter_w, args->in_w),
                    args->filter_w, args->in_c);
                const struct direction *outer = by_rows ? &columns : &rows;
                const struct direction *inner = by_rows ? &rows : &columns;
                const uint32_t *record = args->weights;
                for (int32_t c = 0; c < args->out_c; c += CHANNELS, record += words) {
                    output(args, image + c, record, outer, inner, out + c);
                }
            }
        }
        image += args->in_h * row_bytes;
    }
}
