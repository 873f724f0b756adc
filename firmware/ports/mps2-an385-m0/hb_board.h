/* Code for a Cortex-M0 on the Arm MPS2+ with the AN385 image (Cortex-M3, Arm DAI 0385): the only M0
 * that QEMU emulates has too little memory. */
#ifndef HB_BOARD_H
#define HB_BOARD_H

#define HB_BOARD_NAME "mps2-an385-m0"
#define HB_CORE_CLOCK_HZ 25000000u
#define HB_UART_CLOCK_HZ 25000000u
#define HB_UART_BASE 0x40004000u
#define HB_UART_RX_IRQ 0
#define HB_IRQ_COUNT 32
#define HB_BAUD 115200u
#define HB_COUNTER_HZ 25000000u
#define HB_COUNTER_BITS 32u
#define HB_TIMER_BASE 0x40000000u
#define HB_ARENA_BYTES 0x100000u
#define HB_SLOT_ADDRESS 0x21000000u
#define HB_SLOT_BYTES 0x400000u
#define HB_UPLOAD_BASE 0x21400000u
#define HB_UPLOAD_ROOM 0x400000u

#endif
