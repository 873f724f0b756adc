/* Says hello, then echoes byte by byte, by interrupt. */
#include "setup.h"

void usart3_handler(void)
{
    if (USART3_ISR & USART3_ISR_ORE) {
        USART3_ICR = USART3_ICR_ORECF;
    }
    if (USART3_ISR & USART3_ISR_RXNE) {
        const uint8_t byte = (uint8_t)USART3_RDR;
        put_byte(byte);
    }
}

int main(void)
{
    clock_216_mhz();
    usart3_start(54000000u, 115200u, USART3_CR1_RXNEIE);
    put_text("hello\n");
    enable_irq(39);
    for (;;) {
        __asm volatile("wfi");
    }
}
