"""Instructions to text: what the kernel prints, listings, and llvm-objdump's text of the same bytes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.isa.disasm import listing, targets, text
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, PLACEHOLDERS
from tests.unit.isa import encodings
from tests.unit.isa.llvm_text import NOT_IN_LLVM, as_llvm
from tests.unit.isa.samples import at_random

# Lines of verifier logs of level 2, on 6.18
KERNEL = {
    "r2 += 5": insn("add64_k", 2, imm=5),
    "w2 s>>= w3": insn("arsh32_x", 2, 3),
    "r2 = -2147483648": insn("mov64_k", 2, imm=-0x80000000),
    "r2 = (s8)r3": insn("movs8_64", 2, 3),
    "w2 = -w2": insn("neg32", 2),
    "r2 = be16 r2": insn("be16", 2),
    "goto pc+0": insn("ja"),
    "gotol pc+0": insn("gotol"),
    "may_goto pc+0": insn("may_goto"),
    "call pc+2": insn("call_local", imm=2),
    "exit": insn("exit"),
    "if r3 != 0x2 goto pc-2": insn("jne64_k", 3, off=-2, imm=2),
    "if r2 s> 0xfffffff9 goto pc+0": insn("jsgt64_k", 2, imm=-7),
    "if w2 & w3 goto pc+0": insn("jset32_x", 2, 3),
    "r2 = *(u32 *)(r10 -16)": insn("ldx32", 2, 10, -16),
    "r2 = *(s32 *)(r10 -16)": insn("ldsx32", 2, 10, -16),
    "*(u64 *)(r10 -8) = -2147483648": insn("st64", 10, off=-8, imm=-0x80000000),
    "*(u32 *)(r1 +0) = 3": insn("st32", 1, imm=3),
    "*(u8 *)(r10 -16) = r3": insn("stx8", 10, 3, -16),
    "lock *(u32 *)(r10 -16) += r3": insn("atomic_add32", 10, 3, -16),
    "r3 = atomic64_fetch_xor((u64 *)(r10 -16), r3)": insn("atomic_fetch_xor64", 10, 3, -16),
    "r3 = atomic_xchg((u32 *)(r10 -16), r3)": insn("atomic_xchg32", 10, 3, -16),
    "r0 = atomic64_cmpxchg((u64 *)(r10 -16), r0, r3)": insn("atomic_cmpxchg64", 10, 3, -16),
    "r2 = load_acquire((u8 *)(r10 -16))": insn("load_acquire8", 2, 10, -16),
    "store_release((u8 *)(r10 -16), r3)": insn("store_release8", 10, 3, -16),
    "r0 = *(u8 *)skb[-4096]": insn("ldabs8", imm=-4096),
    "r0 = *(u8 *)skb[r0 + -5]": insn("ldind8", imm=-5),
}


def test_the_kernels_own_words() -> None:
    assert {text(one): one for one in KERNEL.values()} == KERNEL


def test_helpers_are_named_by_the_caller() -> None:
    one = insn("call", imm=5)
    assert text(one) == "call helper#5"
    assert text(one, helper={5: "bpf_ktime_get_ns#5"}.get) == "call bpf_ktime_get_ns#5"
    assert text(insn("call", imm=6), helper={5: "bpf_ktime_get_ns#5"}.get) == "call helper#6"


@pytest.mark.parametrize(
    ("one", "printed"),
    [
        (insn("lddw_map", 1, symbol="hits"), "r1 = map[hits]"),
        (insn("lddw_map", 1, imm=7), "r1 = map[#7]"),
        (insn("lddw_map", 1, imm=7, symbol="hits"), "r1 = map[hits#7]"),
        (insn("lddw_map_value", 1, imm=8 << 32, symbol=".bss"), "r1 = map[.bss]+8"),
        (insn("lddw_map_idx_value", 1, imm=8 << 32 | 2), "r1 = map_idx[#2]+8"),
        (insn("lddw_btf_id", 1, imm=9, symbol="runqueues"), "r1 = ksym[runqueues#9]@0"),
        (insn("call_kfunc", imm=9, off=2, symbol="f"), "call kfunc[f#9]@2"),
        (insn("call_local", imm=-1, symbol="f"), "call f"),
    ],
)
def test_symbols(one: Insn, printed: str) -> None:
    assert text(one) == printed


def test_every_placeholder_is_described() -> None:
    used = {name for op in OPS for name in re.findall(r"\{(\w+)\}", op.text)}
    assert used == set(PLACEHOLDERS)


PROGRAM = assemble(
    """
    r1 = 0x1122334455667788 ll
    if r1 == 0 goto end
    call inner
    end: exit
    inner: r0 = 1
    exit
    """
)


def test_a_listing() -> None:
    assert listing(PROGRAM) == (
        "0: r1 = 0x1122334455667788 ll\n2: if r1 == 0x0 goto pc+1\n3: call pc+1\n4: exit\n5: r0 = 1\n6: exit"
    )


def test_a_listing_with_everything() -> None:
    sources = {0: "x = 1 @ f.c:3", 4: "return @ f.c:9"}
    assert listing(PROGRAM, labels={**targets(PROGRAM), 1: "middle"}, source=sources.get, raw="little") == (
        "; x = 1 @ f.c:3\n"
        "0: 18 01 00 00 88 77 66 55 r1 = 0x1122334455667788 ll\n"
        "1: 00 00 00 00 44 33 22 11\n"
        "2: 15 01 01 00 00 00 00 00 if r1 == 0x0 goto L1\n"
        "3: 85 10 00 00 01 00 00 00 call L2\n"
        "L1:\n"
        "; return @ f.c:9\n"
        "4: 95 00 00 00 00 00 00 00 exit\n"
        "L2:\n"
        "5: b7 00 00 00 01 00 00 00 r0 = 1\n"
        "6: 95 00 00 00 00 00 00 00 exit"
    )
    assert listing([]) == ""


def test_slot_numbers_are_aligned() -> None:
    lines = listing([insn("exit")] * 12).splitlines()
    assert (lines[0], lines[11]) == (" 0: exit", "11: exit")


def disassembled(folder: Path, program: list[Insn]) -> list[str]:
    """llvm-objdump's text of each instruction, without its notes on targets."""
    llvm_mc, objdump = encodings.tool("llvm-mc"), encodings.tool("llvm-objdump")
    if llvm_mc is None or objdump is None:
        pytest.skip("llvm-mc-19 and llvm-objdump-19 are not both installed")
    source, made = folder / "code.s", folder / "code.o"
    source.write_text("".join(f".byte {', '.join(map(str, encode([one])))}\n" for one in program))
    subprocess.run([llvm_mc, "-triple=bpfel", "-filetype=obj", "-o", made, source], check=True)
    printed = subprocess.run(
        [objdump, "-d", "--no-show-raw-insn", "--mcpu=v4", made], capture_output=True, text=True, check=True
    ).stdout
    lines = re.findall(r"^ *\d+:\t(.*)$", printed, re.MULTILINE)
    return [re.sub(r" <\.text.*>$", "", line).replace("\t", " ") for line in lines]


def test_llvm_objdump_prints_the_same(tmp_path: Path) -> None:
    program = [
        one for one in at_random(3, 25, tuple(op for op in OPS if op not in NOT_IN_LLVM))
        if not (one.op.name.startswith("ldind") and one.imm)
    ]  # fmt: skip
    program += [insn(f"ldind{bits}", src=3) for bits in (8, 16, 32)]  # LLVM prints no displacement
    printed = disassembled(tmp_path, program)
    assert [as_llvm(one) for one in program] == printed
    rows = {one.op.name for one in program}
    print(f"{len(program)} instructions of {len(rows)} rows compared with llvm-objdump")
    assert len(rows) == len(OPS) - len(NOT_IN_LLVM) >= 160
