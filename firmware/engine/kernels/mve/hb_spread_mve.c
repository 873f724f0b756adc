/* Puts a row into a diagonal strip (hb_mve.h): its elements go to places a fixed distance apart. */
#include "mve/hb_mve.h"

#if HB_MVE_ASM

/* Offsets of a scatter of bytes are 8 bits wide: elements of up to 8 bytes whose places are near
 * enough go several at a time. */
static int32_t elements_at_once(int32_t bytes, int32_t step) {
    const int32_t many = 16 / bytes;
    return many > 1 && (many - 1) * step + bytes <= 256 ? many : 0;
}

static uint8x16_t offsets_of(int32_t many, int32_t bytes, int32_t step) {
    uint8_t offsets[16] = {0};
    uint8_t *at = offsets;
    for (int32_t i = 0; i < many; i++) {
        for (int32_t byte = 0; byte < bytes; byte++) *at++ = (uint8_t)(i * step + byte);
    }
    return vldrbq_u8(offsets);
}

void hb_spread_mve(int8_t *to, const int8_t *from, int32_t columns, int32_t bytes, int32_t step) {
    const int32_t many = elements_at_once(bytes, step);
    if (many > 0) {
        const uint8x16_t offsets = offsets_of(many, bytes, step);
        for (int32_t left = columns * bytes; left > 0; left -= many * bytes) {
            const int32_t now = left < many * bytes ? left : many * bytes;
            const mve_pred16_t p = vctp8q((uint32_t)now);
            vstrbq_scatter_offset_p_s8(to, offsets, vldrbq_z_s8(from, p), p);
            from += many * bytes;
            to += many * step;
        }
        return;
    }
    if (bytes == 16) {
        for (; columns > 0; columns--, from += 16, to += step) vstrbq_s8(to, vldrbq_s8(from));
        return;
    }
    for (; columns > 0; columns--, from += bytes, to += step) {
        for (int32_t at = 0; at < bytes; at += 16) {
            const mve_pred16_t p = vctp8q((uint32_t)(bytes - at));
            vstrbq_p_s8(to + at, vldrbq_z_s8(from + at, p), p);
        }
    }
}

void hb_spread_fill_mve(int8_t *to, int32_t value, int32_t columns, int32_t bytes, int32_t step) {
    const int8x16_t values = vdupq_n_s8((int8_t)value);
    const int32_t many = elements_at_once(bytes, step);
    if (many > 0 && columns > 1) {
        const uint8x16_t offsets = offsets_of(many, bytes, step);
        for (int32_t left = columns * bytes; left > 0; left -= many * bytes) {
            const mve_pred16_t p = vctp8q((uint32_t)(left < many * bytes ? left : many * bytes));
            vstrbq_scatter_offset_p_s8(to, offsets, values, p);
            to += many * step;
        }
        return;
    }
    for (; columns > 0; columns--, to += step) {
        for (int32_t at = 0; at < bytes; at += 16) {
            vstrbq_p_s8(to + at, values, vctp8q((uint32_t)(bytes - at)));
        }
    }
}

#else

void hb_spread_mve(int8_t *to, const int8_t *from, int32_t columns, int32_t bytes, int32_t step) {
    for (; columns > 0; columns--, from += bytes, to += step) {
        for (int32_t i = 0; i < bytes; i++) to[i] = from[i];
    }
}

void hb_spread_fill_mve(int8_t *to, int32_t value, int32_t columns, int32_t bytes, int32_t step) {
    for (; columns > 0; columns--, to += step) {
        for (int32_t i = 0; i < bytes; i++) to[i] = (int8_t)value;
    }
}

#endif
