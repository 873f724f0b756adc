#include "hb_fixed_point.h"
#include "hb_kernels.h"

void hb_add_f32_ref(const struct hb_add_args *args) {
    const float *a = args->input1, *b = args->input2;
    float *out = args->output;
    for (int32_t i = 0; i < args->elements; i++) {
        out[i] = hb_clamp_f(a[i] + b[i], args->params.act_min_f, args->params.act_max_f);
    }
}
