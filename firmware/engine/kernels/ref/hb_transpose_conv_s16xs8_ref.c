#include "hb_fixed_point.h"
#include "hb_transpose.h"

static void output(const struct hb_conv_args *a, const struct hb_transpose_at *at, int32_t index) {
    const struct hb_image_conv *p = &a->params;
    int16_t *out = a->output;
    int64_t sum = 0;
    for (int32_t y = at->rows.first; y < at->rows.end; y++) {
        for (int32_t x = at->columns.first; x < at->columns.end; x++) {
            const int16_t *in = (const int16_t *)a->input + hb_transpose_input(a, at, y, x);
            const int8_t *w = (const int8_t *)a->weights + hb_transpose_weight(a, at, y, x);
            for (int32_t i = 0; i < a->in_c; i++) sum += in[i] * w[i];
        }
    }
    if (a->bias != NULL) sum += hb_bias_64(a->bias, at->channel);
    const int32_t scaled =
        hb_requantize_64(sum, a->multiplier[at->channel], a->shift[at->channel]);
    out[index] = (int16_t)hb_clamp(scaled, p->act_min, p->act_max);
}

void hb_transpose_conv_s16xs8_ref(const struct hb_conv_args *args) {
    hb_transpose_walk(args, output);
}
