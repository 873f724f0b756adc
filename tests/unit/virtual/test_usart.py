"""USART3 and DMA in line time: what arrives, what is lost, which flags tell."""

from __future__ import annotations

import pytest
from tests.unit.virtual.bench import MakeBench

BYTE_S = 10 / 115200
START = "usart3_start(16000000u, 115200u, 0);"


def test_a_byte_that_is_not_read_in_time_is_lost(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) {" + START + """
            result[4] = 1;
            while (!(USART3_ISR & USART3_ISR_ORE)) { }
            result[0] = USART3_RDR;
            USART3_ICR = USART3_ICR_ORECF;
            while (!(USART3_ISR & USART3_ISR_RXNE)) { }
            result[1] = USART3_RDR;
            finish();
        }
        """
    )  # fmt: skip
    bench.run(until=lambda: bench.word("result", 4) == 1)
    bench.send(b"ABC")
    bench.run()
    assert bench.word("result", 0) == ord("A")
    assert bench.word("result", 1) == ord("C")
    assert bench.machine.usart.errors["overrun"] == 1


def test_in_time_nothing_is_lost_however_slow_the_host(make_bench: MakeBench) -> None:
    bench = make_bench(
        "static uint32_t at; static uint8_t text[64];"
        "void usart3_handler(void) { text[at++] = (uint8_t)USART3_RDR; result[0] = at; }"
        "int main(void) { usart3_start(16000000u, 115200u, USART3_CR1_RXNEIE); enable_irq(39);"
        " result[4] = 1; for (;;) { } }"
    )
    bench.run(until=lambda: bench.word("result", 4) == 1)
    bench.send(bytes(range(64)))
    bench.run(until=lambda: bench.word("result", 0) == 64)
    assert bench.machine.usart.errors["overrun"] == 0


def test_bytes_take_their_time(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) { "
        + START
        + 'result[4] = 1; for (int i = 0; i < 20; i++) put_text("0123456789");'
        "while (!(USART3_ISR & USART3_ISR_TC)) { } finish(); }"
    )
    bench.set_baud(115200)
    bench.run(until=lambda: bench.word("result", 4) == 1)
    start_s = bench.machine.time.now_s
    bench.run()
    assert bench.machine.time.now_s - start_s == pytest.approx(200 * BYTE_S, rel=0.05)
    assert bench.received() == b"0123456789" * 20


def test_unlimited_timing_is_fast_and_loses_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) {" + START + "result[4] = 1; for (uint32_t i = 0; i < 32; i++) {"
        "while (!(USART3_ISR & USART3_ISR_RXNE)) { } for (int k = 0; k < 500; k++) __asm(\"nop\");"
        "result[0] += USART3_RDR; } finish(); }",
        unlimited=True,
    )  # fmt: skip
    bench.run(until=lambda: bench.word("result", 4) == 1)
    bench.send(bytes(range(32)))
    bench.run()
    assert bench.word("result", 0) == sum(range(32))


RING = """
    static uint8_t ring[16];
    void dma1_stream1_handler(void) {
        if (DMA1_LISR & DMA1_LISR_HTIF1) result[1]++;
        if (DMA1_LISR & DMA1_LISR_TCIF1) result[2]++;
        DMA1_LIFCR = DMA1_LIFCR_CHTIF1 | DMA1_LIFCR_CTCIF1;
    }
    void usart3_handler(void) {
        result[3] = 16 - DMA1_S1NDTR;
        result[4]++;
        USART3_ICR = USART3_ICR_IDLECF;
    }
    int main(void) {
        RCC_AHB1ENR |= RCC_AHB1ENR_DMA1EN;
        usart3_start(16000000u, 115200u, USART3_CR1_IDLEIE);
        USART3_ICR = USART3_ICR_IDLECF;
        DMA1_S1PAR = 0x40004824u; DMA1_S1M0AR = (uint32_t)(uintptr_t)ring; DMA1_S1NDTR = 16;
        DMA1_S1CR = (4u << 25) | DMA1_S1CR_MINC | DMA1_S1CR_CIRC | DMA1_S1CR_HTIE
                    | DMA1_S1CR_TCIE | DMA1_S1CR_EN;
        USART3_CR3 = USART3_CR3_DMAR;
        enable_irq(12); enable_irq(39);
        result[5] = (uint32_t)(uintptr_t)ring;
        result[6] = 1;
        for (;;) __asm volatile("wfi");
    }
"""


def test_a_dma_ring_turns_with_half_full_and_idle(make_bench: MakeBench) -> None:
    bench = make_bench(RING)
    bench.run(until=lambda: bench.word("result", 6) == 1)
    bench.send(bytes(range(43)))
    bench.run(until=lambda: bench.word("result", 4) == 1)
    assert bench.word("result", 1) == 3  # after 8, 24 and 40 bytes
    assert bench.word("result", 2) == 2  # after 16 and 32
    assert bench.word("result", 3) == 43 % 16
    ring = bench.machine.core.read_memory(bench.word("result", 5), 16)
    assert ring == bytes([*range(32, 43), *range(27, 32)])
    assert bench.rules() == []


def test_idle_comes_one_frame_after_the_last_byte(make_bench: MakeBench) -> None:
    bench = make_bench(RING)
    bench.run(until=lambda: bench.word("result", 6) == 1)
    start_s = bench.machine.time.now_s
    bench.send(b"abcde")
    bench.run(until=lambda: bench.word("result", 4) == 1)
    assert bench.machine.time.now_s - start_s == pytest.approx(6 * BYTE_S, rel=0.1)


def test_a_gap_between_bytes_is_idle_too(make_bench: MakeBench) -> None:
    bench = make_bench(RING)
    bench.run(until=lambda: bench.word("result", 6) == 1)
    bench.send(b"ab")
    bench.machine.usart.arrived(b"cd", bench.machine.time.now_s + 10 * BYTE_S)
    bench.run(until=lambda: bench.word("result", 4) == 2)
    assert bench.word("result", 3) == 4


def test_another_baud_rate_is_a_framing_error(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) {" + START + "result[4] = 1; while (!(USART3_ISR & USART3_ISR_RXNE)) { }"
        "result[0] = USART3_ISR & USART3_ISR_FE; result[1] = USART3_RDR; finish(); }"
    )
    bench.run(until=lambda: bench.word("result", 4) == 1)
    bench.send(b"U", baud=9600)
    bench.run()
    assert bench.word("result", 0) == 2
    assert bench.word("result", 1) != ord("U")


def test_a_receiver_without_its_pin_hears_nothing(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) {" + START + "GPIOD_MODER &= ~(3u << 18); result[4] = 1;"
        "for (volatile int i = 0; i < 3000; i++) { } result[0] = USART3_ISR; finish(); }"
    )
    bench.run(until=lambda: bench.word("result", 4) == 1)
    bench.send(b"x")
    bench.run()
    assert not bench.word("result", 0) & 1 << 5
    assert bench.machine.usart.errors["unheard"] == 1
