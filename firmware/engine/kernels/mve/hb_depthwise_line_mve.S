/* A line of depthwise outputs for pairs of channels (hb_depthwise_conv_2d_s8xs8_mve.c): four outputs
 * of either channel are eight sums in even registers, a vector of taps each.
 *
 * Record of a pair: 4 biases of a channel, 4 of the other, 16 weights of either in turn, multiplier
 * and negative right shift of either.
 * r1: record; r3, r9: strips; r5: groups left; r7: scales, in front of them the sums; r11: output.
 * q4: zero point; q5: offsets of the outputs of a group; q6, q7: weights. */
    .syntax unified
    .thumb

/* Frame: struct hb_line_mve, then what the kernels add. */
    .set STRIP, 0
    .set TO_NEXT, 8
    .set RECORDS, 12
    .set PAIRS, 16
    .set OUT, 20
    .set GROUPS, 24
    .set REST, 28
    .set OUT_STEP, 32
    .set ZERO_POINT, 36
    .set ACT_MIN, 40
    .set STEP, 48
    .set VECTORS, 52
    .set SUMS, 56           /* 8 words */
    .set SCALES, 88         /* multiplier, shift, multiplier, shift, bytes between groups */
    .set AT, 108            /* strips of the group */
    .set LEFT, 116          /* groups */
    .set GROUP_OUT, 120
    .set FRAME, 128

