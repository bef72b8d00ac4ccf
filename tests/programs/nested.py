"""Maps in maps."""

from __future__ import annotations

from bpfvm import Array, ArrayOf, Hash, HashOf, struct, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Slot:
    count: u64 = 0
    last: u32 = 0


first = Array(u64, 4, name="first")
second = Array(u64, 4, name="second")
tables = ArrayOf(Array(u64, 4), 4, {0: first, 2: second}, name="tables")
people = Hash(u32, Slot, 8, name="people")
groups = ArrayOf(Hash(u32, Slot, 8), 2, {1: people}, name="groups")
empty = HashOf(u32, Array(u64, 4), 4, name="empty")


@case((0, 1, 5), (2, 1, 6), (0, 1, 7), (1, 0, 1), (0, 4, 1), (9, 0, 1))
def nested_arrays(which: u32, i: u32, n: u32) -> u64:
    """A map that is not there is a fault, as an index outside of one is."""
    tables[which][i] += n
    first[i] += 1
    inner = tables[which]
    inner[3] = inner[3] + n
    return tables[which][i] * 100 + inner[3]


@case((1, 5), (1, 6), (0, 5), (1, 5))
def nested_hashes(which: u32, k: u32) -> u64:
    """Structs of a hash in an array."""
    if which not in groups:
        return 1
    group = groups[which]
    found = group.get(k)
    if found is None:
        group[k] = Slot(last=k)
        return 2
    group[k].count += 3
    old = groups[which].pop(k, None)
    people[k] = Slot(count=found.last)
    return old.count if old is not None else 7


@case((1,), (2,), (3,))
def nested_empty(k: u32) -> u64:
    """Nothing stands in it."""
    if k in empty:
        return 1
    return 5 if k == 2 else empty[k][0]
