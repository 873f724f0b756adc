/* Not part of any firmware: measures loops of known length, so that a test can show what the
 * counter of a board really counts.  Built with MAIN=ports/common/selftest/hb_count_loop.c. */
#include "hb_start.h"

/* Two instructions a turn on every core of the catalogue. */
__attribute__((noinline)) static void loop(uint32_t turns) {
#if defined(__thumb__)
    __asm volatile("1: subs %0, #1\n\tbne 1b" : "+l"(turns)::"cc");
#else
    __asm volatile("1: addi %0, %0, -1\n\tbnez %0, 1b" : "+r"(turns));
#endif
}

static void write_hex(const struct hb_port *port, uint64_t value) {
    uint8_t text[17];
    for (uint32_t i = 0; i < 16u; i++) {
        text[i] = (uint8_t)"0123456789abcdef"[(value >> (60u - 4u * i)) & 15u];
    }
    text[16] = '\n';
    port->write(text, sizeof text);
}

int main(void) {
    static const uint32_t turns[] = {1, 2, 3, 4, 5, 7, 100, 1000, 1001, 1000000};
    const struct hb_port *port = hb_port_start();
    for (;;) {
        uint8_t go;
        while (port->read(&go, 1) == 0u) port->idle();
        for (uint32_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
            port->window_begin();
            port->counter_start();
            loop(turns[i]);
            const uint64_t ticks = port->counter_stop();
            (void)port->window_end();
            write_hex(port, ticks);
        }
    }
}
