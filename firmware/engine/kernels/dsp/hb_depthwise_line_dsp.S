/* One line of a 3x3 depthwise convolution for four channels (hb_depthwise_conv_2d_s8xs8_dsp.c).
 *
 * Lines: per channel and pair j of neighbours (x[2j], x[2j+1]), the words of the ring's three
 * slots.  Record per channel: bias, 2 multiplier, 2^(32 - right shift); then per filter row, of
 * rows 0, 1, 2, 0, 1, the pairs (w0, w1) and (w1, w2): three rows from any one on are six words.
 * Requantization as in hb_matmul_p8_dsp.S. */
    .syntax unified
    .thumb

/* Frame: what LDM takes first. */
    .set SCALES, 0          /* multiplier, factor, zero point */
    .set ZERO_POINT, 8
    .set BIAS, 12           /* twice */
    .set RECORD, 20         /* this channel's, offset of its first row */
    .set LOOP_END, 28
    .set PAIR_BYTES, 32     /* of the loop: its data, from start to end */
    .set ENTRY, 36
    .set EXIT, 40
    .set OUT, 44
    .set RECORDS_END, 48
    .set FRAME, 52

.macro requantize acc, has_sign
    smmlar  \acc, \acc, r10, \acc
    .if \has_sign
    add     \acc, \acc, \acc, asr #31
    .endif
    smmlar  \acc, \acc, r11, r12
    ssat    \acc, #8, \acc
.endm

