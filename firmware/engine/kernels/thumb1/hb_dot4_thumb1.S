/* Dot products of one row of data, int8 or int16, and four rows of weights, for Armv6-M
 * (hb_thumb1.h). */
#if defined(__ARM_ARCH) && __ARM_ARCH == 6
    .syntax unified
    .thumb

/* r0: x; r2 to r5: rows of weights; r6: index of the tap. */
    .macro product row, acc
    ldrsb r1, [\row, r6]
    muls r1, r0, r1
    add \acc, r1
    .endm

    .macro tap is_s16
    .if \is_s16
    ldrsh r0, [r7, r6]
    adds r7, r7, #1
    .else
    ldrsb r0, [r7, r6]
    .endif
    product r2, r8
    product r3, r9
    product r4, r10
    product r5, r11
    adds r6, r6, #1
    .endm

    .macro dot4 name, is_s16
    .section .text.\name, "ax", %progbits
    .globl \name
    .type \name, %function
    .thumb_func
    .balign 4
/* x, weights, bytes from a row to the next, taps, sums on the stack */
\name:
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    movs r7, r0
    mov r12, r3
    mov r0, r2
    mov r2, r1
    adds r3, r2, r0
    adds r4, r3, r0
    adds r5, r4, r0
    movs r6, #0
    mov r8, r6
    mov r9, r6
    mov r10, r6
    mov r11, r6
    /* an odd number of taps begins in the loop's middle */
    mov r0, r12
    lsrs r0, r0, #1
    bcs 2f
1:  tap \is_s16
2:  tap \is_s16
    cmp r6, r12
    bne 1b
    ldr r0, [sp, #36]
    mov r1, r8
    mov r2, r9
    mov r3, r10
    mov r4, r11
    stmia r0!, {r1-r4}
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .size \name, . - \name
    .endm

    dot4 hb_dot4_thumb1, 0
    dot4 hb_dot4_s16_thumb1, 1
#endif
