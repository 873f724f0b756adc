/* Puts a row into a diagonal strip (hb_mve.h): its elements go to places a fixed distance apart.
 *
 * Offsets of a scatter of bytes are 8 bits wide: of small elements whose places are near enough,
 * several go at one time. */
#include "mve/hb_mve.h"

void hb_spread_init(struct hb_spread *spread, int32_t bytes, int32_t step) {
    const int32_t many = 16 / bytes;
    const bool is_near = many > 1 && (many - 1) * step + bytes <= 256;
    *spread = (struct hb_spread){.bytes = bytes, .step = step, .many = is_near ? many : 0};
    uint8_t *at = spread->offsets;
    for (int32_t i = 0; i < spread->many; i++) {
        for (int32_t byte = 0; byte < bytes; byte++) *at++ = (uint8_t)(i * step + byte);
    }
}

#if HB_MVE_ASM

void hb_copy_mve(int8_t *to, const int8_t *from, int32_t bytes) {
    for (; bytes > 0; bytes -= 16, to += 16, from += 16) {
        const mve_pred16_t p = vctp8q((uint32_t)bytes);
        vstrbq_p_s8(to, vldrbq_z_s8(from, p), p);
    }
}

void hb_spread_mve(const struct hb_spread *spread, int8_t *to, const int8_t *from,
                   int32_t columns) {
    const int32_t bytes = spread->bytes, step = spread->step;
    if (spread->many > 0) {
        const int32_t taken = spread->many * bytes, places = spread->many * step;
        const uint8x16_t offsets = vldrbq_u8(spread->offsets);
        int32_t left = columns * bytes;
        for (; left > 0; left -= taken, from += taken, to += places) {
            const mve_pred16_t p = vctp8q((uint32_t)(left < taken ? left : taken));
            vstrbq_scatter_offset_p_s8(to, offsets, vldrbq_z_s8(from, p), p);
        }
        return;
    }
    if (bytes == 16) {
#pragma GCC unroll 4
        for (; columns > 0; columns--, from += 16, to += step) vstrbq_s8(to, vldrbq_s8(from));
        return;
    }
    const mve_pred16_t p = vctp8q((uint32_t)bytes % 16u);
    for (; columns > 0; columns--, to += step) {
        int8_t *at = to;
        for (int32_t left = bytes / 16; left > 0; left--, at += 16, from += 16) {
            vstrbq_s8(at, vldrbq_s8(from));
        }
        vstrbq_p_s8(at, vldrbq_z_s8(from, p), p);
        from += bytes % 16;
    }
}

void hb_spread_fill_mve(const struct hb_spread *spread, int8_t *to, int32_t value,
                        int32_t columns) {
    const int8x16_t values = vdupq_n_s8((int8_t)value);
    const int32_t bytes = spread->bytes;
    if (spread->many > 0 && columns > 1) {
        const int32_t taken = spread->many * bytes, places = spread->many * spread->step;
        const uint8x16_t offsets = vldrbq_u8(spread->offsets);
        for (int32_t left = columns * bytes; left > 0; left -= taken, to += places) {
            const mve_pred16_t p = vctp8q((uint32_t)(left < taken ? left : taken));
            vstrbq_scatter_offset_p_s8(to, offsets, values, p);
        }
        return;
    }
    for (; columns > 0; columns--, to += spread->step) {
        for (int32_t at = 0; at < bytes; at += 16) {
            vstrbq_p_s8(to + at, values, vctp8q((uint32_t)(bytes - at)));
        }
    }
}

#else

void hb_copy_mve(int8_t *to, const int8_t *from, int32_t bytes) {
    for (int32_t i = 0; i < bytes; i++) to[i] = from[i];
}

void hb_spread_mve(const struct hb_spread *spread, int8_t *to, const int8_t *from,
                   int32_t columns) {
    for (; columns > 0; columns--, from += spread->bytes, to += spread->step) {
        hb_copy_mve(to, from, spread->bytes);
    }
}

void hb_spread_fill_mve(const struct hb_spread *spread, int8_t *to, int32_t value,
                        int32_t columns) {
    for (; columns > 0; columns--, to += spread->step) {
        for (int32_t i = 0; i < spread->bytes; i++) to[i] = (int8_t)value;
    }
}

#endif
