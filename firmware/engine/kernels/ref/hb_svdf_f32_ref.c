#include "hb_fixed_point.h"
#include "hb_recurrent.h"

static float filtered(const struct hb_svdf_args *a, const float *x, int32_t row, int32_t filter) {
    const float *features = (const float *)a->features + filter * a->inputs;
    const float *w = (const float *)a->time + filter * a->memory;
    float *state = (float *)a->state + row * a->memory;
    float newest = 0.0f, sum = 0.0f;
    for (int32_t i = 0; i < a->inputs; i++) newest += x[i] * features[i];
    for (int32_t i = 0; i < a->memory; i++) {
        state[i] = i + 1 < a->memory ? state[i + 1] : newest;
        sum += w[i] * state[i];
    }
    return sum;
}

void hb_svdf_f32_ref(const struct hb_svdf_args *a) {
    const int32_t rank = (int32_t)a->params.rank;
    const float *bias = a->bias;
    float *out = a->output;
    for (int32_t member = 0; member < a->batch; member++) {
        const float *x = (const float *)a->input + member * a->inputs;
        for (int32_t unit = 0; unit < a->units; unit++) {
            float sum = bias != NULL ? bias[unit] : 0.0f;
            for (int32_t i = 0; i < rank; i++) {
                const int32_t filter = unit * rank + i;
                sum += filtered(a, x, member * a->filters + filter, filter);
            }
            *out++ = hb_clamp_f(sum, a->params.act_min_f, a->params.act_max_f);
        }
    }
}
