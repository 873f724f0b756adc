/* One row of activations times packed weights, two output channels at a time: the arithmetic of
 * hb_matmul_p8_dsp.S for a single pixel.
 *
 * void hb_dot_p8(const struct hb_matmul_args *args): the tile is the row, pairs of int16 in the
 * order of k (hb_dsp.h), a multiple of four words.
 * Frame: 0 zero point, 4 row. */
    .syntax unified
    .thumb

.macro requantize acc, m, e
    smmlar  \acc, \acc, \m, \acc
    add     \acc, \acc, \acc, asr #31
    smmlar  \acc, \acc, \e, r8
    ssat    \acc, #8, \acc
.endm

.macro multiply x, w
    smlad   r2, \x, \w, r2
    sxtb16  \w, \w
    smlad   r3, \x, \w, r3
.endm

    .section .text.hb_dot_p8, "ax", %progbits
    .balign 4
    .global hb_dot_p8
    .type   hb_dot_p8, %function
    .thumb_func
hb_dot_p8:
    push    {r4-r11, lr}
    sub     sp, #20
    ldm     r0, {r0-r6}
    mov     lr, r2
    mov     r12, r6
    add     r5, r5, r2
    strd    r4, r0, [sp]
    str     r5, [sp, #8]
1:
    ldrd    r2, r3, [r1], #8
2:
    ldm     r0!, {r4-r7}
    ldm     r1!, {r8-r11}
    multiply r4, r8
    multiply r5, r9
    multiply r6, r10
    multiply r7, r11
    cmp     r0, r12
    bne     2b
    sub     r2, r2, r3
    asr     r2, r2, #8
    ldm     r1!, {r4-r7}
    ldrd    r8, r0, [sp]
    requantize r3, r4, r5
    requantize r2, r6, r7
    bfi     r3, r2, #8, #8
    strh    r3, [lr], #2
    ldr     r4, [sp, #8]
    cmp     lr, r4
    bne     1b
    add     sp, #20
    pop     {r4-r11, pc}
    .size   hb_dot_p8, . - hb_dot_p8
