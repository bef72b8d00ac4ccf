"""Structs and arrays: laid out as C does, read and stored to as memory is."""

from __future__ import annotations

import ctypes
import dataclasses
import enum
from pathlib import Path
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm import UsageError, be16, be32, bits, char, s8, s16, s32, s64, struct, u8, u16, u32, u64
from bpfvm.obj.values.contents import frozen

C_TYPES = {u8: ctypes.c_uint8, u16: ctypes.c_uint16, u32: ctypes.c_uint32, u64: ctypes.c_uint64,
           s8: ctypes.c_int8, s16: ctypes.c_int16, s32: ctypes.c_int32, s64: ctypes.c_int64}  # fmt: skip
PLAIN = st.sampled_from(list(C_TYPES))
FIELDS = st.lists(st.tuples(PLAIN, st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=8)


class Kind(enum.IntEnum):
    ONE = 1
    TWO = 2


@struct
class Inner:
    a: u8
    b: u32


@struct
class Event:
    ts: u64
    port: be16
    comm: char[16] = b"none"
    addr: u8[4] = bytes((127, 0, 0, 1))
    flags: u8 = 3
    kind: Kind = Kind.TWO
    short: Annotated[Kind, u8]
    ok: bool
    inner: Inner = Inner(b=5)
    rows: u16[2][3]


def _made(fields: list[tuple[Any, int, int]], packed: bool) -> tuple[Any, Any, list[str]]:
    """A struct and the ctypes structure of the same fields; a count makes an array, a width a bit-field.

    Those have one type: ctypes loses bits where a unit of another size is still open.
    """
    own, foreign, names = {}, [], []
    for place, (kind, count, width) in enumerate(fields):
        names.append(name := f"f{place}")
        if width and not packed:
            own[name] = bits(u32, width)
            foreign.append((name, C_TYPES[u32], width))
        elif count:
            own[name] = kind[count]
            foreign.append((name, C_TYPES[kind] * count))
        else:
            own[name] = kind
            foreign.append((name, C_TYPES[kind]))
    space: dict[str, Any] = {"_fields_": foreign} | ({"_pack_": 1} if packed else {})
    made: Any = struct(packed=packed)(type("Own", (), {"__annotations__": own}))
    return made, type("Foreign", (ctypes.Structure,), space), names


@given(FIELDS, st.booleans())
def test_the_layout_is_that_of_c(fields: list[tuple[Any, int, int]], packed: bool) -> None:
    own, foreign, names = _made([(kind, count, 0) for kind, count, _ in fields], packed)
    assert own.sizeof == ctypes.sizeof(foreign)
    for name in names:
        assert getattr(own, name).offset == getattr(foreign, name).offset


@given(FIELDS, st.booleans())
def test_a_struct_of_a_ctypes_structure_has_its_layout(fields: list[tuple[Any, int, int]], packed: bool) -> None:
    _, foreign, names = _made(fields, packed)
    converted = struct(foreign)
    assert (converted.sizeof, converted.__align__) == (ctypes.sizeof(foreign), ctypes.alignment(foreign))
    for name in names:
        assert getattr(foreign, name).offset == getattr(converted, name).offset


def test_bit_fields_stand_where_compilers_put_them() -> None:
    """ctypes puts some elsewhere: it begins a unit where C goes on in the one before."""
    rows = (Path(__file__).parent / "bit_fields.tsv").read_text().splitlines()[1:]
    for row in rows:
        text, _, numbers = row.partition("\t")
        size, *places = map(int, numbers.split())
        own = {}
        for place, one in enumerate(text.split()):
            name, _, width = one.partition(":")
            kind = next(kind for kind in C_TYPES if kind.__name__ == name)
            own[f"f{place}"] = bits(kind, int(width)) if width else kind
        made: Any = struct(_class(**own))
        members = made.__members__.values()
        assert [size, *places] == [made.sizeof, *(8 * one.offset + one.shift for one in members)], row
    assert len(rows) == 40


@given(FIELDS, st.lists(st.integers(-(1 << 64), 1 << 64), min_size=8, max_size=8))
def test_what_is_stored_is_what_c_stores(fields: list[tuple[Any, int, int]], numbers: list[int]) -> None:
    kind, foreign, names = _made(fields, packed=False)
    own, other, converted = kind(), foreign(), struct(foreign)()
    for name, number in zip(names, numbers, strict=False):
        if isinstance(getattr(foreign(), name), int):
            setattr(own, name, number)
            setattr(other, name, number)
            setattr(converted, name, number)
            assert getattr(own, name) == getattr(other, name) == getattr(converted, name)
    assert bytes(other) == bytes(converted)


def test_fields_are_read_as_their_types_say() -> None:
    e = Event(ts=-1, port=0x1234, kind=300, short=257, ok=5, flags=256)
    assert type(e.ts) is u64
    assert (e.ts, e.port, e.kind, e.short, e.ok, e.flags) == (2**64 - 1, 0x1234, 300, 1, True, 0)
    assert bytes(e)[8:10] == b"\x12\x34"
    assert (e.comm, e.comm.decode(), str(e.comm), bytes(e.addr)) == ("none", "none", "none", b"\x7f\0\0\x01")
    assert e.inner.b == 5
    e.inner.a = -1
    assert e.inner == Inner(a=255, b=5)
    assert Event.sizeof == len(bytes(e)) == 64
    assert Event.comm.offset == 10


def test_names_share_an_object_and_fields_do_not() -> None:
    e = Event()
    inner = e.inner
    inner.a = 7
    assert e.inner.a == 7
    other = e.copy()
    other.inner.a = 8
    assert (e.inner.a, other.inner.a) == (7, 8)
    mine = Inner(a=1)
    e.inner = mine
    mine.a = 2
    assert e.inner.a == 1
    with pytest.raises(AttributeError):
        e.nothing = 1


def test_arrays() -> None:
    a = u8[4](1, 2, 3)
    assert (len(a), a[2], a[-1], list(a), 3 in a, 9 in a) == (4, 3, 0, [1, 2, 3, 0], True, False)
    a[-1] = 260
    assert a == bytes((1, 2, 3, 4))
    part = a[1:3]
    a[1] = 9
    assert (part[0], bytes(a[-2:]), bytes(a[:2]), a.startswith(b"\x01\x09")) == (9, b"\x03\x04", b"\x01\x09", True)
    a[0:2] = a[2:4]
    assert a == b"\x03\x04\x03\x04"
    assert list(u32[3](i * i for i in range(3))) == [0, 1, 4]
    e = Event()
    e.rows[2][1] = 77
    assert [list(row) for row in e.rows] == [[0, 0], [0, 0], [0, 77]]
    e.comm = "a text that is too long"
    assert (bytes(e.comm), e.comm) == (b"a text that is t", "a text that is t")
    e.comm = u8[3](65, 66, 67)
    assert e.comm == "ABC"
    points = Inner[2](Inner(a=1), Inner(b=2))
    points[0].b = 4
    assert (points[0], points[1]) == (Inner(a=1, b=4), Inner(b=2))


@pytest.mark.parametrize(("start", "stop"), [(0, 5), (3, 3), (-5, 2), (2, 1), (-1, 1)])
def test_a_slice_lies_in_its_array(start: int, stop: int) -> None:
    with pytest.raises(IndexError):
        u8[4]()[start:stop]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda e: setattr(e, "ts", "text"), lambda e: setattr(e, "comm", 5), lambda e: setattr(e, "inner", e),
        lambda e: setattr(e, "addr", e.rows), lambda e: e == 5, lambda e: e.comm == 5, lambda e: e.addr == "text",
        lambda e: e.addr[0:2].__setitem__(0, 1), lambda e: e.addr["a"], lambda e: e.addr[0:4:2],
        lambda e: u8[2](1, 2, 3), lambda e: Event(nothing=1), lambda e: e == e.inner, lambda e: e.addr.startswith(5),
    ],
)  # fmt: skip
def test_values_of_other_types_are_refused(wrong: Any) -> None:
    with pytest.raises(TypeError):
        wrong(Event())


