/* Multiplies a tile of 3 pixels by all output channels, two at a time (hb_dsp.h says how tile and
 * stream are laid out).
 *
 * A halfword of the stream is h = a + 256 b, the weights of both channels: SMLAD(x, h) sums
 * S = A + 256 B, SMLAD(x, SXTB16(h)) sums A, and B = (S - A) >> 8, since |B| < 2^23.
 *
 * Requantization, equal to TensorFlow Lite's in all bits for |multiplier| >= 2^30 and right shifts
 * e >= 2.  With m' = 2 m - 2^32: SMMLAR(acc, m', acc) = the doubling high product, rounded; adding
 * the sign (ASR #31) turns ties away from zero; SMMLAR(x, 2^(32-e), zero point) is the rounding
 * shift.  With the zero point at -128 every negative value is clamped anyway: no sign is added. */
    .syntax unified
    .thumb

/* One word of weights times one word of each pixel. */
.macro multiply w
    ldm     r0!, {r8-r10}
    smlad   r2, r8, \w, r2
    smlad   r3, r9, \w, r3
    smlad   r4, r10, \w, r4
    sxtb16  \w, \w
    smlad   r5, r8, \w, r5
    smlad   r6, r9, \w, r6
    smlad   r7, r10, \w, r7
.endm

/* The same for the first word: r2, r5 hold the biases. */
.macro multiply_first w
    ldm     r0!, {r8-r10}
    smlad   r3, r9, \w, r2
    smlad   r4, r10, \w, r2
    smlad   r2, r8, \w, r2
    sxtb16  \w, \w
    smlad   r6, r9, \w, r5
    smlad   r7, r10, \w, r5
    smlad   r5, r8, \w, r5
.endm

.macro requantize a, b, c, m, e, has_sign
    smmlar  \a, \a, \m, \a
    smmlar  \b, \b, \m, \b
    smmlar  \c, \c, \m, \c
    .if \has_sign
    add     \a, \a, \a, asr #31
    add     \b, \b, \b, asr #31
    add     \c, \c, \c, asr #31
    .endif
    smmlar  \a, \a, \e, r12
    smmlar  \b, \b, \e, r12
    smmlar  \c, \c, \e, r12
    ssat    \a, #8, \a
    ssat    \b, #8, \b
    ssat    \c, #8, \c
.endm

/* r0: struct hb_matmul_args.
 * Frame: 0 output, 4 bytes between pixels, 8 zero point, 12 output's end, 16 tile, 20 tile's end.
 * head: words before the loop, 2, 4 or 6; the loop takes 6 at a time. */
.macro matmul name, head, has_loop, has_sign
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    sub     sp, #28
    ldm     r0, {r0-r6}
    add     r5, r5, r2
    strd    r2, r3, [sp]
    strd    r4, r5, [sp, #8]
    strd    r0, r6, [sp, #16]
1:
    ldrd    r2, r5, [r1], #8
    .if \head == 2
    ldrd    r11, r12, [r1], #8
    multiply_first r11
    multiply r12
    .else
    ldm     r1!, {r11, r12, lr}
    multiply_first r11
    multiply r12
    multiply lr
    .if \head == 4
    ldr     r11, [r1], #4
    multiply r11
    .else
    ldm     r1!, {r11, r12, lr}
    multiply r11
    multiply r12
    multiply lr
    .endif
    .endif
    .if \has_loop
2:
    ldm     r1!, {r11, r12, lr}
    multiply r11
    multiply r12
    multiply lr
    ldm     r1!, {r11, r12, lr}
    multiply r11
    multiply r12
    multiply lr
    ldr     r8, [sp, #20]
    cmp     r0, r8
    bne     2b
    .endif
    sub     r2, r2, r5
    asr     r2, r2, #8
    sub     r3, r3, r6
    asr     r3, r3, #8
    sub     r4, r4, r7
    asr     r4, r4, #8
    ldm     r1!, {r8-r11}
    ldrd    r12, lr, [sp, #8]
    requantize r5, r6, r7, r8, r9, \has_sign
    requantize r2, r3, r4, r10, r11, \has_sign
    bfi     r5, r2, #8, #8
    bfi     r6, r3, #8, #8
    bfi     r7, r4, #8, #8
    ldrd    r10, r11, [sp]
    strh    r6, [r10, r11]
    strh    r7, [r10, r11, lsl #1]
    strh    r5, [r10], #2
    str     r10, [sp]
    ldr     r0, [sp, #16]
    cmp     r10, lr
    bne     1b
    add     sp, #28
    pop     {r4-r11, pc}
    .size   \name, . - \name
.endm

    matmul hb_matmul_p8_2, 2, 0, 1
    matmul hb_matmul_p8_4, 4, 0, 1
    matmul hb_matmul_p8_6, 6, 0, 1
    matmul hb_matmul_p8_2_loop, 2, 1, 1
    matmul hb_matmul_p8_4_loop, 4, 1, 1
    matmul hb_matmul_p8_6_loop, 6, 1, 1
    matmul hb_matmul_p8_2_loop_relu, 2, 1, 0
    matmul hb_matmul_p8_4_loop_relu, 4, 1, 0
    matmul hb_matmul_p8_6_loop_relu, 6, 1, 0
