#include "hb_dot_s8.h"
#include "hb_fixed_point.h"
#include "hb_kernels.h"

static int8_t finish(const struct hb_fully_connected_args *args, int32_t acc, int32_t channel) {
    const int32_t *bias = args->bias;
    if (bias != 0) acc = hb_wrapping_add(acc, bias[channel]);
    acc = hb_requantize(acc, args->multiplier[channel], args->shift[channel]);
    acc = hb_wrapping_add(acc, args->params.output_offset);
    return (int8_t)hb_clamp(acc, args->params.act_min, args->params.act_max);
}

void hb_fully_connected_s8xs8_ref(const struct hb_fully_connected_args *args) {
    const int32_t inputs = args->in_c, offset = args->params.input_offset;
    const int8_t *x = args->input;
    int8_t *out = args->output;
    for (int32_t batch = 0; batch < args->batches; batch++) {
        const int8_t *w = args->weights;
        int32_t channel = 0;
        for (; channel + 4 <= args->out_c; channel += 4, w += 4 * inputs) {
            int32_t acc[4] = {0, 0, 0, 0};
            hb_dot4_s8(x, w, inputs, inputs, offset, acc);
            for (int32_t i = 0; i < 4; i++) *out++ = finish(args, acc[i], channel + i);
        }
        for (; channel < args->out_c; channel++, w += inputs) {
            *out++ = finish(args, hb_dot_s8(x, w, inputs, offset, 0), channel);
        }
        x += inputs;
    }
}
