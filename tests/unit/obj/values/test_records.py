"""Compiled codecs say what shapes say: of every type, one value and many, and back."""

from __future__ import annotations

import math
import mmap
import pickle
import random
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import UsageError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Enum, Float, Int, Member, Ptr, Struct, Type, Typedef, Union
from bpfvm.obj.values.contents import shape_of
from bpfvm.obj.values.records import codec, codec_of
from bpfvm.obj.values.shapes import Raw, Shape
from bpfvm.obj.values.tuples import record_class

U8, U16, U32, U64, S32, S64, WIDE, BOOL, CHAR, PTR = range(1, 11)
TYPES: tuple[Type, ...] = (
    Int("u8", 1, 8), Int("u16", 2, 16), Int("u32", 4, 32), Int("u64", 8, 64), Int("int", 4, 32, is_signed=True),
    Int("long", 8, 64, is_signed=True), Int("__int128", 16, 128, is_signed=True), Int("_Bool", 1, 8, is_bool=True),
    Int("char", 1, 8, is_char=True), Ptr(1),
)  # fmt: skip
STRUCTS: tuple[Type, ...] = (
    Array(CHAR, U32, 16), Array(U16, U32, 4), Enum("color", 4, (("red", 0), ("blue", 1))),  # 11, 12, 13
    Struct("flow", 16, (Member("source", U32, 0), Member("target", U32, 32), Member("bytes", U64, 64))),  # 14
    Struct("task", 40, (Member("id", U64, 0), Member("name", 11, 64), Member("flow", 14, 192))),  # 15
    Union("either", 8, (Member("whole", U64, 0), Member("halves", 12, 0), Member("low", U8, 0))),  # 16
    Struct("bits", 12, (Member("low", U32, 0, 3), Member("sign", S32, 3, 5), Member("flag", BOOL, 8, 1),
                        Member("", 18, 32), Member("rest", U64, 64, 32))),  # 17
    Struct("", 4, (Member("inner", U16, 0), Member("_pad", U16, 16))),  # 18
    Array(14, U32, 3), Struct("rows", 56, (Member("class", 19, 0), Member("either", 16, 384))),  # 19, 20
    Struct("empty", 0, ()), Struct("gap", 16, (Member("a", U8, 0), Member("b", U64, 64))),  # 21, 22
    Array(16, U32, 2), Array(BOOL, U32, 3), Struct("", 8, (Member("", 16, 0),)),  # 23, 24, 25
    Struct("tail", 16, (Member("a", U32, 0), Member("b", U32, 32), Member("c", U32, 64))),  # 26
    Struct("pair", 8, (Member("a", U32, 0), Member("b", U32, 32))),  # 27
    Typedef("be32", U32), Typedef("le16", U16), Typedef("be64", 28), Typedef("__be32", U32),  # 28, 29, 30, 31
    Struct("end", 16, (Member("address", 28, 0), Member("port", 29, 32), Member("low", U16, 48, 3),
                       Member("octet", U8, 64), Member("count", U32, 96))),  # 32
    Array(28, U32, 2),  # 33
)  # fmt: skip
BTF = Btf((*TYPES, *STRUCTS))
ORDERS = ("little", "big")


def listed(value: Any) -> Any:
    """A decoded value as shapes show it."""
    if hasattr(value, "_asdict"):
        return {name: listed(one) for name, one in value._asdict().items()}
    return [listed(one) for one in value] if isinstance(value, list | tuple) else value


def shapes() -> list[tuple[int, str, Shape]]:
    known = [(number, order, shape_of(BTF, number, BTF.size_of(number), order))
             for number in range(1, len(BTF) + 1) for order in ORDERS]  # fmt: skip
    assert sum(not isinstance(shape, Raw) for _, _, shape in known) >= 48, "types that became bytes"
    return known


