"""Intervals are sound: what an operator computes lies in what its interval rule says."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bpfvm.lang.types import interval
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import BINARY, UNARY, Operator

EDGES = [sign * ((1 << k) + d) for k in (0, 1, 7, 8, 31, 32, 63, 64, 70) for d in (-1, 0, 1) for sign in (1, -1)]
numbers = st.integers(-40, 40) | st.sampled_from(EDGES)


@st.composite
def member(draw: st.DrawFn, small: bool = False) -> tuple[Interval, int]:
    """An interval and one of its values."""
    source = st.integers(-20, 90) if small else numbers
    lo, hi = sorted((draw(source), draw(source)))
    return Interval(lo, hi), draw(st.integers(lo, hi) | st.sampled_from([lo, hi]))


@given(st.sampled_from(BINARY), st.data())
def test_binary_ranges_hold_every_result(row: Operator, data: st.DataObject) -> None:
    a, x = data.draw(member())
    b, y = data.draw(member(small=row.faults == "count"))
    if (row.faults == "zero" and y == 0) or (row.faults == "count" and y < 0):
        return  # the program ends there
    assert row.exact(x, y) in row.range(a, b), f"{x} {row.symbol} {y}: {a} {b}"


@given(st.sampled_from(UNARY), member())
def test_unary_ranges_hold_every_result(row: Operator, pair: tuple[Interval, int]) -> None:
    a, x = pair
    assert row.exact(x) in row.range(a)
    assert abs(x) in interval.abs_(a)


@given(member(), member())
def test_union_and_meet(one: tuple[Interval, int], two: tuple[Interval, int]) -> None:
    (a, x), (b, y) = one, two
    assert x in a.union(b)
    assert y in a.union(b)
    both = a.meet(b)
    assert (x in b) == (both is not None and x in both)


def test_exact_is_what_a_register_can_hold() -> None:
    assert Interval(0, (1 << 64) - 1).exact
    assert Interval(-(1 << 63), (1 << 63) - 1).exact
    assert not Interval(-1, 1 << 63).exact
    assert not Interval(0, 1 << 64).exact
