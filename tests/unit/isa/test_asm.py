"""Text to instructions: whatever the disassembler prints, what people write, and how it refuses the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import listing, targets, text
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS
from tests.unit.isa.samples import at_random, insns


@given(insns())
def test_the_text_of_an_instruction_is_that_instruction(one: Insn) -> None:
    assert assemble(text(one)) == [one]


def test_every_row_is_read_back() -> None:
    program = at_random(2, 10, OPS)
    assert assemble("\n".join(text(one) for one in program)) == program
    print(f"{len(program)} instructions of {len(OPS)} rows")


@given(st.lists(insns(), max_size=12))
def test_a_listing_is_read_back(program: list[Insn]) -> None:
    assert assemble(listing(program)) == program
    assert (
        assemble(listing(program, labels=targets(program), source=lambda slot: f"line {slot} @ f.c:{slot}")) == program
    )


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("r1+=5", "r1 += 5"),
        ("  r1 \t+=\t0x10 ", "r1 += 16"),
        ("r1 += -0x10", "r1 += -16"),
        ("r1 += - 1", "r1 += -1"),
        ("r2=-r2", "r2 = -r2"),
        ("w1 = 0xffffffff", "w1 = -1"),
        ("r1 = 5 ll", "r1 = 0x5 ll"),
        ("r1 = -1 ll", "r1 = 0xffffffffffffffff ll"),
        ("r1 = (s8) r2", "r1 = (s8)r2"),
        ("r1 = *(u8*)(r2)", "r1 = *(u8 *)(r2 +0)"),
        ("r1 = *(u8 *)(r2 + 14)", "r1 = *(u8 *)(r2 +14)"),
        ("r1 = *(u8 *)(r2 - 0xe)", "r1 = *(u8 *)(r2 -14)"),
        ("r1 = *(u8 *)(r2 + -14)", "r1 = *(u8 *)(r2 -14)"),
        ("*(u64 *)(r10-8)=-1", "*(u64 *)(r10 -8) = -1"),
        ("r0 = *(u8 *)skb[ r1 + 4 ]", "r0 = *(u8 *)skb[r1 + 4]"),
        ("r0 = *(u8 *)skb[r1 - 4]", "r0 = *(u8 *)skb[r1 + -4]"),
        ("if r1 s> -7 goto +3", "if r1 s> 0xfffffff9 goto pc+3"),
        ("if w1 & 0x80000000 goto pc-1", "if w1 & 0x80000000 goto pc-1"),
        ("goto -0x3", "goto pc-3"),
        ("call 5", "call helper#5"),
        ("call bpf_ktime_get_ns#5", "call helper#5"),
        ("call pc-3", "call pc-3"),
        ("r1 = map[hits]", "r1 = map[hits]"),
        ("r1 = map[.rodata.str1.1#7]+0x10", "r1 = map[.rodata.str1.1#7]+16"),
        ("r1 = map[goto]", "r1 = map[goto]"),
        ("call kfunc[bpf_rcu_read_lock#9]@0", "call kfunc[bpf_rcu_read_lock#9]@0"),
        ("r3 = func pc-4", "r3 = func pc-4"),
        ("r1=addr_space_cast(r2,0,0x1)", "r1 = addr_space_cast(r2, 0, 1)"),
        ("r1 = addr_space_cast(r2, 65535, 0)", "r1 = addr_space_cast(r2, 65535, 0)"),
        ("callx r4", "callx r4"),
        ("gotox r9", "gotox r9"),
    ],
)
def test_ways_to_write(written: str, printed: str) -> None:
    (one,) = assemble(written)
    assert text(one) == printed


def test_labels_count_slots() -> None:
    program = assemble(
        """
        start: r1 = 1 ll        # two slots
        again:
            r1 += -1
            if r1 != 0 goto again
            if r1 == 0 goto end ; forward
            goto start
        end: exit // done
        """
    )
    assert [one.off for one in program if one.jump is not None] == [-2, 1, -6]


def test_functions_and_their_addresses() -> None:
    program = assemble("r1 = func one\ncall one\nexit\none: r0 = 1\nexit")
    assert [one.imm for one in program if one.op.name in ("lddw_func", "call_local")] == [3, 1]
    assert text(program[0], target="one") == "r1 = func one"


def test_helpers_by_name_give_way_to_labels() -> None:
    known = {"bpf_now": 5}.get
    assert assemble("call bpf_now", helper=known) == [insn("call", imm=5)]
    assert assemble("bpf_now: call bpf_now", helper=known)[0].op.name == "call_local"


def test_symbols_and_places() -> None:
    (one,) = assemble("\n r1 = map[hits]", file="a.s", first_line=10)
    assert (one.symbol, one.source) == ("hits", Location("a.s", 11))
    assert assemble("exit")[0].source is None


def test_a_slot_number_says_nothing() -> None:
    assert assemble("7: exit") == assemble("exit")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("r1 += w2", "line 1: `r1 += w2`: met 'w2' where a number or a 64-bit register (r0 to r10) is wanted"),
        ("r1 +=", "line 1: `r1 +=`: met the end of the line where a number or a 64-bit register (r0 to r10) is wanted"),
        ("exit\nexit exit", "line 2: `exit exit`: met 'exit' where the end of the line is wanted"),
        ("r1 = 5 5", "line 1: `r1 = 5 5`: met '5' where `ll` or the end of the line is wanted"),
        ("r11 = 1", "line 1: `r11 = 1`: met r11 where a 64-bit register (r0 to r10) is wanted"),
        (
            "r1 = 0xffffffff",
            "line 1: `r1 = 0xffffffff`: met 0xffffffff where a number without `ll` behind it from -2147483648 to "
            "2147483647 (-0x80000000 to 0x7fffffff) is wanted",
        ),
        (
            "if r1 > 4294967295 goto pc+0",
            "line 1: `if r1 > 4294967295 goto pc+0`: met 4294967295 where a number from -2147483648 to 2147483647 "
            "(-0x80000000 to 0x7fffffff) is wanted",
        ),
        (
            "w1 += 0x100000000",
            "line 1: `w1 += 0x100000000`: met 0x100000000 where a number from -2147483648 to 4294967295 (-0x80000000 "
            "to 0xffffffff) is wanted",
        ),
        (
            "r1 = *(u8 *)(r2 +32768)",
            "line 1: `r1 = *(u8 *)(r2 +32768)`: met +32768 where an offset from -32768 to 32767 (-0x8000 to 0x7fff) is "
            "wanted",
        ),
        (
            "r1 = *(u8 *)(r2 5)",
            "line 1: `r1 = *(u8 *)(r2 5)`: met '5' where an offset with its sign is wanted",
        ),
        (
            "r1 = addr_space_cast(r2, 65536, 0)",
            "line 1: `r1 = addr_space_cast(r2, 65536, 0)`: met 65536 where the number of an address space from 0 to "
            "65535 (0x0 to 0xffff) is wanted",
        ),
        ("gotox end", "line 1: `gotox end`: met 'end' where a 64-bit register (r0 to r10) is wanted"),
        ("r1 += 010", "line 1: `r1 += 010`: met '010' where a decimal or hex number is wanted"),
        ("r1 = be16 r2", "line 1: `r1 = be16 r2`: met registers 1 and 2 where be16 wants the same one twice"),
        (
            "r0 = atomic64_cmpxchg((u64 *)(r1 +0), r2, r3)",
            "line 1: `r0 = atomic64_cmpxchg((u64 *)(r1 +0), r2, r3)`: met r2 where r0 is wanted",
        ),
        ("a: exit\na: exit", "line 2: `a: exit`: the label a is there twice"),
        (
            "goto nowhere",
            "line 1: `goto nowhere`: met 'nowhere' where a label of this program or a distance like pc+3 is wanted",
        ),
        (
            "call nowhere",
            "line 1: `call nowhere`: met 'nowhere' where a label of this program or a helper, by name or number, is "
            "wanted",
        ),
        ("r1 = map[]", "line 1: `r1 = map[]`: met '' where a name or #number is wanted"),
        ("r1 = 5 ?", "line 1: `r1 = 5 ?`: met '?' where `ll` or the end of the line is wanted"),
        ("lock\0", "line 1: `lock�`: met '�' where `*` is wanted"),
    ],
)
def test_errors_say_what_was_met_and_what_was_wanted(wrong: str, message: str) -> None:
    with pytest.raises(LoadError) as caught:
        assemble(wrong)
    assert str(caught.value) == message


def test_errors_name_the_file() -> None:
    with pytest.raises(
        LoadError, match=r"^a\.s:42: `frob r1`: met 'frob' where a 64-bit register .* or `lock` is wanted$"
    ):
        assemble("exit\nfrob r1", file="a.s", first_line=41)


def test_a_label_out_of_reach() -> None:
    far = "goto end\n" + "r1 = 1\n" * 0x8000 + "end: exit"
    with pytest.raises(LoadError, match="end is 32768 slots away, and this operation reaches -32768 to 32767"):
        assemble(far)
    assert assemble(far.replace("goto", "gotol"))[0].imm == 0x8000


@given(st.text(st.sampled_from("rw0159 +-*/%&|^=<>()[]#;:sux,pc goto if map call ll\n\t.lock exit é"), max_size=40))
def test_any_text_is_instructions_or_one_line(words: str) -> None:
    refusal = ""
    program: list[Insn] = []
    try:
        program = assemble(words)
    except LoadError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert all(isinstance(one, Insn) for one in program)