.macro enter name
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    vpush   {d8-d15}
    sub     sp, #FRAME
    mov     r9, sp
    ldm     r0!, {r1-r8}
    stm     r9!, {r1-r8}
    ldm     r0, {r1-r6}
    stm     r9, {r1-r6}
    add     r7, sp, #SCALES
    lsls    r3, r1, #2
    str     r3, [r7, #16]
    vdup.16 q4, r2
    /* offsets: (lane / 2) * output step + lane % 2 */
    movs    r0, #0
    vidup.u16 q0, r0, #1
    vshr.u16 q1, q0, #1
    vshl.i16 q2, q1, #1
    vsub.i16 q0, q0, q2
    vmul.i16 q5, q1, r1
    vadd.i16 q5, q5, q0
.endm

.macro leave name
    add     sp, #FRAME
    vpop    {d8-d15}
    pop     {r4-r11, pc}
    .size   \name, . - \name
.endm

.macro away q, t
    vshr.s32    \t, \q, #31
    vadd.i32    \q, \q, \t
.endm

/* Eight sums to 16-bit lanes: outputs of both channels in turn. */
.macro scale has_sign
    stmdb   r7, {r0, r2, r4, r6, r8, r10, r12, lr}
    vldrw.u32   q0, [r7, #-32]
    vldrw.u32   q1, [r7, #-16]
    ldm     r7, {r0, r2, r4, r6, r8}
    vqrdmulh.s32 q0, q0, r0
    vqrdmulh.s32 q1, q1, r4
    .if \has_sign
    away        q0, q2
    away        q1, q3
    .endif
    vrshl.s32   q0, r2
    vrshl.s32   q1, r6
    vqmovnb.s32 q0, q0
    vqmovnt.s32 q0, q1
    vqadd.s16   q0, q0, q4
.endm

/* count: outputs, 2 or 4; of the others no sums are formed. */
.macro group step, has_sign, count=4
    ldm     r1, {r0, r2, r4, r6, r8, r10, r12, lr}
    vldrb.u8    q0, [r3], #\step
    vmladava.s8 r0, q0, q6
    vldrb.u8    q1, [r3], #\step
    vmladava.s8 r2, q1, q6
    .if \count == 4
    vldrb.u8    q2, [r3], #\step
    vmladava.s8 r4, q2, q6
    vldrb.u8    q3, [r3], #\step
    vmladava.s8 r6, q3, q6
    .endif
    vldrb.u8    q0, [r9], #\step
    vmladava.s8 r8, q0, q7
    vldrb.u8    q1, [r9], #\step
    vmladava.s8 r10, q1, q7
    .if \count == 4
    vldrb.u8    q2, [r9], #\step
    vmladava.s8 r12, q2, q7
    vldrb.u8    q3, [r9], #\step
    vmladava.s8 lr, q3, q7
    .endif
    scale   \has_sign
    vqmovnb.s16 q0, q0
.endm

/* The last outputs, fewer than a group: r5 of them. */
.macro store_rest
    lsls    r5, r5, #1
    vctp.16 r5
    vpst
    vstrbt.16 q0, [r11, q5]
.endm

/* Strip and output of the next pair; not zero while there is one. */
.macro next_pair
    ldr     r0, [sp, #STRIP]
    ldr     r2, [sp, #TO_NEXT]
    add     r0, r2
    str     r0, [sp, #STRIP]
    ldrd    r0, r2, [sp, #PAIRS]
    adds    r2, #2
    subs    r0, #1
    strd    r0, r2, [sp, #PAIRS]
.endm

/* One vector of taps, outputs `step` bytes apart. */
.macro line name, step, has_sign
    enter   \name
    ldr     r1, [sp, #RECORDS]
1:
    ldrd    r3, r9, [sp, #STRIP]
    add     r9, r3
    vldrw.u32 q6, [r1, #32]
    vldrw.u32 q7, [r1, #48]
    ldrd    r0, r2, [r1, #64]
    ldrd    r4, r6, [r1, #72]
    stm     r7, {r0, r2, r4, r6}
    ldrd    r11, r5, [sp, #OUT]
    cmp     r5, #0
    beq     3f
2:
    group   \step, \has_sign
    vstrb.16 q0, [r11, q5]
    add     r11, r8
    subs    r5, #1
    bne     2b
3:
    ldr     r5, [sp, #REST]
    cmp     r5, #2
    bgt     5f
    cmp     r5, #0
    beq     4f
    group   \step, \has_sign, 2
    store_rest
    b       4f
5:
    group   \step, \has_sign
    store_rest
4:
    adds    r1, #80
    next_pair
    bne     1b
    leave   \name
.endm

    line    hb_depthwise_line_mve_3_relu, 3, 0
    line    hb_depthwise_line_mve_3, 3, 1
    line    hb_depthwise_line_mve_6_relu, 6, 0
    line    hb_depthwise_line_mve_6, 6, 1

/* Any number of vectors, any step: r5; r7: vectors left, r11: back to the first output's next. */
.macro group_any
    ldr     r1, [sp, #RECORDS]
    ldrd    r3, r9, [sp, #AT]
    ldrd    r5, r7, [sp, #STEP]
    lsls    r11, r5, #2
    add     r10, r3, r11
    add     r12, r9, r11
    strd    r10, r12, [sp, #AT]
    sub     r11, #16
    ldm     r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
5:
    vldrw.u32   q6, [r1], #16
    vldrw.u32   q7, [r1], #16
    vldrb.u8    q0, [r3]
    add         r3, r5
    vmladava.s8 r0, q0, q6
    vldrb.u8    q1, [r3]
    add         r3, r5
    vmladava.s8 r2, q1, q6
    vldrb.u8    q2, [r3]
    add         r3, r5
    vmladava.s8 r4, q2, q6
    vldrb.u8    q3, [r3]
    add         r3, r5
    vmladava.s8 r6, q3, q6
    vldrb.u8    q0, [r9]
    add         r9, r5
    vmladava.s8 r8, q0, q7
    vldrb.u8    q1, [r9]
    add         r9, r5
    vmladava.s8 r10, q1, q7
    vldrb.u8    q2, [r9]
    add         r9, r5
    vmladava.s8 r12, q2, q7
    vldrb.u8    q3, [r9]
    add         r9, r5
    vmladava.s8 lr, q3, q7
    sub         r3, r11
    sub         r9, r11
    subs        r7, #1
    bne         5b
    add     r7, sp, #SCALES
    ldrd    r3, r5, [r1]
    ldrd    r9, r11, [r1, #8]
    stm     r7, {r3, r5, r9, r11}
    scale   1
    ldrd    r0, r2, [sp, #ACT_MIN]
    vdup.16 q1, r0
    vdup.16 q2, r2
    vmax.s16 q0, q0, q1
    vmin.s16 q0, q0, q2
    ldr     r11, [sp, #GROUP_OUT]
.endm

    enter   hb_depthwise_line_mve_any
1:
    ldrd    r3, r9, [sp, #STRIP]
    add     r9, r3
    strd    r3, r9, [sp, #AT]
    ldrd    r11, r5, [sp, #OUT]
    str     r11, [sp, #GROUP_OUT]
    cmp     r5, #0
    beq     3f
2:
    str     r5, [sp, #LEFT]
    group_any
    vstrb.16 q0, [r11, q5]
    add     r11, r8
    str     r11, [sp, #GROUP_OUT]
    ldr     r5, [sp, #LEFT]
    subs    r5, #1
    bne     2b
3:
    ldr     r5, [sp, #REST]
    cmp     r5, #0
    beq     4f
    group_any
    ldr     r5, [sp, #REST]
    store_rest
4:
    adds    r1, #16
    str     r1, [sp, #RECORDS]
    next_pair
    bne     1b
    leave   hb_depthwise_line_mve_any
