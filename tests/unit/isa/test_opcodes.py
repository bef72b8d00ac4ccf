"""Every opcode byte is accounted for: a row of the table, or on the reserved list."""

from __future__ import annotations

import struct

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa import ops
from bpfvm.isa.codec import decode, encode
from bpfvm.isa.insn import Insn, insn


def test_every_opcode_byte_is_a_row_or_reserved() -> None:
    rows = {row.code for row in ops.OPS}
    reserved = set(ops.RESERVED)
    print(f"{len(rows)} opcode bytes of {len(ops.OPS)} rows, {len(reserved)} reserved")
    assert {"callx", "gotox", "addr_space_cast"} <= set(ops.BY_NAME)
    assert not rows & reserved
    assert rows | reserved == set(range(256))
    assert all(ops.RESERVED.values())


@pytest.mark.parametrize("endian", ["little", "big"])
def test_a_reserved_opcode_is_refused_with_its_reason(endian: str) -> None:
    for code, reason in ops.RESERVED.items():
        with pytest.raises(LoadError) as caught:
            decode(bytes([code]) + bytes(7), endian)
        assert str(caught.value) == f"instruction 0: unknown opcode {code:#04x}: {reason}"


@pytest.mark.parametrize("endian", ["little", "big"])
def test_fields_of_every_opcode_byte_decode_or_are_refused(endian: str) -> None:
    """Each byte with each field 0 or not: what decodes says the same bytes again, and a row of the table decodes."""
    decoded: set[str] = set()
    tried = 0
    order = "<" if endian == "little" else ">"
    for code in range(256):
        for dst, src, off in (
            (d, s, o) for d in (0, 3, 11) for s in (0, 1, 2, 3, 4, 5, 6, 11) for o in (0, 1, 8, 16, 32)
        ):
            regs = dst | src << 4 if endian == "little" else dst << 4 | src
            for imm in (0, 1, 16, 32, 64, *{row.imm_is for row in ops.BY_CODE.get(code, ()) if row.imm_is is not None}):
                tried += 1
                slot = struct.pack(f"{order}BBhi", code, regs, off, imm)
                decoded |= names_that_say_the_same(slot, endian)
    print(f"{tried} slots tried, {len(decoded)} rows decoded")
    assert decoded == set(ops.BY_NAME)


def names_that_say_the_same(slot: bytes, endian: str) -> set[str]:
    """The row of these bytes, with an empty second half where it is wide, or none where they are refused."""
    for code in (slot, slot + bytes(8)):
        try:
            found = decode(code, endian)
        except LoadError:
            continue
        if len(found) == 1:
            assert encode(found, endian) == code
            return {found[0].op.name}
    return set()


def test_where_a_register_says_where_to_go_there_is_no_distance() -> None:
    assert [insn(name, 3).jump for name in ("gotox", "callx")] == [None, None]
    assert [Insn(ops.BY_NAME[name], imm=5).jump for name in ("gotol", "call_local", "call")] == [5, 5, None]
