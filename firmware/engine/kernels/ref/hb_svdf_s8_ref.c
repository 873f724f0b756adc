#include "hb_fixed_point.h"
#include "hb_recurrent.h"

/* A filter's new value, in the state's quantization. */
static int32_t feature(const struct hb_svdf_args *a, const int8_t *x, int32_t filter) {
    const struct hb_image_svdf *p = &a->params;
    const int8_t *w = (const int8_t *)a->features + filter * a->inputs;
    int32_t sum = 0;
    for (int32_t i = 0; i < a->inputs; i++) sum += (x[i] + p->input_offset) * w[i];
    const int32_t value = hb_wrapping_add(
        hb_requantize(sum, p->feature_multiplier, p->feature_shift), p->state_zero_point);
    return a->state_is_s16 ? hb_clamp(value, INT16_MIN, INT16_MAX)
                           : hb_clamp(value, INT8_MIN, INT8_MAX);
}

/* Moves a filter's row on, and weighs it. */
static int32_t weigh_s8(const struct hb_svdf_args *a, int32_t row, int32_t filter, int32_t newest) {
    const int8_t *w = (const int8_t *)a->time + filter * a->memory;
    int8_t *state = (int8_t *)a->state + row * a->memory;
    int32_t sum = 0;
    for (int32_t i = 0; i < a->memory; i++) {
        state[i] = i + 1 < a->memory ? state[i + 1] : (int8_t)newest;
        sum += (state[i] - a->params.state_zero_point) * w[i];
    }
    return sum;
}

static int32_t weigh_s16(const struct hb_svdf_args *a, int32_t row, int32_t filter,
                         int32_t newest) {
    const int16_t *w = (const int16_t *)a->time + filter * a->memory;
    int16_t *state = (int16_t *)a->state + row * a->memory;
    int32_t sum = 0;
    for (int32_t i = 0; i < a->memory; i++) {
        state[i] = i + 1 < a->memory ? state[i + 1] : (int16_t)newest;
        sum = hb_wrapping_add(sum, state[i] * w[i]);
    }
    return sum;
}

void hb_svdf_s8_ref(const struct hb_svdf_args *a) {
    const struct hb_image_svdf *p = &a->params;
    const int32_t rank = (int32_t)p->rank, *bias = a->bias;
    int8_t *out = a->output;
    for (int32_t member = 0; member < a->batch; member++) {
        const int8_t *x = (const int8_t *)a->input + member * a->inputs;
        for (int32_t unit = 0; unit < a->units; unit++) {
            int32_t sum = bias != NULL ? bias[unit] : 0;
            for (int32_t i = 0; i < rank; i++) {
                const int32_t filter = unit * rank + i, row = member * a->filters + filter;
                const int32_t newest = feature(a, x, filter);
                sum = hb_wrapping_add(sum, a->state_is_s16 ? weigh_s16(a, row, filter, newest)
                                                           : weigh_s8(a, row, filter, newest));
            }
            const int32_t value = hb_wrapping_add(
                hb_requantize(sum, p->output_multiplier, p->output_shift), p->output_offset);
            *out++ = (int8_t)hb_clamp(value, INT8_MIN, INT8_MAX);
        }
    }
}
