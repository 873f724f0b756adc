/* USART3 on PD8/PD9, the ST-LINK's virtual COM port (UM1974 6.9). */
#ifndef HB_USART_H
#define HB_USART_H

#include <stdbool.h>
#include <stdint.h>

enum { HB_RX_BYTES = 16 << 10 };

void hb_usart_start(uint32_t baud); /* receives by interrupt */
void hb_usart_link_set(uint32_t baud, uint8_t rx_mode);
uint32_t hb_usart_read(uint8_t *to, uint32_t room);
void hb_usart_write(const uint8_t *from, uint32_t bytes);
bool hb_usart_tx_idle(void);
bool hb_usart_has_bytes(void); /* or soon has: the core should not sleep */
uint32_t hb_usart_overruns(void);
uint32_t hb_usart_line_errors(void);

/* Interrupt handlers. */
void hb_usart_isr(void);
void hb_usart_rx_dma_isr(void);
void hb_usart_tx_dma_isr(void);

#endif
