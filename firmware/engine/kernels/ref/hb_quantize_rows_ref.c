/* Float rows to int8 on the fly, as LiteRT's portable kernels do it: symmetric by the largest
 * magnitude; else by the range, widened to hold 0, with TensorFlow Lite's nudged zero point. */
#include "hb_rows.h"

/* Nearest integer, ties away from zero, inside [-128, 127]; NaN gives -128. */
static int32_t round_to_s8(float value) {
    if (!(value > -128.0f)) return -128;
    if (value >= 127.0f) return 127;
    const int32_t whole = (int32_t)value; /* towards zero */
    const float rest = value - (float)whole;
    if (rest >= 0.5f) return whole + 1;
    return rest <= -0.5f ? whole - 1 : whole;
}

static void symmetric_row(const float *input, uint32_t count, int8_t *output,
                          struct hb_dynamic_row *row) {
    float largest = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        const float magnitude = input[i] < 0.0f ? -input[i] : input[i];
        if (magnitude > largest) largest = magnitude;
    }
    const bool quiet = largest == 0.0f;
    const float factor = quiet ? 0.0f : 127.0f / largest;
    row->scale = quiet ? 1.0f : largest / 127.0f;
    row->zero_point = 0;
    for (uint32_t i = 0; i < count; i++) {
        const int32_t value = round_to_s8(input[i] * factor);
        output[i] = (int8_t)(value < -127 ? -127 : value);
    }
}

static double magnitude_of(double value) { return value < 0.0 ? -value : value; }

static int32_t nudged_zero_point(double low, double high, double scale) {
    const double from_low = -128.0 - low / scale, from_high = 127.0 - high / scale;
    const double low_error = 128.0 + magnitude_of(low / scale);
    const double high_error = 127.0 + magnitude_of(high / scale);
    const double wanted = low_error < high_error ? from_low : from_high;
    if (!(wanted > -128.0)) return -128;
    if (wanted >= 127.0) return 127;
    const int32_t whole = (int32_t)wanted;
    const double rest = wanted - whole;
    if (rest >= 0.5) return whole + 1;
    return rest <= -0.5 ? whole - 1 : whole;
}

static void asymmetric_row(const float *input, uint32_t count, int8_t *output,
                           struct hb_dynamic_row *row) {
    float least = 0.0f, most = 0.0f;
    for (uint32_t i = 0; i < count; i++) {
        if (input[i] < least) least = input[i];
        if (input[i] > most) most = input[i];
    }
    const bool quiet = least == most;
    const double scale = quiet ? 1.0 : ((double)most - (double)least) / 255.0;
    row->scale = (float)scale;
    row->zero_point = quiet ? 0 : nudged_zero_point(least, most, scale);
    const float factor = quiet ? 0.0f : 1.0f / row->scale;
    const float zero = (float)row->zero_point;
    for (uint32_t i = 0; i < count; i++) {
        output[i] = (int8_t)round_to_s8(zero + input[i] * factor);
    }
}

void hb_quantize_rows_ref(const float *input, uint32_t row_count, uint32_t count, bool symmetric,
                          int8_t *output, struct hb_dynamic_row *rows) {
    for (uint32_t i = 0; i < row_count; i++) {
        const float *from = input + i * count;
        int8_t *to = output + i * count;
        if (symmetric) symmetric_row(from, count, to, &rows[i]);
        else asymmetric_row(from, count, to, &rows[i]);
    }
}
