"""The weight of an instruction: once per register that it moves to or from memory."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import require_tool
from tests.unit.virtual.bench import MakeBench

pytest.importorskip("unicorn", reason="pip install 'hilbench[virtual]'")

from hilbench.backends.virtual import counter

COUNTERS = ["c", "python"]
HEADER = Path(counter.__file__).with_name("transfers.h")
#: Assembly -> weight; and with MVE, where it differs.
FORMS: dict[str, tuple[int, ...]] = {
    "push {r4, r5, r6, lr}": (4,),
    "push {lr}": (1,),
    "pop {r0, pc}": (2,),
    "pop {r0-r7, pc}": (9,),
    "push.w {r4-r11, lr}": (9,),
    "pop.w {r4-r11, pc}": (9,),
    "ldmia r0!, {r1, r3}": (2,),
    "stmia r0!, {r1-r7}": (7,),
    "ldm.w r8, {r0, r1, r9}": (3,),
    "ldmdb r0!, {r1-r6}": (6,),
    "stmdb r0, {r1-r12}": (12,),
    "ldrd r0, r1, [r2, #8]": (2,),
    "ldrd r0, r1, [r2], #-8": (2,),
    "strd r0, r9, [r2, #-8]!": (2,),
    "ldrd r0, r1, [pc, #16]": (2,),
    "vldmia r0!, {s0-s4}": (5,),
    "vldmdb r0!, {s3}": (1,),
    "vstmia r0, {s16-s31}": (16,),
    "vldmia r0!, {d0-d15}": (16, 8),
    "vstmdb r0!, {d1-d3}": (3, 2),
    "vpush {d8-d9}": (2, 1),
    "vpop {s16-s18}": (3,),
    # not multi-register transfers, though some look like one
    "ldr.w r0, [r1, #4]": (1,),
    "ldr r0, [sp, #4]": (1,),
    "ldrex r0, [r1]": (1,),
    "ldrexb r0, [r1]": (1,),
    "strex r0, r1, [r2]": (1,),
    "ldaex r0, [r1]": (1,),
    "tt r0, r1": (1,),
    "tbb [r0, r1]": (1,),
    "tbh [r0, r1, lsl #1]": (1,),
    "vldr d1, [r0, #8]": (1,),
    "vstr s1, [r0, #-8]": (1,),
    "vmov d0, r0, r1": (1,),
    "vmov r0, r1, d0": (1,),
    "vmov s0, s1, r2, r3": (1,),
    "vadd.f32 s0, s1, s2": (1,),
    "sg": (1,),
    "clrm {r0-r4}": (1,),
    "vscclrm {s0-s3, vpr}": (1,),
    "vldrw.u32 q0, [r0]": (1,),
    "vldrb.s8 q1, [r0], #16": (1,),
    "vld40.8 {q0, q1, q2, q3}, [r0]": (1,),
    "vst20.32 {q0, q1}, [r0]": (1,),
    "vmladava.s8 r0, q0, q1": (1,),
    "smlad r0, r1, r2, r3": (1,),
    "b .": (1,),
    "bl .": (1,),
    "nop.w": (1,),
    "cbz r0, .+4": (1,),
    "sxtb r0, r1": (1,),
    "bkpt #0": (1,),
    "it eq": (1,),
}


@pytest.fixture(scope="module")
def weigh(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, int, int], int]:
    """``hb_registers_moved`` of transfers.h."""
    require_tool("cc", "gcc")
    folder = tmp_path_factory.mktemp("transfers")
    source = folder / "transfers.c"
    source.write_text(
        '#include "transfers.h"\n'
        "uint32_t weigh(uint32_t a, uint32_t b, int mve)\n"
        "{ return hb_registers_moved(a, b, mve); }\n"
    )
    library = folder / "transfers.so"
    command = ["cc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"]
    command += [f"-I{HEADER.parent}", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    function: Callable[[int, int, int], int] = ctypes.CDLL(str(library)).weigh
    return function


@pytest.fixture(scope="module")
def encodings(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, int, int]]:
    """Each form as the toolchain's assembler encodes it."""
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    folder = tmp_path_factory.mktemp("forms")
    # an IT block needs its instruction, so `it` stands last
    lines = [".syntax unified", ".thumb", *FORMS, "moveq r0, r0"]
    (folder / "forms.s").write_text("\n".join(lines) + "\n")
    command = ["arm-none-eabi-gcc", "-c", "-mcpu=cortex-m55", "-mfloat-abi=hard"]
    subprocess.run([*command, "forms.s", "-o", "forms.o"], cwd=folder, check=True)
    copy = ["arm-none-eabi-objcopy", "-O", "binary", "-j", ".text", "forms.o", "forms.bin"]
    subprocess.run(copy, cwd=folder, check=True)
    code = (folder / "forms.bin").read_bytes()
    halfwords = list(counter.iterate_instructions(code))
    assert len(halfwords) == len(FORMS) + 1
    return [(form, *pair) for form, pair in zip(FORMS, halfwords, strict=False)]


