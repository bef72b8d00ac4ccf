"""Events as light objects: they say what the named tuple of their bytes says, in every way of asking."""

from __future__ import annotations

import copy
import pickle
import random
from typing import Any

import pytest

from bpfvm.kernel.readers.event import Event, event_class
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Enum, Float, Int, Member, Ptr, Struct, Typedef, Union
from bpfvm.obj.values.records import Codec, codec_of

# 1 u64, 2 u32, 3 char, 4 char[16], 5 u64[7], 6 s16, 7 double, 8 void *, 9 bool
BASE = (
    Int("u64", 8, 64), Int("u32", 4, 32), Int("char", 1, 8, is_signed=True), Array(3, 2, 16), Array(1, 2, 7),
    Int("s16", 2, 16, is_signed=True), Float("double", 8), Ptr(0), Int("bool", 1, 8, is_bool=True),
)  # fmt: skip
EVENT = Struct("event", 88, (Member("ts", 1, 0), Member("pid", 2, 64), Member("uid", 2, 96), Member("comm", 4, 128),
                             Member("args", 5, 256)))  # fmt: skip


def members(size: int, *rows: tuple[Any, ...]) -> Struct:
    return Struct("made", size, tuple(Member(*row) for row in rows))


STRUCTS = {
    "usual": EVENT,
    "numbers": members(24, ("a", 1, 0), ("b", 6, 64), ("c", 2, 96), ("d", 7, 128)),
    "padding": members(32, ("a", 3, 0), ("b", 1, 64), ("c", 9, 128), ("p", 8, 192)),
    "packed": members(13, ("a", 3, 0), ("b", 1, 8), ("c", 2, 72)),
    "no order": members(16, ("b", 2, 96), ("a", 1, 0)),
    "bit-fields": members(8, ("a", 2, 0, 3), ("b", 2, 3, 13), ("c", 6, 16, 5), ("d", 2, 32)),
    "names": members(32, ("class", 2, 0), ("_asdict", 2, 32), ("_fields_", 2, 64), ("_bytes_16", 2, 96),
                     ("text", 4, 128)),
    "nothing": members(0),
}  # fmt: skip


def of(struct: Any, *more: Any) -> Codec:
    btf = Btf((*BASE, *more, struct))
    return codec_of(btf, len(btf), struct.size, "little")


def every() -> dict[str, Codec]:
    nested = Struct("outer", 96, (Member("inner", 10, 64), Member("id", 2, 0)))
    union = Struct("outer", 16, (Member("", 10, 0), Member("kind", 2, 64)))
    enum = Struct("outer", 8, (Member("state", 11, 0), Member("flag", 9, 32)))
    return {
        **{name: of(one) for name, one in STRUCTS.items()},
        "nested": of(nested, EVENT),
        "unnamed union": of(union, Union("", 8, (Member("word", 1, 0), Member("half", 2, 0), Member("text", 3, 0)))),
        "enum behind a typedef": of(enum, Enum("state", 4, (("on", 1),)), Typedef("state_t", 10)),
    }


CODECS = every()


def made(codec: Codec, data: bytes) -> Event:
    stride = (codec.size + 7) // 8 * 8
    kind = event_class(codec, stride)
    assert kind is not None
    return kind.from_buffer_copy(data + bytes(16))


@pytest.mark.parametrize("name", CODECS)
def test_members_are_those_of_the_named_tuple(name: str) -> None:
    codec, chance = CODECS[name], random.Random(name)
    compared = 0
    for _ in range(60):
        data = chance.choice((chance.randbytes, lambda size: bytes(chance.choices(b"\0ab\xc3\xa4", k=size))))(
            codec.size
        )
        event, record = made(codec, data), codec.decode(data)
        assert repr(event) == repr(record)
        assert event._asdict() == record._asdict() or "nan" in repr(record)
        assert tuple(event._fields) == record._fields
        assert len(event) == len(record)
        assert bytes(event) == data
        for at, field in enumerate(record._fields):
            if not (field.startswith("_") and hasattr(Event, field)) and field != "_fields_":
                assert repr(getattr(event, field)) == repr(record[at]), field
                compared += 1
    assert compared >= 60 * (len(codec.decode(bytes(codec.size))) - 2)


def test_events_compare_unpack_hash_and_pickle_as_tuples() -> None:
    codec = CODECS["numbers"]
    data = bytes(range(1, 25))
    event, record = made(codec, data), codec.decode(data)
    assert event == record
    assert record == event
    assert event == made(codec, data)
    assert event != made(codec, bytes(24))
    assert event != 5
    a, *rest = event
    assert [a, *rest] == list(record)
    assert event[1:] == record[1:]
    assert hash(event) == hash(record)
    assert {event: 1}[record] == 1
    assert pickle.loads(pickle.dumps(event)) == record
    assert copy.deepcopy(event) == record
    match event:
        case object(a=first, b=_):
            assert first == record.a


def test_events_are_not_written_to() -> None:
    event: Any = made(CODECS["usual"], bytes(88))
    for name in ("ts", "comm", "other"):
        with pytest.raises(AttributeError, match=rf"event\.{name}: events are not written to"):
            setattr(event, name, 1)
    with pytest.raises(AttributeError, match="not written to"):
        del event.ts


def test_text_that_is_none_is_a_list_of_numbers() -> None:
    event: Any = made(CODECS["usual"], bytes(16) + b"\xff\xfe" + bytes(70))
    assert event.comm == [255, 254, *[0] * 14]
    event = made(CODECS["usual"], bytes(16) + b"caf\xc3\xa9\0old" + bytes(63))
    assert event.comm == "café"


def test_what_is_no_struct_has_no_class() -> None:
    assert event_class(codec_of(Btf(BASE), 1, 8, "little"), 8) is None
