"""Devices, CPUs and sockets in maps; kernel_tests/maps/test_targets.py compares their errno with the kernel's."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.targets import Targets
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec

INDEXED = ("devmap", "xskmap", "sockmap", "reuseport_sockarray")


def made(kind: str, value: int = 4, entries: int = 4, cpus: int = 2) -> tuple[System, MapStore]:
    system = System(ObjectSpec({}, {"m": MapSpec("m", kind, 4, value, entries)}), ["m"], cpus=cpus)
    return system, system.maps["m"]


def word(number: int, size: int = 4) -> bytes:
    return number.to_bytes(size, "little")


@pytest.mark.parametrize("kind", ["devmap_hash", "sockhash"])
@given(calls=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans()), max_size=40))
def test_hashes_behave_as_a_dict_with_room(kind: str, calls: list[tuple[int, int, bool]]) -> None:
    system, store = made(kind, 8)
    model: dict[bytes, bytes] = {}
    for number, value, delete in calls:
        key = word(number)
        if delete:
            assert store.sys_delete(key) == (0 if model.pop(key, None) else -errno.ENOENT)
        else:
            done = store.sys_update(key, word(value + 1, 8), 0)
            assert done == (0 if key in model or len(model) < 4 else -errno.E2BIG)
            if done == 0:
                model[key] = word(value + 1, 8)
        system.restore(system.snapshot())
        assert dict(store.entries()) == model


@pytest.mark.parametrize("kind", ["devmap", "devmap_hash"])
def test_contents_are_by_index(kind: str) -> None:
    _, store = made(kind, entries=600)
    for index in (300, 2, 256, 1):
        assert store.sys_update(word(index), word(9), 0) == 0
    assert [int.from_bytes(key, "little") for key, _ in store.entries()] == [1, 2, 256, 300]


@pytest.mark.parametrize("kind", INDEXED)
def test_indexed_maps_keep_what_is_stored(kind: str) -> None:
    _, store = made(kind, 4 if kind == "xskmap" else 8)
    size = store.spec.value_size
    assert store.sys_update(word(2), word(9, size)) == 0
    assert store.entries() == ([] if kind == "xskmap" else [(word(2), word(9, size))])
    assert store.sys_delete(word(2)) == 0
    assert store.sys_update(word(4), word(9, size)) == -errno.E2BIG


@pytest.mark.parametrize(
    ("kind", "size", "key", "value", "words"),
    [
        ("devmap", 8, word(0), word(1) + word(5), "runs on the target"),
        ("devmap_hash", 4, word(0), word(0), "cannot be stored"),
        ("cpumap", 4, word(2), word(64), "no CPU 2, it has 2"),
        ("cpumap", 4, word(0), word(20000), "at most 16384"),
        ("sockmap", 4, word(0), word(0), "ENOTSOCK"),
    ],
)
def test_refusals_are_in_words(kind: str, size: int, key: bytes, value: bytes, words: str) -> None:
    with pytest.raises(LoadError, match=words):
        made(kind, size)[1].fill([(key, value)])


def test_programs_see_targets_and_cannot_write_them() -> None:
    for kind, seen in (("devmap", 7), ("xskmap", 1), ("devmap_hash", 7)):
        _, store = made(kind)
        assert store.lookup(word(1)) == 0
        store.fill([(word(1), word(7))])
        pointer = store.element(store.lookup(word(1)))
        assert pointer.offset == 0
        assert int.from_bytes(pointer.region.data, "little") == seen
        assert (pointer.region.size, pointer.region.writable) == (4, False)


@pytest.mark.parametrize("kind", ["sockmap", "sockhash"])
def test_a_socket_that_is_looked_up_is_owned(kind: str) -> None:
    system, store = made(kind)
    assert store.lookup(word(0)) == 0
    assert store.sys_update(word(0), word(7)) == 0
    first, second = store.lookup(word(0)), store.lookup(word(0))
    pointer = store.element(first)
    assert first == second != 0
    assert (pointer.offset, pointer.region.name, pointer.region.writable) == (0, "socket 7", False)
    assert list(system.owned.values()) == [f"a socket of {kind} m, never released"] * 2
    assert [system.disown(first) for _ in range(3)] == [True, True, False]
    with pytest.raises(Stop, match="programs store theirs by bpf_sock_"):
        store.update(word(0), word(7), 0)


def test_a_cpu_map_has_entries() -> None:
    with pytest.raises(LoadError, match="at least 1 entry"):
        made("cpumap", entries=0)
    _, store = made("cpumap")
    assert isinstance(store, Targets)
    with pytest.raises(Stop, match="does not take a cpumap"):
        store.lookup(word(0))
