/* One row times packed weights (hb_mve.h): 8 channels at a time, whose sums stay in even registers.
 * r1: weights; r3: row; r5: groups left; r7: sums, then scales; r9: output; r11: vectors left. */
    .syntax unified
    .thumb

/* Frame: struct hb_dot_mve, then the sums. */
    .set ROW, 0
    .set STREAM, 4
    .set VECTORS, 8
    .set GROUPS, 12
    .set OUT, 16
    .set CHANNELS, 20
    .set ZERO_POINT, 24
    .set ACT_MIN, 28
    .set SCALES, 36
    .set SUMS, 40
    .set FRAME, 72

    .section .text.hb_dot_mve, "ax", %progbits
    .balign 4
    .global hb_dot_mve
    .type   hb_dot_mve, %function
    .thumb_func
hb_dot_mve:
    push    {r4-r11, lr}
    sub     sp, #FRAME
    ldm     r0, {r0-r8}
    mov     r9, sp
    stm     r9, {r0-r8}
    /* scales: behind groups * (32 + 128 vectors) bytes */
    lsls    r2, r2, #7
    adds    r2, #32
    mla     r2, r2, r3, r1
    str     r2, [sp, #SCALES]
    mov     r5, r3
    mov     r9, r4
    add     r7, sp, #SUMS
1:
    ldm     r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldr     r3, [sp, #ROW]
    ldr     r11, [sp, #VECTORS]
2:
    vldrb.u8    q0, [r3], #16
    vldrw.u32   q1, [r1], #16
    vmladava.s8 r0, q0, q1
    vldrw.u32   q2, [r1], #16
    vmladava.s8 r2, q0, q2
    vldrw.u32   q3, [r1], #16
    vmladava.s8 r4, q0, q3
    vldrw.u32   q1, [r1], #16
    vmladava.s8 r6, q0, q1
    vldrw.u32   q2, [r1], #16
    vmladava.s8 r8, q0, q2
    vldrw.u32   q3, [r1], #16
    vmladava.s8 r10, q0, q3
    vldrw.u32   q1, [r1], #16
    vmladava.s8 r12, q0, q1
    vldrw.u32   q2, [r1], #16
    vmladava.s8 lr, q0, q2
    subs    r11, #1
    bne     2b
    stm     r7, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldr     r3, [sp, #SCALES]
    vldrw.u32   q0, [r7]
    vldrw.u32   q2, [r3], #16
    vqrdmulh.s32 q0, q0, q2
    vshr.s32    q3, q0, #31
    vadd.i32    q0, q0, q3
    vldrw.u32   q2, [r3], #16
    vrshl.s32   q0, q0, q2
    vldrw.u32   q1, [r7, #16]
    vldrw.u32   q2, [r3], #16
    vqrdmulh.s32 q1, q1, q2
    vshr.s32    q3, q1, #31
    vadd.i32    q1, q1, q3
    vldrw.u32   q2, [r3], #16
    vrshl.s32   q1, q1, q2
    str     r3, [sp, #SCALES]
    ldrd    r2, r0, [sp, #CHANNELS]
    vqmovnb.s32 q0, q0
    vqmovnt.s32 q0, q1
    vqadd.s16   q0, q0, r0
    ldrd    r4, r6, [sp, #ACT_MIN]
    vdup.16     q2, r4
    vdup.16     q3, r6
    vmax.s16    q0, q0, q2
    vmin.s16    q0, q0, q3
    mov     r4, r9
    vctp.16     r2
    vpst
    vstrbt.16   q0, [r4]
    adds    r9, #8
    subs    r2, #8
    str     r2, [sp, #CHANNELS]
    subs    r5, #1
    bne     1b
    add     sp, #FRAME
    pop     {r4-r11, pc}
    .size   hb_dot_mve, . - hb_dot_mve
