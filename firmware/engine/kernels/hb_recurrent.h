/* Kernels that keep a state.  As in hb_kernels.h, all arguments have been validated. */
#ifndef HB_RECURRENT_H
#define HB_RECURRENT_H

#include <stdbool.h>
#include <stdint.h>

#include "hb_image.h"

#define HB_LSTM_GATES 4

struct hb_svdf_args {
    const void *input;    /* [batch, inputs] */
    void *state;          /* [batch, filters, memory]; a filter's newest value is its last */
    const void *features; /* [filters, inputs] */
    const void *time;     /* [filters, memory], of the state's type */
    const void *bias;     /* [units] or NULL */
    void *output;         /* [batch, units] */
    int32_t batch, inputs, filters, memory, units;
    bool state_is_s16; /* integers */
    struct hb_image_svdf params;
};

struct hb_lstm_args {
    const void *input;   /* [batch, steps, inputs] or [steps, batch, inputs] */
    void *hidden;        /* [batch, units] */
    void *cell;          /* [batch, units] */
    const void *weights; /* [4, units, inputs + units] */
    const void *biases;  /* [4, units] */
    const uint16_t *table;
    void *output; /* as the input, units instead of inputs */
    void *gates;  /* scratch, [4, units] of the cell state's type */
    int32_t batch, steps, inputs, units;
    struct hb_image_lstm params;
};

/* Row of the input or output, in rows: a step in time of a member of the batch. */
static inline int32_t hb_lstm_row(const struct hb_lstm_args *args, int32_t step, int32_t member) {
    return args->params.time_major != 0u ? step * args->batch + member
                                         : member * args->steps + step;
}

void hb_svdf_s8_ref(const struct hb_svdf_args *args);
void hb_svdf_f32_ref(const struct hb_svdf_args *args);
void hb_lstm_s8_ref(const struct hb_lstm_args *args);
void hb_lstm_s16_ref(const struct hb_lstm_args *args);
void hb_lstm_f32_ref(const struct hb_lstm_args *args);

#endif
