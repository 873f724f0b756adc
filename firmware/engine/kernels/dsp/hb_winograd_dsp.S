/* Multiplies a group of four tiles by a pair of output channels, at all 16 positions
 * (hb_winograd_dsp.h says how data and weights are laid out).
 *
 * Eight sums, two weights and two words of data at a time fill the 14 registers: 6 words are loaded
 * for every 8 SMLAD. */
    .syntax unified
    .thumb

    .set SUMS_BYTES, 16 * 8 * 4

/* Two weights, of channels a and b, times the words of four tiles. */
.macro multiply
    ldrd    r10, r11, [r1], #8
    ldrd    r12, lr, [r0], #8
    smlad   r2, r12, r10, r2
    smlad   r3, r12, r11, r3
    smlad   r4, lr, r10, r4
    smlad   r5, lr, r11, r5
    ldrd    r12, lr, [r0], #8
    smlad   r6, r12, r10, r6
    smlad   r7, r12, r11, r7
    smlad   r8, lr, r10, r8
    smlad   r9, lr, r11, r9
.endm

/* The same for the first words: sums begin with the biases in r8, r9. */
.macro multiply_biased
    ldrd    r10, r11, [r1], #8
    ldrd    r12, lr, [r0], #8
    smlad   r2, r12, r10, r8
    smlad   r3, r12, r11, r9
    smlad   r4, lr, r10, r8
    smlad   r5, lr, r11, r9
    ldrd    r12, lr, [r0], #8
    smlad   r6, r12, r10, r8
    smlad   r7, r12, r11, r9
    smlad   r8, lr, r10, r8
    smlad   r9, lr, r11, r9
.endm

/* The same: sums begin with nothing. */
.macro multiply_fresh
    ldrd    r10, r11, [r1], #8
    ldrd    r12, lr, [r0], #8
    smuad   r2, r12, r10
    smuad   r3, r12, r11
    smuad   r4, lr, r10
    smuad   r5, lr, r11
    ldrd    r12, lr, [r0], #8
    smuad   r6, r12, r10
    smuad   r7, r12, r11
    smuad   r8, lr, r10
    smuad   r9, lr, r11
.endm

/* r0: struct hb_winograd_args.
 * Frame: 0 where the next sums go, 4 their end, 8 bytes of a position's data, 12 its end.
 * head: pairs of k before the loop, 2 or 4; the loop takes 4 at a time. */
.macro winograd name, head, has_loop
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    sub     sp, #20
    ldm     r0, {r0-r3}
    add     r12, r2, #SUMS_BYTES
    strd    r2, r12, [sp]
    add     r2, r0, r3
    strd    r3, r2, [sp, #8]
    ldrd    r8, r9, [r1], #8
    multiply_biased
    b       2f
1:
    .if \has_loop
    ldr     r10, [sp, #8]
    add     r10, r0
    str     r10, [sp, #12]
    .endif
    multiply_fresh
2:
    .rept \head - 1
    multiply
    .endr
    .if \has_loop
3:
    .rept 4
    multiply
    .endr
    ldr     r10, [sp, #12]
    cmp     r0, r10
    bne     3b
    .endif
    ldrd    r10, r11, [sp]
    stm     r10!, {r2-r9}
    str     r10, [sp]
    cmp     r10, r11
    bne     1b
    mov     r0, r1
    add     sp, #20
    pop     {r4-r11, pc}
    .size   \name, . - \name
.endm

    winograd hb_winograd_2, 2, 0
    winograd hb_winograd_4, 4, 0
    winograd hb_winograd_2_loop, 2, 1
    winograd hb_winograd_4_loop, 4, 1