/* Stride 1, two outputs: taps 2i to 2i+2, and 2i+1 to 2i+3. */
.macro two_outputs has_sign
    ldrd    r2, r3, [sp, #BIAS]
    ldm     r0!, {r10-r12}
    smlad   r2, r10, r4, r2
    smlatb  r3, r10, r4, r3
    smlad   r2, r11, r6, r2
    smlatb  r3, r11, r6, r3
    smlad   r2, r12, r8, r2
    smlatb  r3, r12, r8, r3
    ldm     r0, {r10-r12}
    smlabt  r2, r10, r5, r2
    smlad   r3, r10, r5, r3
    smlabt  r2, r11, r7, r2
    smlad   r3, r11, r7, r3
    smlabt  r2, r12, r9, r2
    smlad   r3, r12, r9, r3
    ldm     sp, {r10-r12}
    requantize r2, \has_sign
    requantize r3, \has_sign
    strb    r2, [r1]
    strb    r3, [r1, lr]
    add     r1, r1, lr, lsl #1
.endm

/* Stride 1, the last output of an odd number. */
.macro one_output has_sign
    ldr     r2, [sp, #BIAS]
    ldm     r0!, {r10-r12}
    smlad   r2, r10, r4, r2
    smlad   r2, r11, r6, r2
    smlad   r2, r12, r8, r2
    ldm     r0, {r10-r12}
    smlabt  r2, r10, r5, r2
    smlabt  r2, r11, r7, r2
    smlabt  r2, r12, r9, r2
    ldm     sp, {r10-r12}
    requantize r2, \has_sign
    strb    r2, [r1]
.endm

/* Stride 2: ends the output in \acc, begins the next one in \next. */
.macro next_output acc, next, has_sign
    ldm     r0!, {r10-r12}
    smlabt  \acc, r10, r5, \acc
    smlabt  \acc, r11, r7, \acc
    smlabt  \acc, r12, r9, \acc
    ldr     \next, [sp, #BIAS]
    smlad   \next, r10, r4, \next
    smlad   \next, r11, r6, \next
    smlad   \next, r12, r8, \next
    ldm     sp, {r10-r12}
    requantize \acc, \has_sign
    strb    \acc, [r1]
    add     r1, r1, lr
.endm

/* r0 lines, r1 output, r2 first channel's record, r3 bytes of the first filter row's offset; on the
 * stack: bytes between outputs, outputs, zero point. */
.macro start name, per_pass
    .section .text.\name, "ax", %progbits
    .balign 4
    .global \name
    .type   \name, %function
    .thumb_func
\name:
    push    {r4-r11, lr}
    sub     sp, #FRAME
    ldrd    lr, r4, [sp, #FRAME + 36]
    ldr     r5, [sp, #FRAME + 44]
    str     r5, [sp, #ZERO_POINT]
    strd    r2, r3, [sp, #RECORD]
    str     r1, [sp, #OUT]
    add     r5, r2, #4 * 52
    str     r5, [sp, #RECORDS_END]
.endm

/* Loads the channel's weights; r2: its record, r3: the first row's offset. */
.macro load_channel
    ldrd    r2, r3, [sp, #RECORD]
    ldm     r2!, {r10-r12}
    strd    r11, r12, [sp, #SCALES]
    strd    r10, r10, [sp, #BIAS]
    add     r10, r2, #40
    str     r10, [sp, #RECORD]
    add     r2, r2, r3
    ldm     r2, {r4-r9}
    ldr     r10, [sp, #PAIR_BYTES]
    add     r10, r10, r0
    str     r10, [sp, #LOOP_END]
.endm

.macro next_channel again
    ldr     r1, [sp, #OUT]
    add     r1, r1, #1
    str     r1, [sp, #OUT]
    ldr     r2, [sp, #RECORD]
    ldr     r3, [sp, #RECORDS_END]
    cmp     r2, r3
    bne     \again
    add     sp, #FRAME
    pop     {r4-r11, pc}
.endm

/* The loop does four pairs of outputs; it is entered where the first pass has as many as are left
 * over. */
.macro stride_1 name, has_sign
    start   \name
    lsr     r5, r4, #1
    add     r6, r5, r5, lsl #1
    lsl     r6, r6, #2
    str     r6, [sp, #PAIR_BYTES]
    and     r5, r5, #3
    adr     r6, .Lentries_\name
    ldr     r5, [r6, r5, lsl #2]
    tst     r4, #1
    ite     ne
    ldrne   r6, [r6, #16]
    ldreq   r6, [r6, #20]
    strd    r5, r6, [sp, #ENTRY]
.Lchannel_\name:
    load_channel
    ldr     pc, [sp, #ENTRY]
    .balign 4
.Lentries_\name:
    .word   .Lfour_\name + 1, .Lone_\name + 1, .Ltwo_\name + 1, .Lthree_\name + 1
    .word   .Lodd_\name + 1, .Leven_\name + 1
.Lfour_\name:
    two_outputs \has_sign
.Lthree_\name:
    two_outputs \has_sign
.Ltwo_\name:
    two_outputs \has_sign
.Lone_\name:
    two_outputs \has_sign
    ldr     r10, [sp, #LOOP_END]
    cmp     r0, r10
    bne     .Lfour_\name
    ldr     pc, [sp, #EXIT]
.Lodd_\name:
    one_output \has_sign
.Leven_\name:
    add     r0, r0, #12
    next_channel .Lchannel_\name
    .size   \name, . - \name
.endm

.macro stride_2 name, has_sign
    start   \name
    add     r6, r4, r4, lsl #1
    lsl     r6, r6, #2
    add     r6, r6, #12
    str     r6, [sp, #PAIR_BYTES]
    and     r4, r4, #1
    str     r4, [sp, #ENTRY]
.Lchannel_\name:
    load_channel
    ldr     r2, [sp, #BIAS]
    ldm     r0!, {r10-r12}
    smlad   r2, r10, r4, r2
    smlad   r2, r11, r6, r2
    smlad   r2, r12, r8, r2
    ldr     r10, [sp, #ENTRY]
    cmp     r10, #0
    beq     .Ltwo_\name
    mov     r3, r2
    b       .Lone_\name
.Ltwo_\name:
    next_output r2, r3, \has_sign
.Lone_\name:
    next_output r3, r2, \has_sign
    ldr     r10, [sp, #LOOP_END]
    cmp     r0, r10
    bne     .Ltwo_\name
    next_channel .Lchannel_\name
    .size   \name, . - \name
.endm

    stride_1 hb_depthwise_line_1, 1
    stride_1 hb_depthwise_line_1_relu, 0
    stride_2 hb_depthwise_line_2, 1
    stride_2 hb_depthwise_line_2_relu, 0
