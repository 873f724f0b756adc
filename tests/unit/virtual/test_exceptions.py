"""Interrupts and faults of the simulated core, seen from C."""

from __future__ import annotations

from tests.unit.virtual.bench import MakeBench

TICK = "SYST_RVR = 1999; SYST_CSR = 7;"


def test_floating_point_survives_interrupts_that_use_it(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        volatile float noise = 1.0f;
        void systick_handler(void) { noise = noise * 1.25f + 3.0f; result[1]++; }
        static float series(void) {
            float sum = 0.0f, term = 1.0f;
            for (int i = 1; i < 20000; i++) { term = term * 0.99f + 1.0f / i; sum += term; }
            return sum;
        }
        int main(void) {
            SCB_CPACR |= 0xFu << 20;
            __asm volatile("dsb\\n isb");
            union { float f; uint32_t u; } alone, disturbed;
            alone.f = series();
            """
        + TICK
        + """
            disturbed.f = series();
            SYST_CSR = 0;
            result[0] = alone.u == disturbed.u;
            result[2] = alone.u;
            finish();
        }
        """
    ).run()
    assert bench.word("result", 0) == 1
    assert bench.word("result", 1) > 20
    assert bench.word("result", 2) > 0x40000000


def test_an_urgent_interrupt_preempts_and_a_lazy_one_waits(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        static volatile uint32_t at;
        static void note(uint32_t what) { result[at++] = what; }
        void pendsv_handler(void) { note(14); }
        void usart3_handler(void) { note(139); }
        void dma1_stream1_handler(void) {
            note(112);
            NVIC_ISPR1 = 1u << 7;
            SCB_ICSR = SCB_ICSR_PENDSVSET;
            __asm volatile("dsb\\n isb\\n nop");
            note(212);
        }
        int main(void) {
            NVIC_IPR9 = 0x10u << 24;   /* USART3, interrupt 39: urgent */
            NVIC_IPR3 = 0x80u;         /* DMA1 stream 1, interrupt 12 */
            SCB_SHPR3 = 0xF0u << 16;   /* PendSV: last */
            enable_irq(39); enable_irq(12);
            NVIC_ISPR0 = 1u << 12;
            __asm volatile("dsb\\n isb\\n nop");
            note(1);
            finish();
        }
        """
    ).run()
    assert [bench.word("result", i) for i in range(5)] == [112, 139, 212, 14, 1]


def test_basepri_and_primask_hold_back(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        void dma1_stream1_handler(void) { result[9]++; }
        int main(void) {
            NVIC_IPR3 = 0x80u;
            enable_irq(12);
            __asm volatile("msr basepri, %0\\n isb" :: "r"(0x80));
            NVIC_ISPR0 = 1u << 12;
            __asm volatile("dsb\\n isb\\n nop");
            result[0] = result[9];
            __asm volatile("cpsid i\\n msr basepri, %0\\n isb\\n nop" :: "r"(0));
            result[1] = result[9];
            __asm volatile("cpsie i\\n isb\\n nop");
            result[2] = result[9];
            finish();
        }
        """
    ).run()
    assert [bench.word("result", i) for i in range(3)] == [0, 0, 1]


def test_sleep_with_masked_interrupts_wakes(make_bench: MakeBench) -> None:
    bench = make_bench(
        "void systick_handler(void) { SYST_CSR = 0; result[1]++; }"
        'int main(void) { __asm volatile("cpsid i");'
        + TICK
        + """
            __asm volatile("wfi");
            result[0] = result[1];
            __asm volatile("cpsie i\\n isb\\n nop");
            finish();
        }
        """
    ).run()
    assert (bench.word("result", 0), bench.word("result", 1)) == (0, 1)


def test_supervisor_call_sees_its_frame(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        __attribute__((naked)) void svcall_handler(void) {
            __asm volatile("mov r0, sp\\n b serve");
        }
        void serve(uint32_t *frame) __attribute__((used));
        void serve(uint32_t *frame) { result[0] = frame[0]; frame[0] = 99; result[1] = frame[7]; }
        int main(void) {
            register uint32_t r0 __asm("r0") = 42;
            __asm volatile("svc #0" : "+r"(r0));
            result[2] = r0;
            finish();
        }
        """
    ).run()
    assert bench.word("result", 0) == 42
    assert bench.word("result", 1) & 0x0100_0000  # Thumb
    assert bench.word("result", 2) == 99


def test_the_process_stack_is_banked(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        static uint32_t stack[64] __attribute__((aligned(8)));
        void systick_handler(void) {
            uint32_t msp, psp;
            SYST_CSR = 0;
            __asm volatile("mrs %0, msp\\n mrs %1, psp" : "=r"(msp), "=r"(psp));
            result[0] = msp; result[1] = psp;
        }
        int main(void) {
            __asm volatile("msr psp, %0\\n movs r3, #2\\n msr control, r3\\n isb"
                           :: "r"(stack + 64) : "r3", "memory");
            """
        + TICK
        + """
            while (!result[0]) { }
            uint32_t sp;
            __asm volatile("mov %0, sp" : "=r"(sp));
            result[2] = sp; result[3] = (uint32_t)(uintptr_t)stack;
            finish();
        }
        """
    ).run()
    msp, psp, after, stack = (bench.word("result", i) for i in range(4))
    assert 0x2000_F000 < msp <= 0x2001_0000
    assert stack < psp <= stack + 256 - 32
    assert stack < after <= stack + 256


def test_systick_period_and_countflag(make_bench: MakeBench) -> None:
    bench = make_bench(
        """
        int main(void) {
            cycles_start();
            SYST_RVR = 9999; SYST_CVR = 0; SYST_CSR = 5;
            while (!(SYST_CSR & SYST_CSR_COUNTFLAG)) { }
            uint32_t start = DWT_CYCCNT;
            while (!(SYST_CSR & SYST_CSR_COUNTFLAG)) { }
            result[0] = DWT_CYCCNT - start;
            finish();
        }
        """
    ).run()
    assert abs(bench.word("result", 0) - 10_000) < 200
