"""Types: built, asked, and their bytes both ways."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf import ext as btf_ext
from bpfvm.obj.btf import types
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.cursor import Bytes, StringTable
from tests.unit.obj.writer.specs import names

words = st.integers(0, (1 << 32) - 1)
ids = st.integers(0, 8)
flags = st.booleans()
offsets = st.integers(0, (1 << 24) - 1)
members = st.lists(st.builds(types.Member, names, ids, offsets, st.integers(0, 255)), max_size=4).map(tuple)
pairs = st.lists(st.tuples(names, ids), max_size=4).map(tuple)


def numbers(bits: int, is_signed: bool) -> st.SearchStrategy[tuple[tuple[str, int], ...]]:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if is_signed else (0, (1 << bits) - 1)
    return st.lists(st.tuples(names, st.integers(low, high)), max_size=3).map(tuple)


def enums(kind: type[types.Enum] | type[types.Enum64], bits: int) -> st.SearchStrategy[types.Type]:
    return flags.flatmap(lambda one: st.builds(kind, names, words, numbers(bits, one), st.just(one)))


byte = st.integers(0, 255)
GENERATED: dict[type[types.Type], st.SearchStrategy[types.Type]] = {
    types.Int: st.builds(types.Int, names, words, byte, byte, flags, flags, flags),
    types.Ptr: st.builds(types.Ptr, ids),
    types.Array: st.builds(types.Array, ids, ids, words),
    types.Struct: st.builds(types.Struct, names, words, members),
    types.Union: st.builds(types.Union, names, words, members),
    types.Enum: enums(types.Enum, 32),
    types.Fwd: st.builds(types.Fwd, names, flags),
    types.Typedef: st.builds(types.Typedef, names, ids),
    types.Volatile: st.builds(types.Volatile, ids),
    types.Const: st.builds(types.Const, ids),
    types.Restrict: st.builds(types.Restrict, ids),
    types.Func: st.builds(types.Func, names, ids, st.integers(0, 2)),
    types.FuncProto: st.builds(types.FuncProto, ids, pairs),
    types.Var: st.builds(types.Var, names, ids, st.integers(0, 2)),
    types.DataSec: st.builds(
        types.DataSec, names, words, st.lists(st.builds(types.SecVar, ids, words, words), max_size=3).map(tuple)
    ),
    types.Float: st.builds(types.Float, names, words),
    types.DeclTag: st.builds(types.DeclTag, names, ids, st.integers(-1, 99), flags),
    types.TypeTag: st.builds(types.TypeTag, names, ids, flags),
    types.Enum64: enums(types.Enum64, 64),
}


def test_every_kind_is_generated() -> None:
    assert set(GENERATED) == {row.type for row in btf_codec.KINDS}
    assert [row.number for row in btf_codec.KINDS] == list(range(1, 20))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(*GENERATED.values()), min_size=8, max_size=12), st.sampled_from(["little", "big"]))
def test_bytes_of_generated_types_come_back_equal(generated: list[types.Type], endian: str) -> None:
    btf = Btf(generated)
    data = btf_codec.encode(btf, StringTable(), endian)
    assert btf_codec.decode(Bytes(data, ".BTF", endian))[0] == btf


def test_an_equal_type_has_one_id() -> None:
    btf = Btf()
    first = btf.add_int("int", 4, is_signed=True)
    assert btf.add_int("int", 4, is_signed=True) == first
    assert btf.add_int("int", 4) != first
    assert btf.find(types.Int, "int") == first
    assert btf.find(types.Typedef, "int") is None
    assert btf.add_typedef("late", first) == btf.find(types.Typedef, "late")
    assert btf.copy() == btf
    other = btf.copy()
    other.add_ptr(0)
    assert other != btf
    assert btf.__eq__(1) is NotImplemented


def test_a_struct_that_points_to_itself() -> None:
    btf = Btf()
    node = btf.reserve("node")
    btf.define(node, types.Struct("node", 8, (types.Member("next", btf.add_ptr(node), 0),)))
    assert btf.size_of(node) == 8
    assert btf.find(types.Struct, "node") == node
    assert btf_codec.decode(Bytes(btf_codec.encode(btf, StringTable(), "little"), ".BTF"))[0] == btf
    with pytest.raises(UsageError, match="no BTF type 9 to define"):
        btf.define(9, types.Fwd("x"))


def test_names_and_sizes() -> None:
    btf = Btf()
    number = btf.add_int("int", 4, is_signed=True)
    pointer = btf.add_ptr(btf.add_const(number))
    record = btf.add_struct("s", 24, [("a", number, 0), ("b", pointer, 8)])
    cases = {
        number: ("int", 4),
        pointer: ("int *", 8),
        btf.add_array(pointer, 3): ("int *[3]", 24),
        btf.add_array(btf.add_array(number, 3), 2): ("int[2][3]", 24),
        record: ("struct s", 24),
        btf.add_typedef("alias", btf.add_volatile(record)): ("alias", 24),
        btf.add_ptr(0): ("void *", 8),
        btf.add_enum("e", 4, [("A", -1)]): ("enum e", 4),
        btf.add_enum("e", 8, [("A", 1)]): ("enum e", 8),
        btf.add_union("", 4, [("a", number, 0)]): ("(anonymous)", 4),
    }
    for kind, (name, size) in cases.items():
        assert (btf.name_of(kind), btf.size_of(kind)) == (name, size) or name == "(anonymous)"
    for kind in (btf.add_fwd("u", is_union=True), btf.add_func("f", btf.add_func_proto(0, [("a", number)])), 0, 99):
        with pytest.raises(LoadError):
            btf.size_of(kind)


def test_types_without_an_end_end() -> None:
    loop = Btf([types.Typedef("a", 2), types.Const(1), types.Array(3, 1, 2), types.Ptr(4)])
    for number in (1, 2, 3):
        with pytest.raises(LoadError, match="more than 64"):
            loop.size_of(number)
    assert loop.size_of(4) == 8
    assert loop.name_of(4).startswith("… *")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({0: b"\0"}, "magic 0xeb00, and BTF in this byte order begins with 0xeb9f"),
        ({2: b"\2"}, "version 2 with a header of 24 bytes"),
        ({12: b"\xff\xff\xff\x3f"}, "needs 1073741823 bytes, and 30 are left"),
        ({20: b"\0\0\0\x40"}, "needs 1073741824 bytes, and 6 are left"),
        ({31: b"\x1f"}, "unknown kind 31; known are 1 to 19"),
        ({24: b"\xf0"}, "offset 0xf0: no string ends here, and the table has 6 bytes"),
        ({44: b"\x09"}, "type 2 names type 9, and there are 2"),
        ({36: b"\2"}, "there is no such thing"),
    ],
)
def test_damage_is_named(change: dict[int, bytes], reason: str) -> None:
    btf = Btf([types.Float("real", 4), types.Ptr(1)])
    data = bytearray(btf_codec.encode(btf, StringTable(), "little"))
    for at, new in change.items():
        data[at : at + len(new)] = new
    if reason == "there is no such thing":  # a name in the middle of another is none the worse
        assert btf_codec.decode(Bytes(bytes(data), ".BTF"))[0] == Btf([types.Float("real", 4), types.Ptr(1)])
        return
    with pytest.raises(LoadError) as caught:
        btf_codec.decode(Bytes(bytes(data), ".BTF"))
    assert reason in str(caught.value)


def test_what_btf_cannot_hold_is_named() -> None:
    wide = types.Struct("w", 1, (types.Member("a", 1, 1 << 24, 3),))
    many = types.Enum("m", 4, tuple((f"v{number}", number) for number in range(65536)))
    for bad, reason in (
        (wide, "offsets up to 2 MiB"),
        (many, "at most 65535 rows"),
        (types.Ptr(7), "not there"),
        (types.Array(1, 1, 1 << 32), "does not fit"),
        (types.Fwd("a\0b"), "holds a NUL"),
    ):
        with pytest.raises(LoadError, match=reason):
            btf_codec.encode(Btf([bad]), StringTable(), "little")


@pytest.mark.parametrize("endian", ["little", "big"])
def test_functions_lines_and_relocations_come_back_equal(endian: str) -> None:
    ext = btf_ext.Ext(
        {"xdp": [btf_ext.FuncInfo(0, 1), btf_ext.FuncInfo(16, 2)], ".text": [btf_ext.FuncInfo(0, 3)]},
        {"xdp": [btf_ext.LineInfo(8, "a.c", "  return 1;", (1 << 22) - 1, 1023)]},
        {".text": [btf_ext.CoreRecord(8 * at, at, f"0:{at}", kind) for at, kind in enumerate(btf_ext.CORE_KINDS)]},
    )
    strings = StringTable()
    data = btf_ext.encode(ext, strings, endian)
    table = btf_codec.decode(Bytes(btf_codec.encode(Btf(), strings, endian), ".BTF", endian))[1]
    assert btf_ext.decode(Bytes(data, ".BTF.ext", endian), table) == ext


def test_longer_records_of_newer_writers_are_read() -> None:
    table = btf_codec.decode(Bytes(btf_codec.encode(Btf(), StringTable(), "little"), ".BTF"))[1]
    functions = struct.pack("<IIIIIIIII", 12, 0, 2, 8, 1, 77, 24, 2, 77)
    header = struct.pack("<HBBI4I", 0xEB9F, 1, 0, 24, 0, len(functions), len(functions), 0)
    found = btf_ext.decode(Bytes(header + functions, ".BTF.ext"), table)
    assert found == btf_ext.Ext({"": [btf_ext.FuncInfo(8, 1), btf_ext.FuncInfo(24, 2)]})
    short = struct.pack("<I", 4) + functions[4:]
    with pytest.raises(LoadError, match="records of 4 bytes; they have 8 or more"):
        btf_ext.decode(Bytes(header + short, ".BTF.ext"), table)


def test_unknown_kinds_of_relocations_are_named() -> None:
    """enum bpf_core_relo_kind of include/uapi/linux/bpf.h has 13 kinds, 0 to 12."""
    assert (len(btf_ext.CORE_KINDS), btf_ext.CORE_KINDS[6], btf_ext.CORE_KINDS[12]) == (
        13,
        "type_id_local",
        "type_matches",
    )
    strings = StringTable()
    data = bytearray(
        btf_ext.encode(btf_ext.Ext(core={"xdp": [btf_ext.CoreRecord(8, 1, "0", "type_size")]}), strings, "little")
    )
    table = btf_codec.decode(Bytes(btf_codec.encode(Btf(), strings, "little"), ".BTF"))[1]
    data[-4] = 13
    with pytest.raises(LoadError, match="offset 0x8 has the unknown kind 13; kinds go from 0 to 12"):
        btf_ext.decode(Bytes(bytes(data), ".BTF.ext"), table)
    with pytest.raises(LoadError, match="unknown kind type_colour; known are field_byte_offset, "):
        btf_ext.encode(btf_ext.Ext(core={"xdp": [btf_ext.CoreRecord(8, 1, "0", "type_colour")]}), strings, "little")