@pytest.mark.parametrize(("number", "order", "shape"), shapes())
def test_codecs_agree_with_shapes(number: int, order: str, shape: Shape) -> None:
    dice, compared = random.Random(number), 0
    for hashable in (False, True):
        made = codec(shape, hashable)
        for _ in range(50):
            fill = dice.choice((b"\0", b"\1", b"a", b"\xff", b""))
            values = [(fill * shape.size or dice.randbytes(shape.size))[: shape.size] for _ in range(3)]
            gap = dice.choice((0, 1, 8))
            data = b"?" + b"".join(one + bytes(gap) for one in values)
            wanted = [shape.show(one) for one in values]
            many = list(made.decode_many(data, 3, shape.size + gap, 1))
            assert [listed(one) for one in many] == [listed(one) for one in wanted]
            assert [made.decode(one) for one in values] == many
            assert not hashable or len({hash(one) for one in many}) <= 3
            for one, value in zip(values, many, strict=True):
                assert shape.show(made.encode(value)) == shape.show(one)
                compared += 1
    assert compared == 300


def test_numbers_of_a_fixed_order() -> None:
    for order in ("little", "big"):
        data = struct.pack(">I", 0x0A000001) + struct.pack("<H", 53) + bytes(2) + b"\7" + bytes(3)
        value = codec_of(BTF, 32, 16, order).decode(data + (1).to_bytes(4, "little" if order == "little" else "big"))
        assert (value.address, value.port, value.octet, value.count) == (0x0A000001, 53, 7, 1)
        assert codec_of(BTF, 33, 8, order).decode(struct.pack(">II", 1, 2)) == [1, 2]


@given(st.binary(min_size=40, max_size=40))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    made = codec_of(BTF, 15, 40, "little")
    value = made.decode(data)
    assert made.decode(made.encode(value)) == value


def test_structs_are_named_tuples() -> None:
    made = codec_of(BTF, 15, 40, "little")
    value = made.decode(struct.pack("<Q16sIIQ", 1, b"bash\0rest", 2, 3, 4))
    assert repr(value) == "task(id=1, name='bash', flow=flow(source=2, target=3, bytes=4))"
    assert (value.id, value.flow.bytes, value[1]) == (1, 4, "bash")
    assert value._replace(id=9)._asdict()["id"] == 9
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(UsageError, match="task has no member 'ids'"):
        value._replace(ids=1)
    with pytest.raises(UsageError, match="task has 3 members, and 1 values were given"):
        value._make([1])


def test_members_of_any_name() -> None:
    value: Any = record_class("odd", ("class", "_pad", "count", "_asdict", "2"))((1, 2, 3, 4, 5))
    assert (getattr(value, "class"), value._pad, value.count) == (1, 2, 3)
    assert value._asdict() == {"class": 1, "_pad": 2, "count": 3, "_asdict": 4, "2": 5}


def test_any_buffer_is_data() -> None:
    made = codec_of(BTF, U32, 4, "little")
    with mmap.mmap(-1, 4096) as memory:
        memory[:8] = struct.pack("<II", 7, 8)
        assert list(made.decode_many(memory, 2)) == [7, 8]
        assert made.decode(memory, 4) == 8
    assert list(made.decode_many(bytearray(8), 2)) == list(made.decode_many(memoryview(bytes(8)), 2)) == [0, 0]
    assert list(made.decode_many(b"", 0)) == []


def test_data_that_is_too_short() -> None:
    made = codec_of(BTF, 14, 16, "little")
    for count, stride, offset in ((3, None, 0), (2, 20, 0), (2, None, 1), (1, 8, 0), (1, None, -1)):
        with pytest.raises(UsageError, match="data of 32 bytes"):
            made.decode_many(bytes(32), count, stride, offset)
    with pytest.raises(UsageError, match="data of 15 bytes"):
        made.decode(bytes(15))


