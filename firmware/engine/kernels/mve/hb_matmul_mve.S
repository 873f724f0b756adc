/* Pairs of pixels times packed weights (hb_mve.h), and the requantization of their sums.
 *
 * Eight sums, of 4 channels for either pixel, stay in even registers, where VMLADAVA wants them:
 * r0, r2, r4, r6 and r8, r10, r12, lr.  r1: weights; r3, r9: the pixels' bytes; r5: groups left;
 * r7: where sums go; r11: passes left.  Per 16 k: 6 loads, 8 multiplications of 16 products. */
#include "mve/hb_matmul_frame_mve.h"

.macro multiply_16
    vldrw.u32   q2, [r1], #16
    vmladava.s8 r0, q0, q2
    vldrw.u32   q3, [r1], #16
    vmladava.s8 r8, q1, q2
    vmladava.s8 r2, q0, q3
    vldrw.u32   q4, [r1], #16
    vmladava.s8 r10, q1, q3
    vmladava.s8 r4, q0, q4
    vldrw.u32   q5, [r1], #16
    vmladava.s8 r12, q1, q4
    vmladava.s8 r6, q0, q5
    vmladava.s8 lr, q1, q5
.endm

/* count: 16 k in front of the loop, 1 to 4. */
.macro matmul name, count, has_loop
    matmul_enter \name
