"""The dialect of uBPF: every row that it can spell goes there and back; what it reads, and how it refuses the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.asm_ubpf import assemble_ubpf, spelled, text_ubpf
from bpfvm.isa.codec import encode
from bpfvm.isa.disasm import text
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, OPS, Kind
from tests.unit.isa.samples import at_random, insns

WRITABLE = tuple(op for op in spelled() if op.name != "call_kfunc")
UNWRITABLE = tuple(op for op in OPS if op not in spelled())


@given(insns(WRITABLE))
def test_the_text_of_an_instruction_is_that_instruction(one: Insn) -> None:
    assert assemble_ubpf(text_ubpf(one)) == [one]


def test_every_row_that_can_be_spelled_is_read_back() -> None:
    program = [*at_random(5, 10, WRITABLE), insn("call_kfunc", imm=42)]
    assert assemble_ubpf("\n".join(map(text_ubpf, program))) == program
    rows = {one.op.name for one in program}
    print(f"{len(program)} instructions of {len(rows)} rows")
    assert rows == {op.name for op in spelled()}
    assert len(rows) >= 155


def test_each_row_has_a_text_of_its_own() -> None:
    texts = {text_ubpf(insn(op.name, 1, 2, 3, 4)): op for op in WRITABLE}
    assert len(texts) == len(WRITABLE)


def test_what_has_no_word_is_refused_by_name() -> None:
    kinds = {Kind.PACKET, Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE, Kind.CAST, Kind.MAY_GOTO}
    names = {op.name for op in UNWRITABLE if op.kind not in kinds}
    assert names == {"gotox", *(op.name for op in OPS if op.kind is Kind.IMM64 and op.name != "lddw")}
    assert {op.kind for op in UNWRITABLE} == kinds | {Kind.GOTO, Kind.IMM64}
    for one in at_random(1, 1, UNWRITABLE):
        with pytest.raises(LoadError, match=f"^{one.op.name} cannot be written in the dialect of uBPF$"):
            text_ubpf(one)
    with pytest.raises(LoadError, match=r"^call_kfunc of BTF object 3 cannot be written"):
        text_ubpf(insn("call_kfunc", imm=1, off=3))


# As they stand in uBPF's documentation and in conformance tests, with the row and the kernel's text of the same bytes
WRITTEN = [
    ("mov %r0, 7", "mov64_k", "r0 = 7"),
    ("mov32 %r0, 0xffffffff", "mov32_k", "w0 = -1"),
    ("mov64 r3, r4", "mov64_x", "r3 = r4"),
    ("mov %r1,-1", "mov64_k", "r1 = -1"),
    ("mov %r1, 0x80000000", "mov64_k", "r1 = -2147483648"),
    ("add\t%r1 ,  %r2", "add64_x", "r1 += r2"),
    ("sdiv %r1, -2", "sdiv64_k", "r1 s/= -2"),
    ("smod32 %r1, %r2", "smod32_x", "w1 s%= w2"),
    ("neg32 %r9", "neg32", "w9 = -w9"),
    ("arsh %r1, 5", "arsh64_k", "r1 s>>= 5"),
    ("movsx832 %r1, %r2", "movs8_32", "w1 = (s8)w2"),
    ("movsx1664 %r1, %r2", "movs16_64", "r1 = (s16)r2"),
    ("movsx3264 %r1, %r2", "movs32_64", "r1 = (s32)r2"),
    ("le16 %r1", "le16", "r1 = le16 r1"),
    ("bswap64 %r1", "bswap64", "r1 = bswap64 r1"),
    ("swap32 %r1", "bswap32", "r1 = bswap32 r1"),
    ("ldxdw %r0, [%r1+2]", "ldx64", "r0 = *(u64 *)(r1 +2)"),
    ("ldxb %r0, [%r1]", "ldx8", "r0 = *(u8 *)(r1 +0)"),
    ("ldxsh %r0, [ %r1 - 0x10 ]", "ldsx16", "r0 = *(s16 *)(r1 -16)"),
    ("ldxbsx %r0, [%r1+1]", "ldsx8", "r0 = *(s8 *)(r1 +1)"),
    ("stxw [%r10-4], %r1", "stx32", "*(u32 *)(r10 -4) = r1"),
    ("stdw [%r10-8], 0x88776655", "st64", "*(u64 *)(r10 -8) = -2005440939"),
    ("lddw %r1, 0x1122334455667788", "lddw", "r1 = 0x1122334455667788 ll"),
    ("lddw %r1, -1", "lddw", "r1 = 0xffffffffffffffff ll"),
    ("jeq %r1, 0, +2", "jeq64_k", "if r1 == 0x0 goto pc+2"),
    ("jslt32 %r1, %r2, -3", "jslt32_x", "if w1 s< w2 goto pc-3"),
    ("ja +1", "ja", "goto pc+1"),
    ("ja32 -70000", "gotol", "gotol pc-70000"),
    ("call 1", "call", "call helper#1"),
    ("call helper 0x1", "call", "call helper#1"),
    ("call local +2", "call_local", "call pc+2"),
    ("call runtime 0x2a", "call_kfunc", "call kfunc[#42]@0"),
    ("call %r2", "callx", "callx r2"),
    ("lock add32 [%r1+0], %r2", "atomic_add32", "lock *(u32 *)(r1 +0) += r2"),
    ("lock  fetch  xor [%r1], %r2", "atomic_fetch_xor64", "r2 = atomic64_fetch_xor((u64 *)(r1 +0), r2)"),
    ("lock xchg [%r1+8], %r2", "atomic_xchg64", "r2 = atomic64_xchg((u64 *)(r1 +8), r2)"),
    ("lock cmpxchg32 [%r10-4], %r1", "atomic_cmpxchg32", "r0 = atomic_cmpxchg((u32 *)(r10 -4), r0, r1)"),
    ("exit # the end", "exit", "exit"),
]


@pytest.mark.parametrize(("written", "row", "kernel"), WRITTEN)
def test_ways_to_write(written: str, row: str, kernel: str) -> None:
    (one,) = assemble_ubpf(written)
    assert (one.op.name, text(one)) == (row, kernel)


def test_labels_count_slots_and_exit_names_the_first_exit() -> None:
    program = assemble_ubpf(
        """
        # a comment
        start: lddw %r1, 1
        again:
            sub %r1, 1
            jne %r1, 0, again
            jeq %r1, 1, exit
            call local f
            ja32 start
        exit
        f: exit
        """
    )
    assert [one.jump for one in program if one.jump is not None] == [-2, 2, 2, -7]
    assert encode(program) == encode(assemble_ubpf("\n".join(map(text_ubpf, program))))


def test_a_label_called_exit_is_taken_before_the_instruction() -> None:
    assert assemble_ubpf("ja exit\nexit\nexit: mov %r0, 1\nexit")[0].off == 1


def test_helpers_by_name_and_places() -> None:
    known = {"bpf_now": 5}.get
    assert assemble_ubpf("call bpf_now", helper=known) == [insn("call", imm=5)]
    (one,) = assemble_ubpf("\n exit", file="a.data", first_line=7)
    assert one.source == Location("a.data", 8)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("frob %r1", "line 1: `frob %r1`: there is no mnemonic 'frob'"),
        ("exit\nlock mul [%r1], %r2", "line 2: `lock mul [%r1], %r2`: there is no mnemonic 'lock mul'"),
        ("add %r1", "line 1: `add %r1`: met '%r1' where a form like `add %r1, 5` or `add %r1, %r2` is wanted"),
        ("neg", "line 1: `neg`: met 'no operand' where a form like `neg %r1` is wanted"),
        ("exit 0", "line 1: `exit 0`: met '0' where a form like `exit` is wanted"),
        ("stxw %r1, %r2", "line 1: `stxw %r1, %r2`: met '%r1, %r2' where a form like `stxw [%r1+0], %r2` is wanted"),
        ("mov %r11, 1", "line 1: `mov %r11, 1`: met %r11 where a register (%r0 to %r10) is wanted"),
        ("ldxb %r1, [5]", "line 1: `ldxb %r1, [5]`: met '[5]' where memory like [%r1+2] is wanted"),
        (
            "ldxb %r1, [%r2+32768]",
            "line 1: `ldxb %r1, [%r2+32768]`: met +32768 where an offset from -32768 to 32767 (-0x8000 to 0x7fff) is "
            "wanted",
        ),
        (
            "mov32 %r1, 0x100000000",
            "line 1: `mov32 %r1, 0x100000000`: met 0x100000000 where a number from -2147483648 to 4294967295 "
            "(-0x80000000 to 0xffffffff) is wanted",
        ),
        ("mov %r1, x", "line 1: `mov %r1, x`: met 'x' where a decimal or hex number is wanted"),
        ("ja 5", "line 1: `ja 5`: met '5' where a label of this program or a distance like +3 is wanted"),
        ("ja x", "line 1: `ja x`: met 'x' where a label of this program or a distance like +3 is wanted"),
        ("call f", "line 1: `call f`: met 'f' where a helper, by number or by name, is wanted"),
        ("a: exit\na: exit", "line 2: `a: exit`: the label a is there twice"),
        ("a: a: exit", "line 1: `a: a: exit`: the label a is there twice"),
    ],
)  # fmt: skip
def test_errors_say_what_was_met_and_what_was_wanted(wrong: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        assemble_ubpf(wrong)
    assert str(caught.value) == message


def test_a_label_out_of_reach() -> None:
    far = "ja end\n" + "mov %r1, 1\n" * 0x8000 + "end: exit"
    with pytest.raises(LoadError, match="end is 32768 slots away, and ja reaches -32768 to 32767"):
        assemble_ubpf(far)
    assert assemble_ubpf(far.replace("ja end", "ja32 end"))[0].imm == 0x8000


WORDS = ("lock", "fetch", "add", "call", "local", "%r1", "r10", "[%r1+", *"[],:#- \né", "exit", "+2", "0x", "9" * 30)


@given(st.lists(st.sampled_from((*WORDS, *BY_NAME)), max_size=12).map("".join))
def test_any_text_is_instructions_or_one_line(words: str) -> None:
    refusal = ""
    program: list[Insn] = []
    try:
        program = assemble_ubpf(words)
    except LoadError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(encode(program)) % 8 == 0
