"""u64 and s64: every operator of the table computes the exact integer and wraps it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bpfvm.lang.types.operators import BINARY, UNARY, Operator
from bpfvm.lang.types.scalars import Storage, s64, u64

EDGES = sorted({sign * ((1 << k) + d) for k in (0, 1, 8, 31, 32, 62, 63, 64) for d in (-1, 0, 1) for sign in (1, -1)})
words = st.integers(-(1 << 64), 1 << 64) | st.sampled_from(EDGES)


def expected(cls: Storage, row: Operator, a: int, b: int) -> Any:
    """What CPython's own integers say, wrapped; an exception's class where they raise."""
    if row.name in ("lshift", "rshift") and b > 200:
        b = 200  # the low 64 bits no longer change, and Python need not build the number
    if not cls.is_signed and row.name in ("floordiv", "mod") and (a < 0 or b < 0):
        return ValueError
    try:
        return cls.wrap(row.exact(a, b))
    except (ZeroDivisionError, ValueError) as error:
        return type(error)


def outcome(row: Operator, a: Any, b: Any) -> Any:
    try:
        return row.exact(a, b)
    except (ZeroDivisionError, ValueError) as error:
        return type(error)


@given(st.sampled_from([u64, s64]), st.sampled_from(BINARY), words, words, st.booleans(), st.booleans())
def test_operators_wrap_the_exact_result(cls: Storage, row: Operator, a: int, b: int, left: bool, right: bool) -> None:
    left = left or not right  # at least one operand is modular
    x, y = (cls(a) if left else a), (cls(b) if right else b)
    got = outcome(row, x, y)
    assert got == expected(cls, row, int(x), int(y)), f"{cls.__name__}: {x!r} {row.symbol} {y!r}"
    if not isinstance(got, type):
        assert type(got) is cls


@given(st.sampled_from([u64, s64]), st.sampled_from(UNARY), words)
def test_unary_operators_wrap(cls: Storage, row: Operator, a: int) -> None:
    got = row.exact(cls(a))
    assert got == cls.wrap(row.exact(int(cls(a))))
    assert type(got) is cls


@pytest.mark.parametrize("row", BINARY, ids=lambda row: row.name)
def test_mixing_the_two_is_a_type_error(row: Operator) -> None:
    with pytest.raises(TypeError, match="mixing"):
        row.exact(u64(1), s64(1))
    with pytest.raises(TypeError, match="mixing"):
        row.exact(s64(1), u64(1))


def test_values_compare_as_values() -> None:
    assert s64(-1) < u64(0)
    assert u64(-1) == (1 << 64) - 1
    assert hash(u64(7)) == hash(7)


@pytest.mark.parametrize("cls", [u64, s64])
def test_floats_are_refused(cls: Storage) -> None:
    with pytest.raises(TypeError, match="use //"):
        cls(1) / 2
    with pytest.raises(TypeError):
        cls(1) + 1.5
    with pytest.raises(TypeError, match="takes an integer, not float"):
        cls(1.5)


@pytest.mark.parametrize(
    ("expression", "want"),
    [
        (lambda: divmod(u64(7), 2), (3, 1)),
        (lambda: divmod(7, u64(2)), (3, 1)),
        (lambda: u64(3) ** 70, 3**70 % 2**64),
        (lambda: s64(-(1 << 63)) // -1, -(1 << 63)),
        (lambda: abs(s64(-(1 << 63))), -(1 << 63)),
        (lambda: u64(1) << 10**9, 0),
        (lambda: 5 - u64(6), 2**64 - 1),
    ],
)
def test_corner_cases(expression: Any, want: Any) -> None:
    got = expression()
    assert got == want
    assert type(got[0] if isinstance(got, tuple) else got) in (u64, s64)
