/* A tile of 6 pixels times all output channels, and requantization, for Armv6-M (hb_thumb1.h).
 *
 * One MULS gives the products of two pixels, in the halves of a word: two taps' products fit 16 bits.
 * Their sum is folded into `upper`, the odd pixel's accumulator, by its rounded upper half (ASRS
 * leaves the half's last bit in the carry), and into `both`, from which the even one follows. */
#if defined(__ARM_ARCH) && __ARM_ARCH == 6
    .syntax unified
    .thumb
    .text

/* r2, r3: weights of two taps; r7: the pair's two words. */
    .macro fold both, upper
    ldmia r7!, {r0, r1}
    muls r0, r2, r0
    muls r1, r3, r1
    adds r0, r0, r1
    add \both, r0
    asrs r0, r0, #16
    adcs \upper, r0
    .endm

    .macro two_taps at, is_s4
    mov r0, r12
    .if \is_s4
    ldrb r3, [r0, #\at / 2]
    lsls r2, r3, #28
    asrs r2, r2, #28
    lsls r3, r3, #24
    asrs r3, r3, #28
    .else
    ldrb r2, [r0, #\at]
    ldrb r3, [r0, #\at + 1]
    sxtb r2, r2
    sxtb r3, r3
    .endif
    fold r8, r4
    fold r9, r5
    fold r10, r6
    .endm

    .macro split both, upper, at
    lsls r0, \upper, #16
    mov r1, \both
    subs r1, r1, r0
    str r1, [sp, #\at]
    str \upper, [sp, #\at + 4]
    .endm

/* Accumulators from r5 to r3, to r4 with stride r6; scale in r8 to r12, lr, and from r7 on. */
    .macro outputs is_signed, is_wide
1:  ldmia r5!, {r0}
    cmp r0, r8
    bhi 4f
    .if \is_wide
    ldrb r1, [r7, #10]
    muls r1, r0, r1
    add r1, r12
    lsrs r1, r1, #8
    mov r2, r9
    muls r2, r0, r2
    adds r1, r1, r2
    lsrs r1, r1, #8
    .else
    mov r1, r9
    muls r1, r0, r1
    add r1, r12
    lsrs r1, r1, #10
    .endif
    mov r2, r10
    muls r2, r0, r2
    adds r1, r1, r2
    lsrs r1, r1, #10 - 2 * \is_wide
    mov r2, r11
    muls r2, r0, r2
    adds r1, r1, r2
    add r1, lr
    .if \is_signed
    ldr r2, [r7]
    cmp r0, r2
    bcs 2f
    ldr r2, [r7, #4]
    subs r1, r1, r2
2:
    .endif
    lsrs r1, r1, #24
3:  strb r1, [r4]
    adds r4, r4, r6
    cmp r5, r3
    bne 1b
    b 9f
4:  cmp r0, #0
    bmi 5f
    ldrb r1, [r7, #9]
    b 3b
5:  ldrb r1, [r7, #8]
    b 3b
    .endm

/* The same; r7: struct hb_thumb1_scale, then behind it. */
    .macro requantize
    ldmia r7!, {r0, r1, r2}
    mov r8, r0
    mov r9, r1
    mov r10, r2
    ldmia r7!, {r0, r1, r2}
    mov r11, r0
    mov r12, r1
    mov lr, r2
    ldrb r0, [r7, #11]
    ldr r1, [r7]
    orrs r0, r0, r1
    beq 7f
    ldrb r0, [r7, #11]
    cmp r0, #0
    beq 8f
    outputs 1, 1
7:  outputs 0, 0
8:  outputs 1, 0
9:  adds r7, r7, #12
    .endm

    .macro save
    push {r4-r7, lr}
    mov r4, r8
    mov r5, r9
    mov r6, r10
    mov r7, r11
    push {r4-r7}
    .endm

    .macro return
    pop {r4-r7}
    mov r8, r4
    mov r9, r5
    mov r10, r6
    mov r11, r7
    pop {r4-r7, pc}
    .endm

/* On the stack: six accumulators, then */
#define ARGS 24
#define LEFT 28
#define OUT 32
#define END 36 /* of the accumulators that have an output */
#define FRAME 40

    .macro matmul name, is_s4
    .section .text.\name, "ax", %progbits
    .globl \name
    .type \name, %function
    .thumb_func
    .balign 4
\name:
    save
    sub sp, #FRAME
    str r0, [sp, #ARGS]
    ldr r1, [r0, #20]
    str r1, [sp, #LEFT]
    ldr r1, [r0, #12]
    str r1, [sp, #OUT]
    ldr r1, [r0, #24]
    lsls r1, r1, #2
    add r1, sp
    str r1, [sp, #END]
    ldr r7, [r0, #8]
channel\@:
    ldmia r7!, {r4}
    mov r12, r7
    lsls r0, r4, #16
    adds r0, r0, r4
    mov r8, r0
    mov r9, r0
    mov r10, r0
    movs r5, r4
    movs r6, r4
    ldr r0, [sp, #ARGS]
    ldmia r0!, {r1, r2}
    movs r7, r1
    mov r11, r2
    movs r3, #8 - 4 * \is_s4
    mov lr, r3
    /* 48 bytes of tile per four taps: an odd number of these begins in the loop's middle */
    subs r2, r2, r1
    lsls r2, r2, #27
    bpl taps\@
    .if !\is_s4
    mov r0, r12
    subs r0, r0, #4
    mov r12, r0
    .endif
    b middle\@
taps\@:
    two_taps 0, \is_s4
    two_taps 2, \is_s4
middle\@:
    two_taps 4, \is_s4
    two_taps 6, \is_s4
    add r12, lr
    cmp r7, r11
    bne taps\@
    split r8, r4, 0
    split r9, r5, 8
    split r10, r6, 16
    mov r7, r12
    mov r5, sp
    ldr r0, [sp, #ARGS]
    ldr r6, [r0, #16]
    ldr r3, [sp, #END]
    ldr r4, [sp, #OUT]
    adds r0, r4, #1
    str r0, [sp, #OUT]
    requantize
    ldr r0, [sp, #LEFT]
    subs r0, r0, #1
    str r0, [sp, #LEFT]
    beq done\@
    b channel\@
done\@:
    add sp, #FRAME
    return
    .size \name, . - \name
    .endm

    matmul hb_matmul_thumb1, 0
    matmul hb_matmul_s4_thumb1, 1

    .section .text.hb_requantize_thumb1, "ax", %progbits
    .globl hb_requantize_thumb1
    .type hb_requantize_thumb1, %function
    .thumb_func
    .balign 4
hb_requantize_thumb1:
    save
    ldr r6, [sp, #36]
    movs r5, r0
    movs r4, r3
    movs r7, r2
    movs r3, r1
    requantize
    return
    .size hb_requantize_thumb1, . - hb_requantize_thumb1
#endif
