"""What holds of an LRU map's memory whenever no change of it is under way, whoever made the changes.

Each element that was ever used is in one list, and by its state in that one; those that hold a key are in its bucket,
once, and no two have the same key. Lists lead back as they lead on, counts are what is there.
"""

from __future__ import annotations

from bpfvm.emulator.maps.jhash import jhash
from bpfvm.emulator.maps.lru_hash import LruHashed
from bpfvm.emulator.maps.lru_list import (
    ACTIVE,
    AGING,
    COUNTS,
    CPU,
    FREE,
    FRESH,
    INACTIVE,
    LOCAL,
    PENDING,
    ROTATION,
    STATE,
    CommonLru,
)
from bpfvm.emulator.maps.table import HASH, HEADER
from bpfvm.obj.model import MapSpec


def check(store: LruHashed) -> set[int]:
    """AssertionError, in words, for the first thing that does not hold. The elements that hold keys."""
    words, held = store.system.arena.view.cast("I"), _in_buckets(store)
    where = _in_lists(store)
    for node, (kind, cpu) in where.items():
        state = words[node + STATE >> 2]
        assert state & 0xFF == kind, f"{node:#x} is in list {kind}, and by its state in {state & 0xFF}"
        if kind in (LOCAL, PENDING):
            assert kind == LOCAL or state >> 8 == cpu, f"{node:#x} is CPU {cpu}'s, and by its state {state >> 8}'s"
        is_free = kind in (FREE, LOCAL)
        assert is_free != (node - HEADER in held), f"{node:#x} in list {kind} is{' not' * (not is_free)} in a bucket"
    assert {one + HEADER for one in held} <= set(where), "what holds a key is in a list"
    return held


def capacity(spec: MapSpec, cpus: int) -> int:
    """Elements that a map has at most."""
    own = bool(spec.flags & 2)  # BPF_F_NO_COMMON_LRU
    return -(-spec.max_entries // cpus) * cpus if own else spec.max_entries


def _in_buckets(store: LruHashed) -> set[int]:
    table, words = store.table, store.system.arena.view.cast("I")
    found: set[int] = set()
    keys: set[bytes] = set()
    for bucket in range(table.buckets):
        element = words[table.first + bucket]
        while element:
            key = table.key_of(element)
            assert element not in found, f"{element:#x} is in buckets twice"
            assert key not in keys, f"two elements have the key {key.hex()}"
            assert words[element + HASH >> 2] == jhash(key), f"the hash at {element:#x} is not of its key"
            assert jhash(key) & table.buckets - 1 == bucket, f"{element:#x} is in another key's bucket"
            found.add(element)
            keys.add(key)
            element = words[element >> 2]
    assert len(table) == len(found), f"{len(table)} elements are counted, and {len(found)} are there"
    assert len(found) <= capacity(store.spec, store.system.cpus), f"{len(found)} elements"
    return found


def _in_lists(store: LruHashed) -> dict[int, tuple[int, int]]:
    """All elements of lists: the list's kind, and its CPU."""
    words, control, cpus = store.system.arena.view.cast("I"), store.lists.control, store.system.cpus
    common = isinstance(store.lists, CommonLru)
    agings = [control] if common else [control + 4 * AGING * cpu for cpu in range(cpus)]
    heads = [(aging + 8 * kind, kind, cpu) for cpu, aging in enumerate(agings) for kind in (ACTIVE, INACTIVE, FREE)]
    for cpu in range(cpus) if common else ():
        here = control + 4 * (AGING + CPU * cpu)
        heads += [(here, LOCAL, cpu), (here + 8, PENDING, cpu)]
    found: dict[int, tuple[int, int]] = {}
    for head, kind, cpu in heads:
        size = 0
        before, node = head, words[head + 4 >> 2]
        while node != head:
            assert words[node >> 2] == before, f"{node:#x} leads back to {words[node >> 2]:#x}, not to {before:#x}"
            assert node not in found, f"{node:#x} is in two lists: {found[node]} and {(kind, cpu)}"
            found[node], size = (kind, cpu), size + 1
            before, node = node, words[node + 4 >> 2]
        assert words[head >> 2] == before, "the head leads back to the last one"
        if kind in (ACTIVE, INACTIVE):
            counted = words[(agings[cpu] >> 2) + COUNTS + kind]
            assert counted == size, f"{size} elements in list {kind}, and {counted} are counted"
    for cpu, aging in enumerate(agings):
        place = words[(aging >> 2) + ROTATION]
        assert place == aging + 8 * INACTIVE or found.get(place) == (INACTIVE, cpu), "aging goes on among inactive ones"
    fresh = sum(words[(aging >> 2) + FRESH] for aging in agings)
    assert len(found) + fresh == capacity(store.spec, cpus), f"{len(found)} elements in lists and {fresh} never used"
    return found
