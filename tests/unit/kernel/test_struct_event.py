# mypy: ignore-errors
"""Events of declared structs that ctypes reads are what their bytes are as values of user space: each field, and all
that is done with a whole one."""

from __future__ import annotations

import copy
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm import be16, be32, char, s8, s16, s32, s64, struct, u8, u16, u32, u64
from bpfvm.kernel.readers.struct_event import structs
from bpfvm.lang.types.layout import bits
from bpfvm.lang.userspace.values import decoded


class Kind(IntEnum):
    READ = 1
    WRITE = 2


@struct
class Inner:
    a: u8
    b: s32


@struct
class Plain:
    ts: u64
    pid: u32
    comm: char[16]
    ret: s64
    small: s8
    half: s16

    def said(self):
        return f"{self.comm} by {self.pid}"

    @property
    def failed(self):
        return self.ret < 0


@struct
class Mixed:
    kind: Kind
    port: be16
    address: be32
    flag: bool
    letter: char
    one: bits(u32, 3)
    two: bits(u32, 7)
    inner: Inner
    words: u64[3]
    data: u8[5]
    tail: u16


@struct(packed=True)
class Packed:
    a: u8
    b: u64
    c: char[3]
    d: u16


@struct
class Ordered:
    number: u32

    def __lt__(self, other):
        return self.number < other.number


KINDS: tuple[Any, ...] = (Plain, Mixed, Packed, Inner)


def event(kind: Any, data: bytes, padded: bool = False) -> Any:
    made = structs(kind, padded)
    assert made is not None
    return made.make(data)


@given(st.sampled_from(KINDS), st.data())
def test_each_field_is_what_its_bytes_are(kind: Any, draw: st.DataObject) -> None:
    data = draw.draw(st.binary(min_size=kind.__size__, max_size=kind.__size__))
    mine, theirs = event(kind, data), decoded(kind, data)
    for name in kind.__members__:
        one, two = getattr(mine, name), getattr(theirs, name)
        assert one == two
        assert one.__class__ is two.__class__
    assert (bytes(mine), repr(mine), hash(mine)) == (bytes(theirs), repr(theirs), hash(theirs))
    assert mine == theirs == mine
    assert theirs == event(kind, data)
    assert (mine != theirs) is False
    assert {mine: 1}[theirs] == 1


def test_it_passes_for_an_instance() -> None:
    one = event(Plain, bytes(Plain(ts=1, pid=7, comm=b"ls\0and more", ret=-1)))
    assert isinstance(one, Plain)
    assert not isinstance(one, Mixed)
    assert (one.said(), one.failed, one.comm == "ls", one.comm.text) == ("ls by 7", True, True, b"ls")
    match one:
        case Plain(pid=7, comm=b"ls"):
            pass
        case _:
            raise AssertionError
    other = one.copy()
    other.pid = 8
    assert (one.pid, other.pid, other == one) == (7, 8, False)
    assert copy.copy(one) == one
    with pytest.raises(TypeError, match="field pid of a copy is not stored to"):
        one.pid = 9
    with pytest.raises(AttributeError):
        one.no_such_field  # noqa: B018


def test_what_has_another_size_stays_bytes() -> None:
    assert event(Plain, b"abc") == b"abc"
    assert type(event(Inner, bytes(16), padded=True)) is bytes
    made = event(Inner, bytes([1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0]), padded=True)
    assert (made.a, made.b) == (1, 5), "with perf's padding"


def test_classes_that_say_themselves_how_they_compare_keep_their_own_values() -> None:
    assert structs(Ordered, False) is None
    assert structs(u64, False) is None
    assert structs(u8[4], False) is None
