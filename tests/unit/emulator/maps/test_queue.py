"""Queues and stacks: the order of values, full and empty maps, flags, as the kernel does."""

from __future__ import annotations

import errno

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import flag_bits

KINDS = ("queue", "stack")


def system_of(kind: str, entries: int = 3, flags: int = 0) -> System:
    return System(ObjectSpec({}, {"m": MapSpec("m", kind, 0, 2, entries, flags)}), ["m"])


def made(kind: str, entries: int = 3, flags: int = 0) -> MapStore:
    return system_of(kind, entries, flags).maps["m"]


def values(store: MapStore) -> list[int]:
    """In the order of leaving."""
    found = [int.from_bytes(value, "little") for _, value in store.entries() if isinstance(value, bytes)]
    return found[::-1] if store.spec.type == "stack" else found


def fill(store: MapStore, *numbers: int) -> None:
    store.fill([(b"", number.to_bytes(2, "little")) for number in numbers])


def test_the_order() -> None:
    for kind, order in (("queue", [1, 2, 3]), ("stack", [3, 2, 1])):
        store = made(kind)
        fill(store, 1, 2, 3)
        assert values(store) == order
        for number in order:
            assert store.peek() == (0, number.to_bytes(2, "little"))
            assert store.sys_lookup(b"") == number.to_bytes(2, "little")
            assert store.pop() == (0, number.to_bytes(2, "little"))
        assert store.pop() == store.peek() == (-errno.ENOENT, bytes(2))
        assert store.sys_lookup(b"") == store.sys_lookup_and_delete(b"") == -errno.ENOENT


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_map_pushes_the_oldest_out_under_bpf_exist_only(kind: str) -> None:
    store = made(kind)
    fill(store, 1, 2, 3)
    assert store.push(b"\4\0", 0) == -errno.E2BIG
    assert store.sys_update(b"", b"\4\0") == -errno.E2BIG
    assert store.push(b"\4\0", 2) == 0
    assert store.sys_update(b"", b"\5\0", 2) == 0
    assert sorted(values(store)) == [3, 4, 5]
    assert values(store) == ([3, 4, 5] if kind == "queue" else [5, 4, 3])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flags", [1, 3, 4, 5, 6, 8, 1 << 32, 1 << 63])
def test_flags_that_are_refused(kind: str, flags: int) -> None:
    store = made(kind)
    assert store.push(bytes(2), flags) == store.sys_update(b"", bytes(2), flags) == -errno.EINVAL
    assert store.sys_lookup(b"", flags) == store.sys_lookup_and_delete(b"", flags) == -errno.EINVAL
    assert values(store) == []


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_no_keys(kind: str) -> None:
    store = made(kind)
    assert store.sys_delete(b"") == store.next_key(None) == store.next_key(b"") == -errno.EINVAL
    with pytest.raises(Stop, match=f"map_lookup_elem does not take a {kind} map"):
        store.lookup(b"")
    with pytest.raises(Stop, match=f"map_update_elem does not take a {kind} map"):
        store.update(b"", bytes(2), 0)
    with pytest.raises(Stop, match=f"map_delete_elem does not take a {kind} map"):
        store.delete(b"")


@pytest.mark.parametrize("kind", KINDS)
def test_places_go_round_and_come_back_with_the_arena(kind: str) -> None:
    system = system_of(kind, 4)
    store = system.maps["m"]
    model: list[int] = []
    for number in range(50):
        fill(store, number)
        model.append(number)
        if number % 3:
            at = 0 if kind == "queue" else -1
            assert store.pop() == (0, model.pop(at).to_bytes(2, "little"))
        if len(model) == 4:
            kept, before = system.snapshot(), values(store)
            while store.pop()[0] == 0:
                model.pop()
            system.restore(kept)
            assert values(store) == before
            while store.pop()[0] == 0:
                pass
    assert model == values(store)[:: 1 if kind == "queue" else -1]


@pytest.mark.parametrize("kind", KINDS)
def test_what_user_space_may_not_do(kind: str) -> None:
    read, write = made(kind, flags=flag_bits("rdonly")), made(kind, flags=flag_bits("wronly"))
    assert read.sys_update(b"", bytes(2)) == read.sys_lookup_and_delete(b"") == -errno.EPERM
    assert read.sys_lookup(b"") == -errno.ENOENT
    assert write.sys_lookup(b"") == write.sys_lookup_and_delete(b"") == write.next_key(None) == -errno.EPERM
    assert write.sys_update(b"", bytes(2)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_declarations_that_no_kernel_takes(kind: str) -> None:
    for spec in (MapSpec("m", kind, 4, 4, 3), MapSpec("m", kind, 0, 0, 3), MapSpec("m", kind, 0, 4, 0)):
        with pytest.raises(LoadError, match=kind):
            System(ObjectSpec({}, {"m": spec}), ["m"])
    with pytest.raises(LoadError, match="there is no room"):
        fill(made(kind), 1, 2, 3, 4)
