"""The table's bytes against a golden file that LLVM made, and that a wrong number in the table is found by it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace

import pytest

from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import decode, encode
from bpfvm.isa.disasm import text
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import BY_NAME, OPS, Op
from tests.unit.isa import encodings

LINES = encodings.read()
ENDIANS = ("little", "big")


@functools.cache
def assembled() -> list[tuple[encodings.Line, Insn]]:
    """Each line with its one instruction."""
    return list(zip(LINES, assemble("\n".join(line.text for line in LINES)), strict=True))


def wrong_bytes(table: Mapping[str, Op]) -> list[str]:
    """The lines whose bytes are not what a table of these rows encodes, by row and byte order."""
    wrong = []
    for line, one in assembled():
        row = table[one.op.name]
        for endian in ENDIANS:
            made = encode([replace(one, op=row)], endian)
            if made != line.code(endian):
                wrong.append(
                    f"{line.row} {endian}: `{line.text}` is {made.hex(' ')}, LLVM has {line.code(endian).hex(' ')}"
                )
    return wrong


def test_every_row_is_in_the_file() -> None:
    rows = {line.row for line in LINES}
    assert [op.name for op in OPS if op.name not in rows] == []
    assert [name for name in rows if name not in BY_NAME] == []
    by_hand = [line.row for line in LINES if line.llvm == encodings.BY_HAND]
    print(f"{len(LINES)} lines of {len(rows)} rows, {len(by_hand)} of them by hand: {', '.join(by_hand)}")
    assert len(rows) >= 182
    assert len(by_hand) <= 15


def test_bytes_of_every_row() -> None:
    assert wrong_bytes(BY_NAME) == []


@pytest.mark.parametrize("endian", ENDIANS)
def test_bytes_are_read_back_as_the_same_row_and_text(endian: str) -> None:
    for line in LINES:
        (one,) = decode(line.code(endian), endian)
        assert (one.op.name, text(one)) == (line.row, line.text)
        assert assemble(line.text) == [one]


def test_the_file_is_what_llvm_makes() -> None:
    llvm_mc = encodings.tool("llvm-mc")
    if llvm_mc is None:
        pytest.skip("llvm-mc-19 is not installed")
    assert encodings.refreshed(llvm_mc, LINES) == LINES


def planted(op: Op, other: Op) -> dict[str, Op]:
    """The table with the opcode bytes and selectors of two rows exchanged."""
    first = replace(op, code=other.code, off_is=other.off_is, imm_is=other.imm_is, src_is=other.src_is)
    second = replace(other, code=op.code, off_is=op.off_is, imm_is=op.imm_is, src_is=op.src_is)
    return {**BY_NAME, op.name: first, other.name: second}


def test_two_exchanged_rows_are_found() -> None:
    tried = 0
    for op, other in zip(OPS, [*OPS[1:], OPS[0]], strict=True):
        found = {line.split()[0] for line in wrong_bytes(planted(op, other))}
        assert {op.name, other.name} <= found, f"{op.name} and {other.name} exchanged"
        tried += 1
    print(f"{tried} planted exchanges found")
    assert tried == len(OPS)


@pytest.mark.parametrize("bit", range(8))
def test_one_wrong_bit_of_any_opcode_is_found(bit: int) -> None:
    for op in OPS:
        table = {**BY_NAME, op.name: replace(op, code=op.code ^ 1 << bit)}
        assert {line.split()[0] for line in wrong_bytes(table)} == {op.name}


def test_a_wrong_selector_is_found() -> None:
    tried = 0
    for op in OPS:
        for name in ("off_is", "imm_is", "src_is"):
            value = getattr(op, name)
            if value is not None:
                table = {**BY_NAME, op.name: replace(op, **{name: value + 1})}
                assert {line.split()[0] for line in wrong_bytes(table)} == {op.name}
                tried += 1
    print(f"{tried} planted selectors found")
    assert tried >= 100


def test_no_two_rows_share_their_bytes() -> None:
    """A table in which one row hides another would decode the hidden one as the other."""
    for op in OPS:
        one = Insn(op, src=op.src_is or 0, off=op.off_is or 0, imm=op.imm_is or 0)
        assert decode(encode([one]))[0].op is op
