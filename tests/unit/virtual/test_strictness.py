"""What a wrong driver does on silicon: each case is a violation, and the right way is none."""

from __future__ import annotations

import pytest
from tests.unit.virtual.bench import MakeBench

CLOCKED = "RCC_AHB1ENR |= RCC_AHB1ENR_GPIODEN; RCC_APB1ENR |= RCC_APB1ENR_USART3EN;"
STARTED = "usart3_start(16000000u, 115200u, 0);"
HSE_PLL = """
    RCC_APB1ENR |= RCC_APB1ENR_PWREN;
    RCC_CR |= RCC_CR_HSEBYP; RCC_CR |= RCC_CR_HSEON;
    while (!(RCC_CR & RCC_CR_HSERDY)) {}
    RCC_PLLCFGR = 8u | (432u << 6) | RCC_PLLCFGR_PLLSRC | (9u << 24);
    RCC_CR |= RCC_CR_PLLON;
    while (!(RCC_CR & RCC_CR_PLLRDY)) {}
"""
OVER_DRIVE = """
    PWR_CR1 |= PWR_CR1_ODEN; while (!(PWR_CSR1 & PWR_CSR1_ODRDY)) {}
    PWR_CR1 |= PWR_CR1_ODSWEN; while (!(PWR_CSR1 & PWR_CSR1_ODSWRDY)) {}
"""
DMA = """
    RCC_AHB1ENR |= RCC_AHB1ENR_DMA1EN;
    DMA1_S3PAR = 0x40004828u; DMA1_S3M0AR = %s; DMA1_S3NDTR = 4;
    USART3_CR3 = USART3_CR3_DMAT;
    DMA1_S3CR = (4u << 25) | DMA1_S3CR_MINC | (1u << 6) | DMA1_S3CR_EN;
    while (DMA1_S3NDTR) {}
"""

ADC_ON = """
    RCC_APB2ENR |= RCC_APB2ENR_ADC1EN;
    ADC_CCR = ADC_CCR_TSVREFE; ADC1_CR2 = ADC1_CR2_ADON;
    ADC1_SMPR1 = ADC1_SMPR1_SMP17; ADC1_SQR3 = 17;
"""
WAIT = "for (volatile int i = 0; i < 100; i++) {}"
CONVERT = "ADC1_CR2 = ADC1_CR2_ADON | ADC1_CR2_SWSTART;"

WRONG = {
    "ADC not ready": ADC_ON + CONVERT,
    "ADC source": ADC_ON + "ADC_CCR = 0;" + WAIT + CONVERT,
    "ADC sampling": ADC_ON + "ADC1_SMPR1 = 0;" + WAIT + CONVERT,
    "ADC channel": ADC_ON + "ADC1_SQR3 = 3;" + WAIT + CONVERT,
    "ADC data": ADC_ON + WAIT + CONVERT + "(void)ADC1_DR;",
    "unknown register": "(void)*(volatile uint32_t *)0x40023850u;",
    "peripheral not clocked": "USART3_BRR = 139;",
    "unknown bit": "RCC_AHB1ENR |= 1u << 31;",
    "read-only register": "DBGMCU_IDCODE = 0;",
    "USART pins": CLOCKED + "USART3_BRR = 139; USART3_CR1 = 9u; USART3_TDR = 1;",
    "USART transmitter": CLOCKED + "USART3_TDR = 1;",
    "USART enabled": CLOCKED + "USART3_BRR = 139; USART3_CR1 = 9u; USART3_BRR = 100;",
    "USART baud rate": CLOCKED + "USART3_CR1 = 9u;",
    "USART overrun": STARTED + "for (int i = 0; i < 3; i++) USART3_TDR = 1;",
    "regulator": HSE_PLL + "FLASH_ACR = 7; RCC_CFGR = (5u << 10) | (4u << 13); RCC_CFGR |= 2u;",
    "flash wait states": HSE_PLL + OVER_DRIVE + "RCC_CFGR = (5u << 10) | (4u << 13) | 2u;",
    "APB clock": HSE_PLL + OVER_DRIVE + "FLASH_ACR = 7; RCC_CFGR = 2u;",
    "clock not ready": "RCC_CFGR = 2u;",
    "PLL running": HSE_PLL + "RCC_PLLCFGR = 8u;",
    "PLL source not ready": "RCC_PLLCFGR |= RCC_PLLCFGR_PLLSRC; RCC_CR |= RCC_CR_PLLON;",
    "PLL VCO": "RCC_PLLCFGR = 16u | (50u << 6); RCC_CR |= RCC_CR_PLLON;",
    "over-drive": "RCC_APB1ENR |= RCC_APB1ENR_PWREN; PWR_CR1 |= PWR_CR1_ODSWEN;",
    "clock in use": "RCC_CR &= ~RCC_CR_HSION;",
    "flash locked": "FLASH_CR = FLASH_CR_PG;",
    "flash key": "FLASH_KEYR = 0x12345678u;",
    "flash store": "*(volatile uint32_t *)0x08080000u = 0;",
    "DWT locked": "DCB_DEMCR |= DCB_DEMCR_TRCENA; DWT_CTRL |= DWT_CTRL_CYCCNTENA;",
    "DWT off": "DWT_LAR = 0xC5ACCE55u; DWT_CTRL |= DWT_CTRL_CYCCNTENA;",
    "AIRCR": "SCB_AIRCR = SCB_AIRCR_SYSRESETREQ;",
    "not modelled": "MPU_CTRL = 1;",
    "DMA coherence": STARTED + "SCB_CCR |= SCB_CCR_DC;" + DMA % "0x20010000u",
    "DMA address": STARTED + (DMA % "0x00000100u").replace("while", "//"),
    "DMA peripheral address": STARTED
    + (DMA % "0x20001000u").replace("4828u", "4824u").replace("while", "//"),
    "DMA flags": STARTED + DMA % "0x20001000u"
    + "DMA1_S3NDTR = 4; DMA1_S3CR |= DMA1_S3CR_EN;",
}  # fmt: skip


