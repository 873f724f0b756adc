/* Not part of any firmware: reads a word at an odd address, which a core without unaligned accesses
 * answers with a fault.  Built with MAIN=ports/common/selftest/hb_unaligned.c. */
#include "hb_start.h"

int main(void) {
    static uint32_t words[2];
    const struct hb_port *port = hb_port_start();
    uintptr_t at = (uintptr_t)words + 1u;
    __asm volatile("" : "+r"(at)); /* the compiler would take the word apart */
    uint8_t value = (uint8_t)*(const volatile uint32_t *)at;
    for (;;) port->write(&value, 1);
}
