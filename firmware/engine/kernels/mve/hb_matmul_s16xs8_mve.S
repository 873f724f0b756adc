/* Pairs of pixels of int16 data times packed weights (hb_mve.h), and the requantization of their
 * sums: rounded once, ties up.
 *
 * With t = 15 + right shift, floor((sum m + 2^(t - 1)) / 2^t) for a 16-bit multiplier m is what VRSHL
 * makes of floor(sum m / 2^15), which VQDMULH gives for m << 16. */
#include "mve/hb_matmul_frame_mve.h"

.macro channel_8 a, b, w
    vldrb.s16   \w, [r1], #8
    vmladava.s16 \a, q0, \w
    vmladava.s16 \b, q1, \w
.endm

    matmul_enter hb_matmul_s16xs8_asm_mve
1:
    ldrd    r1, r5, [sp, #STREAM]
    ldr     r7, [sp, #SUMS]
2:
    ldm     r1!, {r0, r2, r4, r6, r8, r10, r12, lr}
    ldrd    r3, r9, [sp, #A]
    ldr     r11, [sp, #LOOPS]
3:
    vldrh.u16   q0, [r3], #16
    vldrh.u16   q1, [r9], #16
    channel_8   r0, r8, q2
    channel_8   r2, r10, q3
    channel_8   r4, r12, q4
    channel_8   r6, lr, q5
    subs    r11, #1
    bne     3b
    stm     r7!, {r0, r2, r4, r6, r8, r10, r12, lr}
    subs    r5, #1
    bne     2b
    matmul_next hb_matmul_s16xs8_asm_mve

.macro scale a, b
    vldrw.u32   q4, [r1], #16
    vqdmulh.s32 \a, \a, q4
    vldrw.u32   q5, [r1], #16
    vqdmulh.s32 \b, \b, q4
    vrshl.s32   \a, \a, q5
    vrshl.s32   \b, \b, q5
.endm

.macro clamp
    vmax.s16    q0, q0, q6
    vmax.s16    q1, q1, q6
    vmin.s16    q0, q0, q7
    vmin.s16    q1, q1, q7
.endm

/* Called from within a matmul, on its frame: r1: scales.  Eight channels at a time, then four. */
    .section .text.hb_requantize_s16_mve, "ax", %progbits
    .balign 4
    .global hb_requantize_s16_mve
    .type   hb_requantize_s16_mve, %function
    .thumb_func
hb_requantize_s16_mve:
    mov     r12, lr
    ldr     r7, [sp, #SUMS]
    ldrd    r3, r10, [sp, #OUT]
    ldr     r5, [sp, #TO_B]
    add     r5, r3
    ldrd    r0, r2, [sp, #ACT_MIN]
    vdup.16 q6, r0
    vdup.16 q7, r2
    lsrs    r4, r10, #3
    wls     lr, r4, 2f
1:
    vldrw.u32   q0, [r7], #16
    vldrw.u32   q1, [r7], #16
    scale       q0, q1
    vldrw.u32   q2, [r7], #16
    vldrw.u32   q3, [r7], #16
    scale       q2, q3
    vqmovnb.s32 q0, q0
    vqmovnt.s32 q0, q2
    vqmovnb.s32 q1, q1
    vqmovnt.s32 q1, q3
    clamp
    vstrh.16    q0, [r3], #16
    vstrh.16    q1, [r5], #16
    le      lr, 1b
2:
    ands    r10, #7
    beq     4f
3:
    vldrw.u32   q0, [r7], #16
    vldrw.u32   q1, [r7], #16
    scale       q0, q1
    vqmovnb.s32 q0, q0
    vqmovnb.s32 q1, q1
    clamp
    vctp.32 r10
    vpstt
    vstrht.32   q0, [r3], #8
    vstrht.32   q1, [r5], #8
    subs    r10, #4
    bgt     3b
    /* behind the last channel, which may not be a fourth one */
    ldrd    r5, r4, [sp, #OUT]
    add     r5, r5, r4, lsl #1
    ldr     r4, [sp, #TO_B]
    add     r5, r4
4:
    str     r5, [sp, #OUT]
    bx      r12
    .size   hb_requantize_s16_mve, . - hb_requantize_s16_mve
