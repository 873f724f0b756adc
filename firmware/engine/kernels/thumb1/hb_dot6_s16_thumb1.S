/* A tile of 6 pixels of int16 data times one output channel, for Armv6-M (hb_thumb1.h).
 *
 * The upper halves' products go to `upper`, those of whole words to `both`: a word is x + 65536 y of
 * unsigned x, so that the lower halves' sum is both - 65536 upper (mod 2^32). */
#if defined(__ARM_ARCH) && __ARM_ARCH == 6
    .syntax unified
    .thumb

/* r2, r3: weights of two taps; r7: the pair's two words. */
    .macro pair both, upper
    ldmia r7!, {r0, r1}
    lsrs r4, r0, #16
    lsrs r5, r1, #16
    muls r0, r2, r0
    muls r1, r3, r1
    muls r4, r2, r4
    muls r5, r3, r5
    adds r0, r0, r1
    adds r4, r4, r5
    add \both, r0
    add \upper, r4
    .endm

    .macro two_taps at
    ldrb r2, [r6, #\at]
    ldrb r3, [r6, #\at + 1]
    sxtb r2, r2
    sxtb r3, r3
    pair r8, r11
    pair r9, r12
    pair r10, lr
    .endm

    .macro split both, upper
    mov r0, \both
    mov r1, \upper
    lsls r2, r1, #16
    subs r0, r0, r2
    stmia r3!, {r0, r1}
    .endm

    .section .text.hb_dot6_s16_thumb1, "ax", %progbits
    .globl hb_dot6_s16_thumb1
    .type hb_dot6_s16_thumb1, %function
    .thumb_func
    .balign 4
/* struct hb_thumb1_matmul, weights, start, sums */
hb_dot6_s16_thumb1:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    push {r3}
    movs r6, r1
    ldmia r0!, {r1, r7} /* tile, tile_end */
    push {r7}
    movs r7, r1
    lsls r0, r2, #16
    adds r0, r0, r2
    mov r8, r0
    mov r9, r0
    mov r10, r0
    mov r11, r2
    mov r12, r2
    mov lr, r2
1:  two_taps 0
    two_taps 2
    adds r6, r6, #4
    ldr r0, [sp]
    cmp r7, r0
    bne 1b
    ldr r3, [sp, #4]
    split r8, r11
    split r9, r12
    split r10, lr
    add sp, #8
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .size hb_dot6_s16_thumb1, . - hb_dot6_s16_thumb1
#endif
