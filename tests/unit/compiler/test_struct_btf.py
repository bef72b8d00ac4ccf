"""BTF of the structs that a program makes: names, places and widths of their fields, as C's are."""

from __future__ import annotations

import enum

from bpfvm import be16, bits, bpf, char, s8, struct, u8, u32, u64
from bpfvm.compiler import compile_program
from bpfvm.lang import hooks
from bpfvm.obj.btf.types import Array, Int, Member, Struct, Typedef
from bpfvm.obj.reader.object import parse_object
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
