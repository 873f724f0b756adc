/* Order of the sum: input index; then the bias (see hb_conv_2d_f32xf32_ref.c). */
#include "hb_fixed_point.h"
#include "hb_kernels.h"

void hb_fully_connected_f32xf32_ref(const struct hb_fully_connected_args *args) {
    const struct hb_image_conv *p = &args->params;
    const float *x = args->input;
    const float *bias = args->bias;
    float *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        const float *w = args->weights;
        for (int32_t channel = 0; channel < args->out_c; channel++) {
            float acc = 0.0f;
            for (int32_t i = 0; i < args->in_c; i++) acc += x[i] * w[i];
            if (bias != 0) acc += bias[channel];
            *out++ = hb_clamp_f(acc, p->act_min_f, p->act_max_f);
            w += args->in_c;
        }
        x += args->in_c;
    }
}
