/* Start-up of the test programs for the virtual board. */
#include <stdint.h>

extern uint32_t stack_top[], data_start[], data_end[], data_load[], bss_start[], bss_end[];
int main(void);
void reset_handler(void);

static void hang(void)
{
    for (;;) {
    }
}

void hard_fault_handler(void) __attribute__((weak, alias("hang")));
void systick_handler(void) __attribute__((weak, alias("hang")));
void usart3_handler(void) __attribute__((weak, alias("hang")));
void dma1_stream1_handler(void) __attribute__((weak, alias("hang")));
void dma1_stream3_handler(void) __attribute__((weak, alias("hang")));
void usage_fault_handler(void) __attribute__((weak, alias("hang")));
void bus_fault_handler(void) __attribute__((weak, alias("hang")));
void pendsv_handler(void) __attribute__((weak, alias("hang")));
void svcall_handler(void) __attribute__((weak, alias("hang")));

__attribute__((used, section(".vectors"))) void (*const vectors[16 + 98])(void) = {
    [0] = (void (*)(void))stack_top,
    [1] = reset_handler,
    [2] = hang,
    [3] = hard_fault_handler,
    [4] = hang,
    [5] = bus_fault_handler,
    [6] = usage_fault_handler,
    [11] = svcall_handler,
    [14] = pendsv_handler,
    [15] = systick_handler,
    [16 + 12] = dma1_stream1_handler,
    [16 + 14] = dma1_stream3_handler,
    [16 + 39] = usart3_handler,
};

void reset_handler(void)
{
    for (uint32_t *to = data_start, *from = data_load; to < data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = bss_start; to < bss_end;) {
        *to++ = 0;
    }
    main();
    hang();
}