def test_a_slice_takes_as_much_as_it_has() -> None:
    a = u8[4]()
    with pytest.raises(ValueError, match="a slice of 2 elements takes as many, and got 3"):
        a[0:2] = b"abc"
    with pytest.raises(ValueError, match=r"u8\[4\] takes 4 items of a generator, and got 2"):
        u8[4](i for i in range(2))


class Lossy(ctypes.Structure):
    _fields_ = [("a", ctypes.c_uint8, 3), ("b", ctypes.c_uint16, 6), ("c", ctypes.c_uint8, 3)]


class Header(ctypes.BigEndianStructure):
    _fields_ = [("kind", ctypes.c_uint8), ("length", ctypes.c_uint32), ("name", ctypes.c_char * 4)]


class Either(ctypes.Union):
    _fields_ = [("word", ctypes.c_uint32), ("bytes", ctypes.c_uint8 * 4), ("header", Header)]


@dataclasses.dataclass
class Point:
    x: s32 = 3
    y: be32 = 0
    name: char[4] = b"ab"

    def norm(self) -> int:
        return self.x * self.x


def test_structs_of_ctypes_structures_and_dataclasses() -> None:
    kind = struct(Header)
    assert bytes(kind(kind=1, length=2, name=b"xy")) == bytes(Header(1, 2, b"xy"))
    either = struct(Either)(word=0x01020304)
    assert (either.bytes[0], either.header.kind, type(either).sizeof) == (4, 4, ctypes.sizeof(Either))
    point = struct(Point)()
    assert (point.x, point.norm(), bytes(point)) == (3, 9, b"\x03\0\0\0\0\0\0\0ab\0\0")


