/* What the kernels that multiply pairs of pixels have in common; for the assembler.
 *
 * Eight sums, of 4 channels for either pixel, stay in even registers, where VMLADAVA wants them:
 * r0, r2, r4, r6 and r8, r10, r12, lr.  r1: weights; r3, r9: the pixels' bytes; r5: groups left;
 * r7: where sums go; r11: passes left. */
#ifndef HB_MATMUL_FRAME_MVE_H
#define HB_MATMUL_FRAME_MVE_H

    .syntax unified
    .thumb

/* Frame: struct hb_matmul_mve. */
    .set A, 0
    .set STEP, 8
    .set PAIRS, 12
    .set STREAM, 16
    .set SUMS, 24
    .set OUT, 28
    .set CHANNELS, 32
    .set TO_B, 36
    .set ZERO_POINT, 40
    .set LOOPS, 44
    .set ACT_MIN, 48
    .set REQUANTIZE, 56
    .set ARGS, 60           /* where they came from */
    .set FRAME, 64

.macro matmul_enter name
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, #FRAME
    mov     r10, r0
    mov     r9, sp
    ldm     r0!, {r1-r8}
    stm     r9!, {r1-r8}
    ldm     r0, {r1-r7}
    stm     r9, {r1-r7}
    str     r10, [sp, #ARGS]
.endm

/* The pair's sums to its outputs; then to label 1 with the next pair, or the end. */
.macro matmul_next name
    ldr     r0, [sp, #REQUANTIZE]
    blx     r0
    ldrd    r3, r9, [sp, #A]
    ldrd    r4, r5, [sp, #STEP]
    add     r3, r4
    add     r9, r4
    strd    r3, r9, [sp, #A]
    subs    r5, #1
    str     r5, [sp, #PAIRS]
    bne     1b
    ldr     r0, [sp, #ARGS]
    ldr     r1, [sp, #OUT]
    str     r1, [r0, #OUT]
    add     sp, #FRAME
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .size   \name, . - \name
.endm

#endif