1:
    ldrd    r1, r5, [sp, #STREAM]
    ldr     r7, [sp, #SUMS]
    .ifeq \has_loop
    ldrd    r3, r9, [sp, #A]
    .endif
2:
    ldm     r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    .if \has_loop
    ldrd    r3, r9, [sp, #A]
    ldr     r11, [sp, #LOOPS]
    .endif
    .set    at, 0
    .rept   \count
    .if \has_loop
    vldrb.u8 q0, [r3], #16
    vldrb.u8 q1, [r9], #16
    .else
    vldrb.u8 q0, [r3, #at]
    vldrb.u8 q1, [r9, #at]
    .endif
    multiply_16
    .set    at, at + 16
    .endr
    .if \has_loop
3:
    .rept   4
    vldrb.u8 q0, [r3], #16
    vldrb.u8 q1, [r9], #16
    multiply_16
    .endr
    subs    r11, #1
    bne     3b
    .endif
    stm     r7!, {r0, r2, r4, r6, r8, r10, r12, lr}
    subs    r5, #1
    bne     2b
    matmul_next \name
.endm

    matmul  hb_matmul_mve_1, 1, 0
    matmul  hb_matmul_mve_2, 2, 0
    matmul  hb_matmul_mve_3, 3, 0
    matmul  hb_matmul_mve_4, 4, 0
    matmul  hb_matmul_mve_1_loop, 1, 1
    matmul  hb_matmul_mve_2_loop, 2, 1
    matmul  hb_matmul_mve_3_loop, 3, 1
    matmul  hb_matmul_mve_4_loop, 4, 1

/* VRSHL rounds ties up; less one where negative, away from zero (right shifts of 1 or more). */
.macro away q, t
    vshr.s32    \t, \q, #31
    vadd.i32    \q, \q, \t
.endm

/* Eight channels of both pixels: a in q\a0, q\a1, b in q\b0, q\b1; scales in q\m, q\s and the
 * registers behind; narrowed into q\a0, q\b0. */
.macro scale_8 a0, b0, a1, b1, m0, m1, s0, s1, has_sign
    vqrdmulh.s32 \a0, \a0, \m0
    vqrdmulh.s32 \b0, \b0, \m0
    vqrdmulh.s32 \a1, \a1, \m1
    vqrdmulh.s32 \b1, \b1, \m1
    .if \has_sign
    away        \a0, \m0
    away        \b0, \m1
    away        \a1, \m0
    away        \b1, \m1
    .endif
    vrshl.s32   \a0, \a0, \s0
    vrshl.s32   \b0, \b0, \s0
    vrshl.s32   \a1, \a1, \s1
    vrshl.s32   \b1, \b1, \s1
    vqmovnb.s32 \a0, \a0
    vqmovnt.s32 \a0, \a1
    vqmovnb.s32 \b0, \b0
    vqmovnt.s32 \b0, \b1
.endm

.macro clamp has_clamp
    .if \has_clamp
    ldrd        r0, r2, [sp, #ACT_MIN]
    vdup.8      q4, r0
    vdup.8      q5, r2
    vmax.s8     q0, q0, q4
    vmin.s8     q0, q0, q5
    vmax.s8     q1, q1, q4
    vmin.s8     q1, q1, q5
    .endif
.endm

/* Called from within a matmul, on its frame: r1: scales.  Per group of 4 channels the sums are 4 of
 * pixel a, 4 of pixel b.  Sixteen channels at a time, then four. */
.macro requantize name, has_sign, has_clamp
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    mov     r12, lr
    ldr     r7, [sp, #SUMS]
    ldrd    r3, r10, [sp, #OUT]
    ldrd    r5, r9, [sp, #TO_B]
    add     r5, r3
    lsrs    r4, r10, #4
    wls     lr, r4, 2f
1:
    vldrw.u32   q0, [r7], #16
    vldrw.u32   q1, [r7], #16
    vldrw.u32   q2, [r7], #16
    vldrw.u32   q3, [r7], #16
    vldrw.u32   q4, [r1], #16
    vldrw.u32   q6, [r1], #16
    vldrw.u32   q5, [r1], #16
    vldrw.u32   q7, [r1], #16
    scale_8     q0, q1, q2, q3, q4, q5, q6, q7, \has_sign
    vldrw.u32   q2, [r7], #16
    vldrw.u32   q3, [r7], #16
    vldrw.u32   q4, [r7], #16
    vldrw.u32   q5, [r7], #16
    vldrw.u32   q6, [r1], #16
    vqrdmulh.s32 q2, q2, q6
    vqrdmulh.s32 q3, q3, q6
    vldrw.u32   q7, [r1, #16]
    vqrdmulh.s32 q4, q4, q7
    vqrdmulh.s32 q5, q5, q7
    .if \has_sign
    away        q2, q6
    away        q3, q7
    away        q4, q6
    away        q5, q7
    .endif
    vldrw.u32   q6, [r1], #32
    vrshl.s32   q2, q2, q6
    vrshl.s32   q3, q3, q6
    vldrw.u32   q7, [r1], #16
    vrshl.s32   q4, q4, q7
    vrshl.s32   q5, q5, q7
    vqmovnb.s32 q2, q2
    vqmovnt.s32 q2, q4
    vqmovnb.s32 q3, q3
    vqmovnt.s32 q3, q5
    vqadd.s16   q0, q0, r9
    vqadd.s16   q1, q1, r9
    vqadd.s16   q2, q2, r9
    vqadd.s16   q3, q3, r9
    vqmovnb.s16 q0, q0
    vqmovnt.s16 q0, q2
    vqmovnb.s16 q1, q1
    vqmovnt.s16 q1, q3
    clamp       \has_clamp
    vstrb.8     q0, [r3], #16
    vstrb.8     q1, [r5], #16
    le      lr, 1b
2:
    ands    r10, #15
    beq     4f
3:
    vldrw.u32   q0, [r7], #16
    vldrw.u32   q1, [r7], #16
    vldrw.u32   q2, [r1], #16
    vldrw.u32   q3, [r1], #16
    vqrdmulh.s32 q0, q0, q2
    vqrdmulh.s32 q1, q1, q2
    .if \has_sign
    away        q0, q4
    away        q1, q5
    .endif
    vrshl.s32   q0, q0, q3
    vrshl.s32   q1, q1, q3
    vqmovnb.s32 q0, q0
    vqmovnb.s32 q1, q1
    vqadd.s16   q0, q0, r9
    vqadd.s16   q1, q1, r9
    vqmovnb.s16 q0, q0
    vqmovnb.s16 q1, q1
    clamp       \has_clamp
    vctp.32     r10
    vpstt
    vstrbt.32   q0, [r3], #4
    vstrbt.32   q1, [r5], #4
    subs    r10, #4
    bgt     3b
    /* behind the last channel, which may not be a fourth one */
    ldrd    r5, r4, [sp, #OUT]
    add     r5, r4
    ldr     r4, [sp, #TO_B]
    add     r5, r4
4:
    str     r5, [sp, #OUT]
    bx      r12
    .size   \name, . - \name
.endm

    requantize hb_requantize_mve_relu, 0, 0
    requantize hb_requantize_mve_sign, 1, 0
    requantize hb_requantize_mve_clamp, 1, 1
