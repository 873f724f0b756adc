"""CYCCNT counts executed instructions, exactly, however the execution is cut into slices."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.virtual.bench import MakeBench

pytest.importorskip("unicorn", reason="pip install 'hilbench[virtual]'")

from hilbench.backends.virtual import access, counter

COUNTERS = ["c", "python"]
#: `n` turns of a loop of four instructions, one of them long; then an IT block.
LOOP = """
    static uint32_t measure(uint32_t n) {
        uint32_t before, after, address = 0xE0001004u;
        __asm volatile("ldr %0, [%3]\\n"
                       "1: adds r0, #1\\n add.w r1, r0, #3\\n subs %2, #1\\n bne 1b\\n"
                       "cmp r0, r0\\n ite eq\\n ldreq %1, [%3]\\n ldrne %1, [%3, #4]\\n"
                       : "=&r"(before), "=&r"(after), "+r"(n) : "r"(address) : "r0", "r1", "cc");
        return after - before;
    }
"""
TURNS = (1, 2, 100, 250_000)
#: The first LDR, four instructions per turn, CMP and ITE.
EXPECTED = [4 * n + 3 for n in TURNS]


@pytest.fixture(params=COUNTERS)
def counter_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both implementations."""
    if request.param == "c" and counter.load_helper() is None:
        pytest.skip("no C compiler")
    if request.param == "python":
        monkeypatch.setenv("HILBENCH_COUNTER", "python")
    return str(request.param)


def _program(body: str) -> str:
    return LOOP + "int main(void) { cycles_start(); " + body + " finish(); }"


@pytest.mark.parametrize("max_slice", [64, 1000, 4097, 400_000])
def test_a_loop_of_known_length(make_bench: MakeBench, counter_kind: str, max_slice: int) -> None:
    turns = TURNS if max_slice > 1000 else TURNS[:3]
    body = "".join(f"result[{i}] = measure({n});" for i, n in enumerate(turns))
    bench = make_bench(_program(body))
    bench.machine.max_slice = max_slice
    assert bench.machine.core.counter.kind == counter_kind
    bench.run()
    assert [bench.word("result", i) for i in range(len(turns))] == EXPECTED[: len(turns)]


def test_interrupts_that_wait_change_nothing(make_bench: MakeBench, counter_kind: str) -> None:
    bench = make_bench(
        LOOP
        + """
        void systick_handler(void) { result[1]++; }
        int main(void) {
            cycles_start();
            SYST_RVR = 999; SYST_CSR = 7;
            __asm volatile("cpsid i");
            result[0] = measure(25000);
            __asm volatile("cpsie i\\n isb");
            finish();
        }
        """
    ).run()
    assert bench.word("result", 0) == 4 * 25000 + 3
    assert bench.word("result", 1) == 1


def test_a_handler_that_runs_is_counted(make_bench: MakeBench, counter_kind: str) -> None:
    source = (
        LOOP
        + """
        void systick_handler(void) { SYST_CSR = 0; result[1]++; }
        int main(void) { cycles_start(); SYST_RVR = 499; SYST_CSR = 7;
                         result[0] = measure(25000); finish(); }
        """
    )
    counts = {make_bench(source).run().word("result", 0) for _ in range(2)}
    assert len(counts) == 1
    assert 4 * 25000 + 3 < counts.pop() < 4 * 25000 + 3 + 20


def test_a_block_that_a_fault_leaves_is_corrected(make_bench: MakeBench, counter_kind: str) -> None:
    bench = make_bench(
        """
        void bus_fault_handler(void) {
            __asm volatile("ldr r1, =0xE0001004\\n ldr r2, [r1]\\n"
                           "ldr r3, =result\\n str r2, [r3]");
            finish();
        }
        int main(void) {
            SCB_SHCSR = SCB_SHCSR_BUSFAULTENA;
            cycles_start();
            __asm volatile("ldr r1, =0xE0001004\\n ldr r4, =0x60000000\\n ldr r0, [r1]\\n"
                           "ldr r3, =result\\n str r0, [r3, #4]\\n nop\\n nop.w\\n"
                           "ldr r0, [r4]\\n nop\\n nop\\n nop\\n nop.w" ::: "r0", "r1", "r3", "r4");
            finish();
        }
        """
    ).run()
    # LDR CYCCNT, LDR, STR, NOP, NOP.W; the faulting one is not executed; then one LDR
    assert bench.word("result", 0) - bench.word("result", 1) == 6


def test_cyccnt_can_be_set_and_wraps(make_bench: MakeBench) -> None:
    bench = make_bench(
        _program("DWT_CYCCNT = 0xFFFFFFF0u; result[0] = measure(100); result[1] = DWT_CYCCNT;")
    ).run()
    assert bench.word("result", 0) == 403
    assert bench.word("result", 1) < 1000


