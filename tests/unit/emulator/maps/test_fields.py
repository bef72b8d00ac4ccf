"""Locks, timers and references inside of values: found by BTF, never seen, set or copied by updates and look-ups."""

from __future__ import annotations

import pytest

from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.fields import Field, special_fields
from bpfvm.emulator.system import System
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Fwd, Int, Member, Ptr, Struct, Type, Typedef, TypeTag
from bpfvm.obj.model import MapSpec, ObjectSpec

LOCKED = MapSpec("m", "hash", 4, 16, 4, key_type=1, value_type=3)
LOCK = (Int("unsigned int", 4, 32), Struct("bpf_spin_lock", 4, (Member("val", 1, 0),)))
VALUE = Struct("value", 16, (Member("n", 1, 0), Member("lock", 2, 32), Member("a", 1, 64), Member("b", 1, 96)))


def made(spec: MapSpec = LOCKED, *types: Type) -> tuple[System, MapStore]:
    system = System(ObjectSpec({}, {"m": spec}, Btf(types or (*LOCK, VALUE))), ["m"], 2)
    return system, system.maps["m"]


def kinds(spec: MapSpec, *types: Type) -> list[tuple[str, int, int]]:
    return [(one.kind, one.offset, one.size) for one in special_fields(spec, Btf(types))]


def test_a_lock_is_neither_set_nor_seen() -> None:
    for kind in ("hash", "array"):
        spec = MapSpec("m", kind, 4, 16, 4, key_type=1, value_type=3)
        system, store = made(spec)
        assert store.sys_update(bytes(4), b"AAAABBBBCCCCDDDD") == 0
        address = store.lookup(bytes(4))
        assert system.arena.read(address, 16) == b"AAAA\0\0\0\0CCCCDDDD"
        system.arena.write(address + 4, b"lock")
        assert store.sys_lookup(bytes(4)) == b"AAAA\0\0\0\0CCCCDDDD"
        assert store.sys_lookup(bytes(4), 4) == b"AAAA\0\0\0\0CCCCDDDD"
        assert store.sys_update(bytes(4), b"EEEEFFFFGGGGHHHH", 4) == 0
        assert system.arena.read(address, 16) == b"EEEElockGGGGHHHH"
        assert store.update(bytes(4), bytes(16), 4) == 0
        assert store.lookup(bytes(4)) == address


def test_a_timer_ends_with_its_element() -> None:
    timer = Struct("bpf_timer", 16, (Member("opaque", 1, 0),))
    types = (LOCK[0], timer, Struct("value", 24, (Member("n", 1, 0), Member("timer", 2, 64))))
    for kind in ("hash", "lru_hash", "array"):
        system, store = made(MapSpec("m", kind, 4, 24, 4, key_type=1, value_type=3), *types)
        store.update(bytes(4), b"A" * 24, 0)
        address = store.lookup(bytes(4))
        system.arena.write(address + 8, b"t" * 16)
        if kind == "array":
            store.update(bytes(4), b"B" * 24, 0)
        else:
            store.delete(bytes(4))
        assert system.arena.read(address + 8, 16) == bytes(16)


def test_where_fields_are() -> None:
    word, lock = LOCK
    two = Struct("value", 16, (Member("a", 2, 0), Member("b", 2, 64)))
    assert kinds(LOCKED, word, lock, VALUE) == [("lock", 4, 4)]
    assert kinds(LOCKED, word, lock, two) == []  # a value has one lock
    assert kinds(MapSpec("m", "lru_hash", 4, 16, 4, value_type=3), word, lock, VALUE) == []
    assert kinds(MapSpec("m", "hash", 4, 8, 4, value_type=3), word, lock, VALUE) == []  # of another size
    row = Struct("value", 16, (Member("all", 3, 0),))
    counts = (word, Struct("bpf_refcount", 4, (Member("n", 1, 0),)), Array(2, 1, 4), row)
    assert kinds(MapSpec("m", "hash", 4, 16, 4, value_type=4), *counts) == [("count", at, 4) for at in (0, 4, 8, 12)]


@pytest.mark.parametrize(
    ("pointee", "found"),
    [(Struct("task_struct", 0, ()), [("reference", 8, 8)]), (Fwd("task_struct"), []), (Int("int", 4, 32), [])],
)
def test_references(pointee: Type, found: list[tuple[str, int, int]]) -> None:
    value = Struct("value", 16, (Member("n", 1, 0), Member("p", 6, 64)))
    types = (LOCK[0], value, pointee, TypeTag("kptr", 3), Typedef("kept", 4), Ptr(5))
    assert kinds(MapSpec("m", "array", 4, 16, 4, value_type=2), *types) == found


def test_fields_that_overlap_are_none() -> None:
    timer = Struct("bpf_timer", 16, (Member("opaque", 1, 0),))
    types = (*LOCK, timer, Struct("value", 24, (Member("t", 3, 0), Member("lock", 2, 64))))
    assert kinds(MapSpec("m", "hash", 4, 24, 4, value_type=4), *types) == []


def test_a_type_inside_itself_ends() -> None:
    assert kinds(MapSpec("m", "hash", 4, 16, 4, value_type=1), Struct("value", 16, (Member("again", 1, 0),))) == []


def test_a_field_says_where_it_is() -> None:
    assert special_fields(LOCKED, Btf((*LOCK, VALUE))) == (Field("lock", 4, 4),)