@pytest.mark.parametrize("rule", WRONG)
def test_wrong_driver_is_caught(rule: str, make_bench: MakeBench) -> None:
    bench = make_bench(f"int main(void) {{ {WRONG[rule]} finish(); }}").run()
    assert rule in bench.rules(), bench.log


def test_right_driver_is_not(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        static uint8_t text[4] = "abc";
        int main(void) {
            clock_216_mhz();
            usart3_start(54000000u, 115200u, 0);
            SCB_CCR |= SCB_CCR_DC;
            cycles_start();
            """
        + DMA % "(uint32_t)(uintptr_t)text"
        + "finish(); }"
    )
    bench.set_baud(115200)
    bench.run()
    assert bench.rules() == []
    assert bench.machine.clocks.hclk_hz == 216e6
    bench.run(until=lambda: not bench.machine.usart.line_active())
    bench.machine.advance()
    assert bench.received() == b"abc\0"


def test_a_violation_stops_the_board(make_bench: MakeBench) -> None:
    bench = make_bench(
        'int main(void) { USART3_BRR = 1; __asm volatile("isb"); finish(); }',
        stop_on_violation=True,
    ).run()
    assert bench.machine.stopped
    assert not bench.word("done")


def test_wrong_dma_channel_moves_nothing(make_bench: MakeBench) -> None:
    body = (DMA % "0x20001000u").replace("(4u << 25)", "(5u << 25)").replace("while", "//")
    bench = make_bench(
        f"int main(void) {{ usart3_start(16000000u, 115200u, 0); {body} finish(); }}"
    )
    bench.run(until=lambda: False, sim_s=0.01)
    assert bench.machine.dma.remaining(3) == 4


def test_unmapped_memory_faults_with_its_address(make_bench: MakeBench) -> None:
    bench = make_bench("int main(void) { *(volatile uint32_t *)0x60000010u = 1; finish(); }").run()
    assert bench.word("result", 30) == 0x8200  # PRECISERR, BFARVALID
    assert bench.word("result", 29) == 0x60000010
    assert bench.word("result", 31) == 1 << 30  # FORCED


def test_enabled_bus_fault_is_taken_itself(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        void bus_fault_handler(void) { result[0] = 5; finish(); }
        int main(void) { SCB_SHCSR = SCB_SHCSR_BUSFAULTENA;
                         (void)*(volatile uint32_t *)0x60000000u; finish(); }
        """
    ).run()
    assert bench.word("result", 0) == 5
    assert bench.word("result", 31) == 0


def test_floating_point_needs_cpacr(make_bench: MakeBench) -> None:
    body = """
        int main(void) {{ {enable} __asm volatile("nop\\n vmov.f32 s0, #1.0\\n nop"); finish(); }}
        """
    off = make_bench(body.format(enable="")).run()
    assert off.word("result", 30) == 1 << 19  # NOCP
    on = make_bench(
        body.format(enable='SCB_CPACR |= 0xFu << 20; __asm volatile("dsb\\n isb");')
    ).run()
    assert on.word("result", 30) == 0
    assert on.word("done")


def test_undefined_instruction_faults(make_bench: MakeBench) -> None:
    bench = make_bench('int main(void) { __asm volatile("udf #0"); finish(); }').run()
    assert bench.word("result", 30) == 1 << 16  # UNDEFINSTR


def test_fault_in_the_fault_handler_locks_up(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        int main(void) { SCB_VTOR = 0x20000000u; *(volatile uint32_t *)0x60000000u = 1; finish(); }
        """
    ).run()
    assert bench.machine.lockup


def test_system_reset_sets_its_flag_and_rmvf_clears_it(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        int main(void) {
            if (RCC_CSR & RCC_CSR_PORRSTF) {
                RCC_CSR |= RCC_CSR_RMVF;
                SCB_AIRCR = 0x05FA0000u | SCB_AIRCR_SYSRESETREQ;
                for (;;) {}
            }
            result[0] = RCC_CSR;
            RCC_CSR |= RCC_CSR_RMVF;
            result[1] = RCC_CSR;
            finish();
        }
        """
    ).run()
    assert bench.word("result", 0) == (1 << 28) | (1 << 26)  # SFTRSTF, PADRSTF
    assert bench.word("result", 1) == 0