def test_sleep_advances_cyccnt_only_with_dbg_sleep(make_bench: MakeBench) -> None:
    body = """
        void systick_handler(void) {{ SYST_CSR = 0; }}
        int main(void) {{
            cycles_start(); {sleep} SYST_RVR = 159999; SYST_CSR = 7;
            uint32_t before = DWT_CYCCNT;
            __asm volatile("wfi");
            result[0] = DWT_CYCCNT - before;
            finish();
        }}
        """
    slept = make_bench(body.format(sleep="DBGMCU_CR |= DBGMCU_CR_DBG_SLEEP;")).run()
    assert slept.word("result", 0) == pytest.approx(160_000, rel=0.001)
    stopped = make_bench(body.format(sleep="")).run()
    assert stopped.word("result", 0) < 40


def test_decoder_counts_what_objdump_lists(make_bench: MakeBench) -> None:
    """An oracle that is not ours: the disassembler of the toolchain."""
    bench = make_bench("float f(float a, int n) { while (n--) a = a * 1.5f + n / 3; return a; }"
                       "int main(void) { result[0] = (uint32_t)f(1, 2); finish(); }")  # fmt: skip
    text = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--disassemble=f", str(bench.elf)],
        capture_output=True, text=True, check=True).stdout  # fmt: skip
    lines = re.findall(r"^ ([0-9a-f]+):\t([0-9a-f ]+)\t(\S+)", text, re.M)
    code = [(int(at, 16), bytes.fromhex("".join(_swap(word) for word in raw.split())))
            for at, raw, name in lines if name != ".word"]  # fmt: skip
    joined = b"".join(part for _, part in code)
    assert counter.count_instructions(joined) == len(code) > 5
    assert counter.has_fp(joined)


def _swap(word: str) -> str:
    """objdump prints halfwords as numbers; memory has them little-endian."""
    return "".join(h[2:] + h[:2] for h in re.findall("....", word))


SHORT = st.integers(0, 0xE7FF).map(lambda h: h.to_bytes(2, "little"))
LONG = st.tuples(st.integers(0xE800, 0xFFFF), st.integers(0, 0xFFFF)).map(
    lambda pair: b"".join(h.to_bytes(2, "little") for h in pair)
)


@given(st.lists(st.one_of(SHORT, LONG)))
def test_every_instruction_counts_once(instructions: list[bytes]) -> None:
    assert counter.count_instructions(b"".join(instructions)) == len(instructions)


def _halfwords(text: str) -> bytes:
    return b"".join(int(word, 16).to_bytes(2, "little") for word in text.split())


@pytest.mark.parametrize(
    ("instruction", "halfwords", "expected"),
    [
        ("ldr r1, [r2, #4]", "6851 0000", access.WordAccess(True, 1, 2)),
        ("str r1, [r2, #4]", "6051 0000", access.WordAccess(False, 1, 2)),
        ("ldr r1, [r2, r3]", "58d1 0000", access.WordAccess(True, 1, 2)),
        ("ldr.w r8, [r2, #4]", "f8d2 8004", access.WordAccess(True, 8, 4)),
        ("str.w r8, [r2, #4]", "f8c2 8004", access.WordAccess(False, 8, 4)),
        ("ldr.w r8, [r3, r4]", "f853 8004", access.WordAccess(True, 8, 4)),
        ("ldr.w r1, [r2, #-4]", "f852 1c04", access.WordAccess(True, 1, 4)),
        ("ldr.w r1, [r2], #4", "f852 1b04", None),
        ("ldr.w pc, [r2, #4]", "f8d2 f004", None),
        ("ldrb r1, [r2, #4]", "7911 0000", None),
        ("ldmia r2!, {r1, r3}", "ca0a 0000", None),
    ],
)
def test_word_accesses_are_decoded(
    instruction: str, halfwords: str, expected: access.WordAccess | None
) -> None:
    assert access.decode(_halfwords(halfwords)) == expected, instruction


def test_it_state_advances_to_its_end() -> None:
    # ITE EQ: firstcond 0000, mask 1100 (ARMv7-M ARM A7.7.38)
    xpsr = 0x0100_0000 | (0x0C & 3) << 25 | (0x0C & 0xFC) << 8
    once = access.advance_it(xpsr)
    assert once != xpsr
    assert access.advance_it(once) == 0x0100_0000


@pytest.mark.parametrize("form", ["ldr r2, [r1], #0", "ldmia r1, {r2}"])
def test_other_forms_of_access_are_exact_too(make_bench: MakeBench, form: str) -> None:
    bench = make_bench(
        """
        int main(void) {
            cycles_start();
            __asm volatile("ldr r1, =0xE0001004\\n ldr r3, =result\\n ldr r0, [r1]\\n nop\\n nop\\n"
                           "FORM\\n subs r2, r0\\n str r2, [r3]" ::: "r0", "r1", "r2", "r3");
            finish();
        }
        """.replace("FORM", form)
    ).run()
    assert bench.word("result", 0) == 3
