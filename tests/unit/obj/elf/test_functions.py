"""Where functions begin and end: what compilers of all ages say of it, and what cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.codec import encode
from bpfvm.isa.insn import insn
from bpfvm.obj.cursor import Bytes
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewRelocation, build
from bpfvm.obj.elf.functions import bounds, candidates
from bpfvm.obj.model import FunctionSpec
from bpfvm.obj.reader.object import parse_object, read_object
from tests.unit.obj.made import (
    CALL,
    CODE,
    OBJECTS,
    RETURN,
    built,
    data,
    function,
    label,
    of_section,
    patched,
    section,
    symbol_at,
)

PADDING = bytes(16)
BODY = encode(RETURN)


def cut(code: bytes, *symbols: elf.Symbol, name: str = "xdp") -> list[tuple[int, int, str]]:
    """Start, end and names of each function of a section with this code."""
    whole = elf.Section(1, name, elf.PROGBITS, CODE, len(code), 0, 0, Bytes(code, f"section {name}"))
    found = bounds(whole, candidates(symbols).get(1, ()))
    return [(one.start, one.end, " ".join(name.text for name in one.names)) for one in found]


def symbol(name: str, slot: int, slots: int = 0, type: int = elf.FUNC, binding: int = elf.GLOBAL) -> elf.Symbol:
    return elf.Symbol(name, type, binding, 1, slot * 8, slots * 8)


NONE = {"type": elf.NOTYPE}
LABEL = {"type": elf.NOTYPE, "binding": elf.LOCAL}


@pytest.mark.parametrize(
    ("code", "symbols", "wanted"),
    [
        (BODY * 2, [symbol("b", 2, 2), symbol("a", 0, 2)], [(0, 2, "a"), (2, 4, "b")]),
        (BODY * 2, [symbol("a", 0, 0, **NONE), symbol("b", 2, 0, **NONE)], [(0, 2, "a"), (2, 4, "b")]),
        (BODY * 2, [symbol("a", 0, 0), symbol("b", 2, 0)], [(0, 2, "a"), (2, 4, "b")]),
        (BODY * 2, [symbol("a", 0, 4), symbol("LBB0_3", 1, 0, **LABEL)], [(0, 4, "a")]),
        (BODY * 2, [symbol("a", 0, 4), symbol("inside", 2, 0, **NONE)], [(0, 4, "a")]),
        (BODY * 2, [symbol("a", 0, 2), symbol("behind", 2, 0, **NONE)], [(0, 2, "a"), (2, 4, "behind")]),
        (BODY, [], [(0, 2, "xdp")]),
        (BODY, [symbol("LBB0_1", 1, 0, **LABEL)], [(0, 2, "xdp")]),
        (BODY, [symbol("a", 0, 2), symbol("b", 0, 2)], [(0, 2, "a b")]),
        (BODY, [symbol("a", 0, 0), symbol("b", 0, 2)], [(0, 2, "a b")]),
        (BODY, [symbol("s", 0, 2, binding=elf.LOCAL), symbol("g", 0, 2)], [(0, 2, "g s")]),
        (BODY, [symbol("w", 0, 2, binding=elf.WEAK)], [(0, 2, "w")]),
        (BODY + PADDING + BODY, [symbol("a", 0, 2), symbol("b", 4, 2)], [(0, 2, "a"), (4, 6, "b")]),
        (BODY + PADDING, [symbol("a", 0, 0)], [(0, 2, "a")]),
        (PADDING + BODY + PADDING, [symbol("a", 2, 2)], [(2, 4, "a")]),
    ],
)  # fmt: skip
def test_functions_of_a_section(code: bytes, symbols: Sequence[elf.Symbol], wanted: list[tuple[int, int, str]]) -> None:
    assert cut(code, *symbols) == wanted


@pytest.mark.parametrize(
    ("code", "symbols", "reason"),
    [
        (BODY, [symbol("a", 0, 3)], "function a has 24 bytes at 0x0, wanted whole instructions, and its section ends"),
        (BODY * 2, [symbol("a", 0, 3), symbol("b", 2, 2)],
         "function a has 24 bytes at 0x0, wanted whole instructions, and the next function begins at 0x10"),
        (BODY, [replace(symbol("a", 0, 2), size=12)], "function a has 12 bytes at 0x0, wanted whole instructions"),
        (BODY, [replace(symbol("a", 0, 1), value=4)], "function a begins at 0x4, wanted the start of an instruction"),
        (BODY, [symbol("a", 2, 2)], "function a begins at 0x10, wanted the start of an instruction in 16 bytes"),
        (BODY, [symbol("a", 0, 1), symbol("b", 0, 2)], "function a at 0x0 has 8 and 16 bytes"),
        (BODY, [symbol("a", 0, 1)], "8 bytes of code at 0x8 are in no function"),
        (BODY * 2, [symbol("a", 2, 2)], "16 bytes of code at 0x0 are in no function"),
        (BODY[:-1], [], "code of 15 bytes is not whole 8-byte instructions"),
    ],
)  # fmt: skip
def test_symbols_that_are_wrong(code: bytes, symbols: Sequence[elf.Symbol], reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        cut(code, *symbols)
    assert reason in str(caught.value)


def test_an_object_of_an_old_compiler() -> None:
    """Global symbols without type and size, local labels, a relocation by the number that LLVM before 4 used."""
    symbols = [label("helper", ".text"), label("LBB0_1", ".text", 1, elf.LOCAL), label("second", "socket1")]
    more = [section(".text"), section("socket1"), section("2/7")]
    spec = parse_object(built(CALL, (0, elf.R_64_ABS64, label("helper", ".text")), more, symbols))
    found = {one.name: (one.section, one.type, one.functions) for one in spec.programs.values()}
    assert found == {
        "main": ("xdp", "xdp", (FunctionSpec("helper", 3),)),
        "second": ("socket1", "socket_filter", ()),
        "2/7": ("2/7", "unspec", ()),
    }


def test_calls_before_there_was_a_selector_for_them() -> None:
    """LLVM before 6 left the selector of a call at 0, as in calls of helpers."""
    code = [insn("call", imm=-1), *RETURN]
    symbols = [function("callee", ".text")]
    spec = parse_object(built(code, (0, elf.R_64_32, symbols[0]), [section(".text")], symbols))
    main = spec.programs["main"]
    assert (main.insns[0].op.name, main.insns[0].imm, main.insns[0].symbol) == ("call_local", 2, "callee")


def test_one_code_under_two_names_is_two_programs() -> None:
    spec = read_object(OBJECTS / "calls_alias.o")
    assert sorted(spec.programs) == ["original", "second"]
    assert spec.programs["original"].insns == spec.programs["second"].insns
    assert [one.is_static for one in spec.programs["original"].functions] == [False]


@pytest.mark.parametrize(("visibility", "is_static"), [(0, False), (1, True), (2, True), (3, False)])
def test_hidden_functions_are_checked_with_their_callers(visibility: int, is_static: bool) -> None:
    callee = function("callee", ".text")
    file = built(CALL, (0, elf.R_64_32, callee), [section(".text")], [callee])
    hidden = patched(file, (symbol_at(file, "callee") + 5, bytes([visibility])))
    assert parse_object(hidden).programs["main"].functions == (FunctionSpec("callee", 3, is_static),)


NEAR, FAR, DEEP = (function(name, ".text", 3 * at, 3) for at, name in enumerate(("near", "far", "deep")))
THREE = [section(".text", [insn("call_local", imm=5), *RETURN, *CALL, *CALL])]


def test_functions_stand_in_the_order_of_first_need_depth_first() -> None:
    """main needs near and then deep; near needs deep, which stands before what main needs next. (libbpf's order.)"""
    code = [insn("call_local", imm=-1), insn("lddw", 1), insn("call_local", imm=-1), *RETURN]
    rows = [NewRelocation(0, elf.R_64_32, NEAR), NewRelocation(8, elf.R_64_64, FAR),
            NewRelocation(24, elf.R_64_32, DEEP)]  # fmt: skip
    text = [NewRelocation(24, elf.R_64_32, FAR), NewRelocation(48, elf.R_64_32, NEAR)]
    spec = parse_object(built(code, None, THREE, [NEAR, FAR, DEEP], {"xdp": rows, ".text": text}))
    main = spec.programs["main"]
    assert main.functions == (FunctionSpec("near", 6), FunctionSpec("deep", 9), FunctionSpec("far", 12))
    named = [(one.op.name, one.imm, one.symbol) for one in main.insns if one.symbol]
    assert named == [
        ("call_local", 5, "near"),  # slot 0 to 6
        ("lddw_func", 10, "far"),  # slot 1 to 12, from the load's second half
        ("call_local", 5, "deep"),  # slot 3 to 9
        ("call_local", 2, "deep"),  # slot 6 to 9, without a relocation
        ("call_local", -4, "near"),  # slot 9 to 6
        ("call_local", -1, "far"),  # slot 12, itself
    ]


def test_addresses_of_functions_by_section_and_offset() -> None:
    code = [insn("lddw", 1, imm=24), *RETURN]
    more = [section(".text", [*RETURN, insn("exit"), *RETURN])]
    symbols = [function("first", ".text", 0, 3, elf.LOCAL), function("second", ".text", 3, 2, elf.LOCAL)]
    spec = parse_object(built(code, (0, elf.R_64_64, of_section(".text")), more, symbols))
    assert spec.programs["main"].functions == (FunctionSpec("second", 4, True),)
    assert spec.programs["main"].insns[0].imm == 3  # slot 0 to 4, from the load's second half


def test_sections_of_functions_alone_hold_no_programs() -> None:
    more = [section(".text.hot"), section(".text")]
    symbols = [function("hot", ".text.hot"), function("cold", ".text")]
    spec = parse_object(built(CALL, (0, elf.R_64_32, symbols[0]), more, symbols))
    assert (list(spec.programs), spec.skipped) == (["main"], ())


def test_an_object_without_programs_says_what_it_has() -> None:
    file = build([section(".text")], [function("alone", ".text")], {}, "little")
    assert parse_object(file).skipped == ("function alone in section .text: no program calls it",)


def test_static_functions_of_a_program_section_are_no_programs() -> None:
    code = [insn("call_local", imm=2), *RETURN, *RETURN]
    symbols = [function("main", "xdp", 0, 3), function("helper", "xdp", 3, 2, elf.LOCAL)]
    spec = parse_object(build([section("xdp", code)], symbols, {}, "little"))
    assert {name: one.functions for name, one in spec.programs.items()} == {"main": (FunctionSpec("helper", 3, True),)}


def test_code_that_is_not_known_is_named() -> None:
    with pytest.raises(LoadError, match=r"function main in section xdp: instruction 1: unknown opcode 0xff"):
        parse_object(build([data("xdp", BODY[:8] + b"\xff" + bytes(7), CODE)], [function("main", "xdp")], {}, "little"))


def test_an_address_in_the_middle_of_a_function_is_named() -> None:
    with pytest.raises(LoadError, match="takes the address of slot 1 of section number 2, where no function starts"):
        parse_object(
            built([insn("lddw", 1, imm=8), *RETURN], (0, elf.R_64_64, of_section(".text")), [section(".text")],
                  [function("f", ".text")])
        )  # fmt: skip
