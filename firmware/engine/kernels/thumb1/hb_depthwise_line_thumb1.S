/* A line of a 3x3 depthwise convolution, stride 1 or 2, for Armv6-M (hb_thumb1.h).  With stride 1 each
 * column of the ring is loaded once, and goes to the three outputs that it lies under. */
#if defined(__ARM_ARCH) && __ARM_ARCH == 6
    .syntax unified
    .thumb

/* r7: the next column; to the output that it is the first column of, and to the second's. */
    .macro begin to
    ldr \to, [sp, #0]
    muls \to, r0, \to
    add \to, r10
    ldr r3, [sp, #4]
    muls r3, r1, r3
    adds \to, \to, r3
    ldr r3, [sp, #8]
    muls r3, r2, r3
    adds \to, \to, r3
    .endm

    .macro continue to
    ldr r3, [sp, #12]
    muls r3, r0, r3
    adds \to, \to, r3
    ldr r3, [sp, #16]
    muls r3, r1, r3
    adds \to, \to, r3
    ldr r3, [sp, #20]
    muls r3, r2, r3
    adds \to, \to, r3
    .endm

    .macro finish of, end
    ldmia r7!, {r0, r1, r2}
    mov r3, r11
    muls r3, r0, r3
    adds \of, \of, r3
    mov r3, r12
    muls r3, r1, r3
    adds \of, \of, r3
    mov r3, lr
    muls r3, r2, r3
    adds \of, \of, r3
    mov r3, r8
    stmia r3!, {\of}
    mov r8, r3
    cmp r3, r9
    beq \end
    .endm

    .macro slide of, middle, next
    finish \of, 9f
    continue \middle
    begin \next
    .endm

    .macro three
    ldmia r1!, {r3, r4, r5}
    adds r1, r1, #8 /* past the two that repeat */
    .endm

#define FRAME 24

    .section .text.hb_depthwise_line_3x3_thumb1, "ax", %progbits
    .globl hb_depthwise_line_3x3_thumb1
    .type hb_depthwise_line_3x3_thumb1, %function
    .thumb_func
    .balign 4
hb_depthwise_line_3x3_thumb1:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    ldr r4, [sp, #36]
    mov r10, r4
    mov r8, r2
    mov r9, r3
    movs r7, r0
    sub sp, #FRAME
    mov r2, sp
    three
    stmia r2!, {r3, r4, r5}
    three
    stmia r2!, {r3, r4, r5}
    three
    mov r11, r3
    mov r12, r4
    mov lr, r5
    ldr r3, [sp, #FRAME + 40]
    cmp r3, #1
    beq 3f
2:  ldmia r7!, {r0, r1, r2}
    begin r4
    ldmia r7!, {r0, r1, r2}
    continue r4
    finish r4, 8f
    subs r7, r7, #12
    b 2b
8:  b 9f
3:  ldmia r7!, {r0, r1, r2}
    begin r4
    ldmia r7!, {r0, r1, r2}
    continue r4
    begin r5
1:  slide r4, r5, r6
    slide r5, r6, r4
    slide r6, r4, r5
    b 1b
9:  add sp, #FRAME
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .size hb_depthwise_line_3x3_thumb1, . - hb_depthwise_line_3x3_thumb1
#endif
