/* Fills a tile with the bytes under three neighbouring pixels, widened to int16 (hb_dsp.h). */
    .syntax unified
    .thumb

    /* struct hb_rows */
    .set ROW_BYTES, 0
    .set ROWS_AFTER_WRAP, 4
    .set RING_BYTES, 8
    .set ROWS, 12
    .set WORDS, 16
    .set PIXEL_BYTES, 20

.macro widen
    ldr     r4, [r7], #4
    ldr     r5, [r11], #4
    ldr     r6, [r12], #4
    sxtb16  r8, r4, ror #8
    sxtb16  r4, r4
    sxtb16  r9, r5, ror #8
    sxtb16  r5, r5
    sxtb16  r10, r6, ror #8
    sxtb16  r6, r6
    stm     r1!, {r4-r6, r8-r10}
.endm

/* uint32_t *hb_widen_three(const int8_t *first, uint32_t *tile, const struct hb_rows *rows) */
    .section .text.hb_widen_three, "ax", %progbits
    .balign 4
    .global hb_widen_three
    .type   hb_widen_three, %function
    .thumb_func
hb_widen_three:
    push    {r4-r11, lr}
    ldr     r3, [r2, #ROWS]
1:
    ldrd    lr, r12, [r2, #WORDS]
    mov     r7, r0
    add     r11, r0, r12
    add     r12, r12, r11
    ands    r4, lr, #3
    beq     3f
    sub     lr, lr, r4
    cmp     r4, #2
    blo     2f
    beq     4f
    widen
4:
    widen
2:
    widen
3:
    cmp     lr, #0
    beq     6f
5:
    widen
    widen
    widen
    widen
    subs    lr, #4
    bne     5b
6:
    subs    r3, #1
    beq     7f
    ldrd    r4, r5, [r2, #ROW_BYTES]
    add     r0, r0, r4
    cmp     r3, r5
    bne     1b
    ldr     r4, [r2, #RING_BYTES]
    sub     r0, r0, r4
    b       1b
7:
    mov     r0, r1
    pop     {r4-r11, pc}
    .size   hb_widen_three, . - hb_widen_three