@pytest.mark.parametrize(
    ("number", "value", "message"),
    [
        (U32, 1 << 32, "key: 4294967296 is not from 0 to 4294967295; it is an unsigned integer of 4 bytes"),
        (S32, "abc", "key: 'abc' is not hex text of 4 bytes; it is a signed integer of 4 bytes"),
        (U32, 1.5, "key: 1.5 is not an integer"),
        (U32, None, "key: None is not an integer"),
        (14, (1, 2), "key: 2 values, and it is a struct of source, target, bytes"),
        (14, (1, 2, -1), "key.bytes: -1 is not from 0"),
        (14, {"sauce": 1}, "key: there is no member 'sauce'; the members are source, target, bytes"),
        (14, 5, "key: 5 is not an object with source, target, bytes"),
        (14, bytes(3), "key: 3 bytes, and it has 16"),
        (19, [(1, 2, 3)], "key: .* is not a list of 3 elements"),
        (19, [(1, 2, 3), (1, 2, 3), (1, 2, "x")], r"key\[2\].bytes: 'x' is not hex text"),
        (11, "seventeen letters", "key: 'seventeen letters' is not text of at most 16 bytes"),
        (16, {"whole": 1, "low": 2}, "say different bytes"),
    ],
)
def test_what_does_not_fit_is_told(number: int, value: Any, message: str) -> None:
    made = codec_of(BTF, number, BTF.size_of(number), "little")
    with pytest.raises(UsageError, match=message):
        made.encode(value, "key")
    with pytest.raises(UsageError, match=message):
        made.encode_many([value], "key")


def test_what_counts_as_a_value() -> None:
    numpy = pytest.importorskip("numpy")
    flow, row = codec_of(BTF, 14, 16, "little"), codec_of(BTF, 12, 8, "little")
    wanted = struct.pack("<IIQ", 1, 2, 3)
    given: list[Any] = [(1, 2, 3), [1, 2, 3],
                        {"bytes": 3, "source": 1, "target": 2}, wanted, wanted.hex(), flow.decode(wanted),
                        bytearray(wanted), (numpy.uint8(1), numpy.int64(2), 3), (True, 2, 3)]  # fmt: skip
    assert {flow.encode(one) for one in given} == {wanted}
    assert flow.encode_many(given[:3]) == wanted * 3
    assert row.encode(numpy.arange(4)) == row.encode((0, 1, 2, 3)) == struct.pack("<4H", 0, 1, 2, 3)
    assert codec_of(BTF, U16, 2, "big").encode_many([1, 2]) == b"\0\1\0\2"


def test_floats_are_floats() -> None:
    btf = Btf((Float("float", 4), Float("double", 8)))
    for number, size in ((1, 4), (2, 8)):
        made = codec_of(btf, number, size, "little")
        assert made.decode(made.encode(math.inf)) == math.inf
        assert math.isnan(made.decode(made.encode(math.nan)))
        assert list(made.decode_many(made.encode_many([0.5, 2]), 2)) == [0.5, 2.0]
    with pytest.raises(UsageError, match="within a float of 4 bytes"):
        codec_of(btf, 1, 4, "little").encode(1e300)


def test_dtypes_lie_in_memory_as_values_do() -> None:
    numpy = pytest.importorskip("numpy")
    compared = 0
    for number in (U8, U16, U32, U64, S32, S64, PTR, 14, 15, 16, 20, 22, 25):
        size = BTF.size_of(number)
        for order in ORDERS:
            made = codec_of(BTF, number, size, order)
            data = bytes(range(1, size + 1))
            found = numpy.frombuffer(data, made.dtype())[0]
            value = made.decode(data)
            if hasattr(value, "_fields"):
                name = value._fields[0]
                value, found = getattr(value, name), found[name]
            if isinstance(value, int):
                assert (int(found), made.dtype().itemsize) == (value, size)
                compared += 1
    assert compared >= 22
    with pytest.raises(UsageError, match="member low is a bit-field"):
        codec_of(BTF, 17, 12, "little").dtype()
