"""Tnums: every operation stands for every result of its operands, over all tnums of few bits."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest

from bpfvm.core.bits import M64, signed
from bpfvm.verifier.domain import tnum
from bpfvm.verifier.domain.tnum import Tnum

BITS = 4
CUT = (1 << BITS) - 1


def every(bits: int) -> Iterator[Tnum]:
    """All tnums of so many bits."""
    return ((value, mask) for mask in range(1 << bits) for value in range(1 << bits) if not value & mask)


def members(one: Tnum) -> Iterator[int]:
    """The numbers that `one` stands for; it has few unknown bits."""
    part = one[1]
    while True:
        yield one[0] | part
        if not part:
            return
        part = part - 1 & one[1]


BINARY: dict[str, tuple[Callable[[Tnum, Tnum], Tnum], Callable[[int, int], int]]] = {
    "add": (tnum.add, lambda a, b: a + b),
    "sub": (tnum.sub, lambda a, b: a - b),
    "and": (tnum.and_, lambda a, b: a & b),
    "or": (tnum.or_, lambda a, b: a | b),
    "xor": (tnum.xor, lambda a, b: a ^ b),
    "mul": (tnum.mul, lambda a, b: a * b),
}


@pytest.mark.parametrize("name", BINARY)
def test_a_result_stands_for_every_result(name: str) -> None:
    abstract, concrete = BINARY[name]
    pairs = 0
    for a, b in itertools.product(every(BITS), repeat=2):
        result = abstract(a, b)
        assert not result[0] & result[1]
        for left, right in itertools.product(members(a), members(b)):
            assert tnum.contains(result, concrete(left, right) & M64), (a, b, left, right)
        pairs += 1
    assert pairs == 81**2


@pytest.mark.parametrize("by", range(BITS))
def test_shifts_and_halves(by: int) -> None:
    for one in every(BITS):
        for value in members(one):
            assert tnum.contains(tnum.lsh(one, by), value << by)
            assert tnum.contains(tnum.rsh(one, by), value >> by)
            assert tnum.contains(tnum.arsh(one, by, BITS), signed(value, BITS) >> by & CUT)
            assert tnum.contains(tnum.neg(one), -value & M64)


def test_intersection_union_and_order() -> None:
    for a, b in itertools.product(every(3), repeat=2):
        mine, theirs = set(members(a)), set(members(b))
        if mine & theirs:
            assert set(members(tnum.intersect(a, b))) == mine & theirs
        assert mine | theirs <= set(members(tnum.union(a, b)))
        assert tnum.within(a, b) == (theirs <= mine)


def test_ranges_and_what_follows() -> None:
    for low, high in itertools.combinations_with_replacement(range(CUT + 1), 2):
        assert set(range(low, high + 1)) <= set(members(tnum.span(low, high)))
    for one in every(BITS):
        for value in range(CUT + 1):
            above = [number for number in members(one) if number > value]
            assert tnum.following(one, value) == min(above, default=one[0] | one[1])