def test_each_form_weighs_its_registers(encodings: list[tuple[str, int, int]]) -> None:
    for form, first, second in encodings:
        assert counter.registers_moved(first, second) == FORMS[form][0], form


def test_with_mve_two_d_registers_are_one(
    encodings: list[tuple[str, int, int]], weigh: Callable[[int, int, int], int]
) -> None:
    for form, first, second in encodings:
        assert weigh(first, second, 0) == FORMS[form][0], form
        assert weigh(first, second, 1) == FORMS[form][-1], form


def test_c_and_python_are_the_same(weigh: Callable[[int, int, int], int]) -> None:
    """Every first halfword; the second halfwords decide between VFP forms, and hold the lists."""
    for first in range(0x10000):
        for second in (0x0000, 0x8A07) if first < 0xE800 else (0x0000, 0x0A05, 0x0B11, 0xFFFF):
            expected = counter.registers_moved(first, second)
            assert weigh(first, second, 0) == expected, f"{first:#06x} {second:#06x}"


LIST = st.integers(1, 0x1FFF)


@given(LIST, st.integers(0, 12))
def test_a_list_weighs_its_length(registers: int, base: int) -> None:
    load = (0xE890 | base).to_bytes(2, "little") + registers.to_bytes(2, "little")
    push = (0xB400 | (registers & 0xFF) | 1).to_bytes(2, "little")
    expected = registers.bit_count() + ((registers & 0xFF) | 1).bit_count()
    assert counter.weigh_instructions(load + push) == expected


@pytest.fixture(params=COUNTERS)
def counter_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both implementations."""
    if request.param == "c" and counter.load_helper() is None:
        pytest.skip("no C compiler")
    if request.param == "python":
        monkeypatch.setenv("HILBENCH_COUNTER", "python")
    return str(request.param)


def _differences(reads: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(after[0] - before[0], after[1] - before[1]) for before, after in pairwise(reads)]


@pytest.mark.parametrize("max_slice", [64, 4097])
def test_both_counts_of_a_window_are_logged(
    make_bench: MakeBench, counter_kind: str, max_slice: int
) -> None:
    bench = make_bench(
        """
        int main(void) {
            cycles_start();
            __asm volatile("ldr r1, =0xE0001004\\n ldr r2, =result\\n movs r3, #100\\n"
                           "ldr r0, [r1]\\n"
                           "1: push {r4-r7}\\n pop {r4-r7}\\n ldrd r4, r5, [r2]\\n"
                           "ldmia.w r2, {r4-r8}\\n subs r3, #1\\n bne 1b\\n"
                           "ldr r0, [r1]\\n ldr r0, [r1]"
                           ::: "r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "cc");
            finish();
        }
        """
    )
    bench.machine.max_slice = max_slice
    assert bench.machine.core.counter.kind == counter_kind
    bench.run()
    # a turn: 6 instructions; 4 + 4 + 2 + 5 registers and 2 more; then the second read itself
    assert _differences(list(bench.machine.cycles.reads)) == [(601, 1701), (1, 1)]


def test_a_block_that_a_fault_leaves_is_weighed_to_the_fault(
    make_bench: MakeBench, counter_kind: str
) -> None:
    bench = make_bench(
        """
        void bus_fault_handler(void) {
            __asm volatile("ldr r1, =0xE0001004\\n ldr r2, [r1]");
            finish();
        }
        int main(void) {
            SCB_SHCSR = SCB_SHCSR_BUSFAULTENA;
            cycles_start();
            __asm volatile("ldr r1, =0xE0001004\\n ldr r4, =0x60000000\\n ldr r3, =result\\n"
                           "ldr r0, [r1]\\n ldmia.w r3, {r5-r8}\\n nop.w\\n"
                           "ldr r0, [r4]\\n ldmia.w r3, {r5-r8}\\n nop.w"
                           ::: "r0", "r1", "r3", "r4", "r5", "r6", "r7", "r8");
            finish();
        }
        """
    ).run()
    # LDR CYCCNT, LDM, NOP.W; the faulting one and the LDM behind it are not executed; one LDR
    (plain, weighted), *_ = _differences(list(bench.machine.cycles.reads))
    assert weighted - plain == 3


def test_a_debugger_that_looks_leaves_no_trace(make_bench: MakeBench) -> None:
    bench = make_bench("int main(void) { cycles_start(); result[0] = DWT_CYCCNT; finish(); }").run()
    bench.machine.bus.read(0xE000_1004, 4, debugger=True)
    assert len(bench.machine.cycles.reads) == 1
