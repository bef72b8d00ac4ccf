"""Which elements LRU maps give up: what probes of the kernel showed, on one and two CPUs."""

from __future__ import annotations

import pytest

from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.system import System
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.maps import flag_bits

OWN = flag_bits("no_common_lru")


def key(number: int) -> bytes:
    return number.to_bytes(4, "little")


def made(entries: int, flags: int = 0, cpus: int = 2) -> tuple[System, MapStore]:
    system = System(ObjectSpec({}, {"m": MapSpec("m", "lru_hash", 4, 8, entries, flags)}), ["m"], cpus)
    return system, system.maps["m"]


def held(store: MapStore) -> set[int]:
    return {int.from_bytes(name, "little") for name, _ in store.entries()}


# max_entries, flags, keys stored one after another on CPU 0, how many of them are left; with 2 CPUs, which
# kernel_tests/maps/test_map_types_lru.py asks of the running kernel
PROBES = (
    (16, 0, 17, 13),  # half of a CPU's share of 8 makes room
    (100, 0, 101, 76),
    (1000, 0, 1001, 977),  # at most 128 at once: 104 that were free before, and 24
    (1024, 0, 1025, 897),
    (2, 0, 3, 2),
    (1, 0, 2, 1),
    (16, OWN, 9, 5),  # a CPU has half of the elements, and gives up 4
    (3, OWN, 3, 1),  # 4 elements, 2 for each CPU
    (64, OWN, 200, 32),
)


@pytest.mark.parametrize(("entries", "flags", "inserted", "left"), PROBES)
def test_how_many_are_left_when_a_full_map_makes_room(entries: int, flags: int, inserted: int, left: int) -> None:
    _, store = made(entries, flags)
    for number in range(inserted):
        assert store.update(key(number), bytes(8), 0) == 0
    assert len(held(store)) == left
    assert held(store) == set(range(inserted - left, inserted))


def test_what_programs_looked_up_stays() -> None:
    _, store = made(16)
    for number in range(16):
        store.update(key(number), bytes(8), 0)
    for number in (0, 1, 7):
        assert store.lookup(key(number))
    store.update(key(16), bytes(8), 0)
    assert held(store) == {0, 1, *range(6, 17)}


def test_what_user_space_reads_does_not_stay_for_it() -> None:
    _, store = made(16)
    for number in range(16):
        store.update(key(number), bytes(8), 0)
    assert store.sys_lookup(key(0)) == bytes(8)
    store.update(key(16), bytes(8), 0)
    assert 0 not in held(store)


def test_a_refused_update_may_still_drop_others() -> None:
    _, store = made(16)
    for number in range(16):
        store.update(key(number), bytes(8), 0)
    assert store.update(key(15), bytes(8), 1) == -17
    assert len(held(store)) == 12


def test_a_cpu_takes_what_another_one_has_at_hand_when_all_else_is_used() -> None:
    system, store = made(2)
    for number in range(2):
        store.update(key(number), bytes(8), 0)
    system.cpu = 1
    for number in range(2, 6):
        assert store.update(key(number), bytes(8), 0) == 0
        assert number in held(store)


def test_one_cpu_has_the_whole_share() -> None:
    _, store = made(16, cpus=1)
    for number in range(17):
        store.update(key(number), bytes(8), 0)
    assert len(held(store)) == 9
