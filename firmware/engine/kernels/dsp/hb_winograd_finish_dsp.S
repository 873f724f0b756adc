/* Transforms the sums of four tiles and two channels into outputs and requantizes them
 * (hb_winograd_dsp.h says how sums are laid out; hb_matmul_p8_dsp.S how requantization works). */
    .syntax unified
    .thumb

/* Bytes from a tile's first sum to its one of position (i, j). */
#define AT(i, j) ((4 * (i) + (j) + 11) % 16 * 32)

/* Column j of M times A': the upper row in t0, the lower one in t1; s is lost. */
.macro column j, t0, t1, s
    ldr     \t1, [r0, #AT(1, \j)]
    ldr     \s, [r0, #AT(2, \j)]
    ldr     \t0, [r0, #AT(0, \j)]
    add     \s, \t1, \s
    rsb     \t1, \s, \t1, lsl #1
    add     \t0, \t0, \s, asr #1
    ldr     \s, [r0, #AT(3, \j)]
    rsb     \t1, \s, \t1, asr #1
.endm

.macro requantize a, b, has_sign
    smmlar  \a, \a, r4, \a
    smmlar  \b, \b, r4, \b
    .if \has_sign
    add     \a, \a, \a, asr #31
    add     \b, \b, \b, asr #31
    .endif
    smmlar  \a, \a, r5, r6
    smmlar  \b, \b, r5, r6
    ssat    \a, #8, \a
    ssat    \b, #8, \b
.endm

/* r0: struct hb_winograd_outputs.  In the loop: r0 sums, r1, r2 both rows' outputs, r3 bytes from a
 * pixel to the next, r4, r5 scale, r6 zero point.  Frame: 0 end of the channel's sums, 4 scales. */
.macro finish name, has_sign
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    sub     sp, #12
    ldm     r0, {r0-r3, r6, r7}
1:
    ldrd    r4, r5, [r7], #8
    add     r8, r0, #32
    strd    r8, r7, [sp]
2:
    column  1, r7, r8, r9
    column  2, r10, r11, r9
    add     r10, r7, r10
    rsb     r7, r10, r7, lsl #1
    add     r11, r8, r11
    rsb     r8, r11, r8, lsl #1
    column  0, r9, r12, lr
    add     r9, r9, r10, asr #1
    add     r12, r12, r11, asr #1
    requantize r9, r12, \has_sign
    strb    r9, [r1]
    strb    r12, [r2]
    column  3, r9, r12, lr
    rsb     r9, r9, r7, asr #1
    rsb     r12, r12, r8, asr #1
    requantize r9, r12, \has_sign
    strb    r9, [r1, r3]
    strb    r12, [r2, r3]
    add     r1, r1, r3, lsl #1
    add     r2, r2, r3, lsl #1
    add     r0, #8
    ldr     r8, [sp]
    cmp     r0, r8
    bne     2b
    ldr     r7, [sp, #4]
    tst     r0, #4              @ those of the second channel lie between the first one's
    bne     3f
    sub     r0, #28
    sub     r1, r1, r3, lsl #3
    sub     r2, r2, r3, lsl #3
    add     r1, #1
    add     r2, #1
    b       1b
3:
    add     sp, #12
    pop     {r4-r11, pc}
    .size   \name, . - \name
.endm

    finish hb_winograd_finish_signed, 1
    finish hb_winograd_finish_relu, 0
