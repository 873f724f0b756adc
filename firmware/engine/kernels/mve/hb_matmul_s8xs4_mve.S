/* Pairs of pixels times packed int4 weights (hb_mve.h): 16 bytes hold 32 weights of a channel, which
 * two shifts and one turn into two vectors of int8. */
#include "mve/hb_matmul_frame_mve.h"

.macro channel_32 a, b
    vldrw.u32   q4, [r1], #16
    vshl.i8     q5, q4, #4
    vshr.s8     q4, q4, #4
    vshr.s8     q5, q5, #4
    vmladava.s8 \a, q1, q4
    vmladava.s8 \b, q3, q4
    vmladava.s8 \a, q0, q5
    vmladava.s8 \b, q2, q5
.endm

    matmul_enter hb_matmul_s8xs4_asm_mve
1:
    ldrd    r1, r5, [sp, #STREAM]
    ldr     r7, [sp, #SUMS]
2:
    ldm     r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldrd    r3, r9, [sp, #A]
    ldr     r11, [sp, #LOOPS]
3:
    vldrb.u8    q0, [r3], #16
    vldrb.u8    q1, [r3], #16
    vldrb.u8    q2, [r9], #16
    vldrb.u8    q3, [r9], #16
    channel_32  r0, r8
    channel_32  r2, r10
    channel_32  r4, r12
    channel_32  r6, lr
    subs    r11, #1
    bne     3b
    stm     r7!, {r0, r2, r4, r6, r8, r10, r12, lr}
    subs    r5, #1
    bne     2b
    matmul_next hb_matmul_s8xs4_asm_mve