def _class(**annotations: Any) -> type:
    return type("Wrong", (), {"__annotations__": annotations})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: struct(_class()), "struct Wrong has no fields"),
        (lambda: struct(_class(a=int)), "field a has no storage type"),
        (lambda: struct(_class(a="u99")), "the annotation 'u99' fails: name 'u99' is not defined"),
        (lambda: struct(_class(a=u8[1 << 16], b=u8)), "has 65537 bytes; a struct has 1 to 65536"),
        (lambda: struct(type("Wrong", (), {"__annotations__": {"a": u8}, "__init__": lambda self: None})), "__init__"),
        (lambda: struct(type("Wrong", (), {"__annotations__": {"a": u8}, "a": "x"})), "the default of a"),
        (lambda: struct(type("Wrong", (ctypes.Structure,), {"_fields_": [("p", ctypes.c_void_p)]})), "field p is a"),
        (lambda: struct(Lossy), "ctypes puts bit-field c where its type does not hold it"),
        (lambda: bits(u8, 9), "u8 has 1 to 8 bits"),
        (lambda: bits(be16, 3), "in host order"),
        (lambda: u8[0], "a number from 1 on"),
        (lambda: u64[1 << 16], "the limit is 65536"),
    ],
)  # fmt: skip
def test_what_is_no_struct_says_so(make: Any, message: str) -> None:
    with pytest.raises(UsageError) as raised:
        make()
    assert message in str(raised.value)


def test_a_struct_is_what_maps_show_of_it() -> None:
    """In tests: outcome.maps["events"][key] == Event(...), Event(...) in list(outcome.maps["by_event"])."""
    event = Event(ts=7, port=80, comm="sh")
    shown = {"ts": 7, "port": 80, "comm": "sh", "addr": [127, 0, 0, 1], "flags": 3, "kind": 2, "short": 0, "ok": False,
             "inner": {"a": 0, "b": 5}, "rows": [[0, 0]] * 3}  # fmt: skip
    assert shown == event
    assert event == frozen(shown)
    for other in ({**shown, "port": 81}, {**shown, "addr": [127, 0, 0]}, {**shown, "more": 0}, {"ts": 7}):
        assert event != other


def test_fields_are_given_by_name() -> None:
    made: Any = Inner
    with pytest.raises(TypeError, match=r"Inner takes its fields by name: Inner\(a=\.\.\., b=\.\.\.\)"):
        made(1, 2)
