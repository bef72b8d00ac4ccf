"""Arrays that are gone over, from the first index to the last."""

from __future__ import annotations

from bpfvm import Array, Histogram, struct, u8, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Slot:
    used: u8 = 0
    size: u32 = 0


sizes = Array(u64, 6, name="sizes")
slots = Array(Slot, 5, name="slots")
levels = Histogram(8, name="levels")


@case((0, 3), (5, 9), (2, 2**63), (6, 1))
def iterate_items(i: u32, n: u64) -> u64:
    """Keys with values."""
    sizes[i] = n
    total = u64(0)
    for k, v in sizes.items():
        total += v * (k + 1)
    return total


@case((0, 3), (4, 9), (1, 2), (1, 0))
def iterate_structs(i: u32, n: u32) -> u64:
    """The first that fits is taken: what is stored in it stays."""
    for one in slots.values():
        if not one.used or one.size == n:
            one.used = 1
            one.size = n
            break
    else:
        return 1000
    total = 0
    for k in slots:
        total += slots[k].size * (k + 1)
    return total + i


@case((7,), (130,), (0,))
def iterate_histogram(n: u8) -> u64:
    """All slots of a histogram, changed on the way."""
    levels.add(n)
    most, place = u64(0), 0
    for k, v in levels.items():
        if v >= most:
            most, place = v, k
        if k < 7:
            levels[k + 1] += v
    return most * 10 + place
