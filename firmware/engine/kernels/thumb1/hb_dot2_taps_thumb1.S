/* A rectangle of filter taps on two channels, for Armv6-M (hb_thumb1.h). */
#if defined(__ARM_ARCH) && __ARM_ARCH == 6
    .syntax unified
    .thumb

    .macro tap
    ldrsb r6, [r0, r4]
    ldrsb r7, [r2, r5]
    muls r6, r7, r6
    add r8, r6
    ldrsb r6, [r1, r4]
    ldrsb r7, [r3, r5]
    muls r6, r7, r6
    add r9, r6
    add r4, r10
    adds r5, r5, #2
    .endm

    .section .text.hb_dot2_taps_thumb1, "ax", %progbits
    .globl hb_dot2_taps_thumb1
    .type hb_dot2_taps_thumb1, %function
    .thumb_func
    .balign 4
/* struct hb_thumb1_taps */
hb_dot2_taps_thumb1:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    push {r0}
    ldr r1, [r0, #28]
    ldmia r1!, {r2, r3}
    mov r8, r2
    mov r9, r3
    ldr r1, [r0, #8]
    mov r10, r1
    ldr r1, [r0, #12]
    lsls r6, r1, #1
    mov r11, r6
    ldr r3, [r0, #16]
    mov r12, r3
    ldr r2, [r0, #4]
    ldr r0, [r0, #0]
row:
    adds r1, r0, #1
    adds r3, r2, #1
    movs r4, #0
    movs r5, #0
    /* an odd number of taps begins in the loop's middle */
    lsls r6, r6, #30
    bmi 2f
1:  tap
2:  tap
    cmp r5, r11
    bne 1b
    mov r7, r12
    subs r7, r7, #1
    beq 3f
    mov r12, r7
    ldr r6, [sp]
    ldr r7, [r6, #20]
    adds r0, r0, r7
    ldr r7, [r6, #24]
    adds r2, r2, r7
    mov r6, r11
    b row
3:  pop {r0}
    ldr r1, [r0, #28]
    mov r2, r8
    mov r3, r9
    stmia r1!, {r2, r3}
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .size hb_dot2_taps_thumb1, . - hb_dot2_taps_thumb1
#endif
