"""Perf event arrays: which index has an event, the kernel's layout of samples, what is lost."""

from __future__ import annotations

import errno

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.perf import SIZE, PerfEventArray
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec


def array(entries: int, cpus: int = 2) -> tuple[System, PerfEventArray]:
    system = System(ObjectSpec({}, {"m": MapSpec("m", "perf_event_array", 4, 4, entries)}), ["m"], cpus=cpus)
    store = system.maps["m"]
    assert isinstance(store, PerfEventArray)
    return system, store


def test_events_stand_at_the_cpus() -> None:
    system, store = array(4)
    errors = (0, -errno.EOPNOTSUPP, -errno.ENOENT, -errno.ENOENT, -errno.E2BIG)
    assert tuple(store.chosen(index) for index in range(5)) == errors
    system.cpu = 1
    assert [store.chosen(index) for index in (0, 1)] == [-errno.EOPNOTSUPP, 0]
    assert array(0, cpus=3)[1].spec.max_entries == 3  # as loaders make of 0


@pytest.mark.parametrize(("size", "seen"), [(0, 4), (1, 4), (4, 4), (5, 12), (12, 12), (13, 20), (65516, 65516)])
def test_samples_are_padded_with_zeros(size: int, seen: int) -> None:
    _, store = array(1)
    for _ in range(2):
        assert store.output(b"x" * size) == 0
        assert store.take() == ([(b"x" * size).ljust(seen, b"\0")], 0)


def test_what_finds_no_room_is_counted() -> None:
    _, store = array(1)
    results = [store.output(bytes(60000)) for _ in range(6)]
    assert results == [0, 0, 0, 0, -errno.ENOSPC, -errno.ENOSPC]
    assert store.output(b"1") == 0  # behind a record that tells of the two
    used = 4 * 60016 + 24 + 16
    assert [store.output(bytes(SIZE - used - 12)), store.output(bytes(SIZE - used - 20))] == [
        -errno.ENOSPC,
        -errno.ENOSPC,
    ]
    assert store.output(bytes(SIZE - used - 12 - 24 - 8)) == 0
    records, lost = store.take()
    assert (len(records), lost) == (6, 4)
    assert store.take() == ([], 0)


def test_a_sample_of_64_kib_vanishes_and_is_counted() -> None:
    _, store = array(1)
    assert store.output(bytes(65517)) == 0
    assert store.take() == ([], 1)


def test_user_space_stores_nothing() -> None:
    _, store = array(2)
    with pytest.raises(LoadError, match="its own perf events"):
        store.fill([(bytes(4), bytes(4))])
    assert store.entries() == []
