"""BTF of the structs that a program makes: names, places and widths of their fields, as C's are."""

from __future__ import annotations

import enum

from hypothesis import given
from hypothesis import strategies as st

from bpfvm import Hash, UserPtr, be16, bits, bpf, char, s8, s64, struct, u8, u32, u64
from bpfvm.compiler import compile_program
from bpfvm.kernel.readers.struct_event import structs
from bpfvm.lang import hooks
from bpfvm.lang.types.layout import view
from bpfvm.lang.userspace.values import decoded
from bpfvm.obj.btf.types import Array, Int, Member, Struct, Typedef
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.values.contents import decode_entries
from bpfvm.obj.writer.object import write_object


class Kind(enum.IntEnum):
    ONE = 1


@struct
class Place:
    port: be16
    name: char[6]


@struct
class Record:
    ts: u64
    kind: Kind
    low: bits(u8, 3)
    high: bits(s8, 5)
    ok: bool
    places: Place[2]


@bpf.function
def makes(a: u32) -> u32:
    records = Record[2]()
    records[a & 1].places[1].port = 7
    return records[a & 1].places[1].port


@struct
class Key:
    """Every kind of member."""

    ts: u64
    kind: Kind
    low: bits(u8, 3)
    high: bits(s8, 5)
    ok: bool
    where: UserPtr[char]
    mac: u8[6]
    places: Place[2]
    count: s64


keyed = Hash(Key, u64, 4)


@bpf.xdp
def asks() -> int:
    return keyed.get(Key(), 0) & 1


@given(st.binary(min_size=Key.sizeof, max_size=Key.sizeof))
def test_a_struct_is_the_key_that_is_shown_of_it(data: bytes) -> None:
    """Where a struct, a copy of one in user space, an event and a key of an outcome are equal, their hashes are."""
    data = data[: Key.ok.offset] + bytes([data[Key.ok.offset] & 1]) + data[Key.ok.offset + 1 :]
    spec = asks.object
    mine = view(Key, bytearray(data))
    (shown,) = decode_entries(spec.maps["keyed"], spec.btf, [(data, bytes(8))], "little")
    made = structs(Key, False)
    forms = [mine, shown, decoded(Key, data), *([made.make(data)] if made is not None else [])]
    for one in forms:
        assert all(one == other for other in forms)
        assert len({hash(other) for other in forms}) == 1
        assert {one: 1}[mine] == 1


def test_btf_names_the_fields() -> None:
    assert makes.function is not None
    made = compile_program(makes.function, hooks.function()).spec
    for spec in (made, parse_object(write_object(made))):
        btf = spec.btf
        assert btf is not None
        number = btf.find(Struct, "Record")
        assert number is not None
        record = btf[number]
        assert isinstance(record, Struct)
        assert record.size == Record.sizeof == 32
        rows = [(one.name, one.offset, one.bits) for one in record.members]
        assert rows == [
            ("ts", 0, 0),
            ("kind", 64, 0),
            ("low", 96, 3),
            ("high", 99, 5),
            ("ok", 104, 0),
            ("places", 112, 0),
        ]
        assert _named(btf[record.members[0].type], "u64")
        high = btf[record.members[3].type]
        assert isinstance(high, Typedef)
        signed = btf[high.type]
        assert isinstance(signed, Int)
        assert (signed.name, signed.size, signed.is_signed) == ("signed char", 1, True)
        ok, places = btf[record.members[4].type], btf[record.members[5].type]
        assert isinstance(ok, Int)
        assert (ok.name, ok.size, ok.is_bool) == ("_Bool", 1, True)
        assert isinstance(places, Array)
        assert places.count == 2
        place = btf[places.type]
        assert isinstance(place, Struct)
        assert (place.name, place.size) == ("Place", 8)
        port, name = place.members
        assert isinstance(port, Member)
        assert _named(btf[port.type], "be16")
        text = btf[name.type]
        assert isinstance(text, Array)
        char_ = btf[text.type]
        assert isinstance(char_, Int)
        assert (char_.name, char_.size, text.count) == ("char", 1, 6)


def _named(one: object, name: str) -> bool:
    return isinstance(one, Typedef) and one.name == name
