#include "hb_fixed_point.h"
#include "hb_transpose.h"

static void output(const struct hb_conv_args *a, const struct hb_transpose_at *at, int32_t index) {
    const struct hb_image_conv *p = &a->params;
    const float *bias = a->bias;
    float *out = a->output;
    float sum = 0.0f;
    for (int32_t y = at->rows.first; y < at->rows.end; y++) {
        for (int32_t x = at->columns.first; x < at->columns.end; x++) {
            const float *in = (const float *)a->input + hb_transpose_input(a, at, y, x);
            const float *w = (const float *)a->weights + hb_transpose_weight(a, at, y, x);
            for (int32_t i = 0; i < a->in_c; i++) sum += in[i] * w[i];
        }
    }
    if (bias != NULL) sum += bias[at->channel];
    out[index] = hb_clamp_f(sum, p->act_min_f, p->act_max_f);
}

void hb_transpose_conv_f32xf32_ref(const struct hb_conv_args *args) {
    hb_transpose_walk(args, output);
}
