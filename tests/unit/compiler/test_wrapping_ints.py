"""`ints="wrap"`: exact integers that do not fit wrap as s64 does; the same function with s64 all along must agree."""

from __future__ import annotations

import itertools
import random

import pytest

from bpfvm import CompileError, UsageError, bpf, s64, u8, u32, u64

M64 = 2**64 - 1


@bpf.function(ints="wrap")
def wrapped(a: u64, b: u32, n: u8) -> s64:
    """A hash that grows without end, compared, divided and shifted."""
    x = int(a) * b * b + 7
    for i in range(n):
        x = x * 31 + i
    if x > 5:
        x = x >> 3
    y = -x * 2 - 1
    return x // 7 + y % 1000 + (b << n) + (x**3 & 0xFFFF)


@bpf.function
def modular(a: u64, b: u32, n: u8) -> s64:
    """The same in s64."""
    x = s64(a) * b * b + 7
    for i in range(n):
        x = x * 31 + i
    if x > 5:
        x = x >> 3
    y = -x * 2 - 1
    return x // 7 + y % 1000 + (s64(b) << n) + (x**3 & 0xFFFF)


def test_it_wraps_as_s64() -> None:
    chance, compared = random.Random(3), 0
    words = [0, 1, 7, 2**31, 2**32 - 1, 2**63 - 1, 2**63, M64, *(chance.getrandbits(64) for _ in range(8))]
    with wrapped.session("interp") as mine, modular.session("interp") as reference:
        for a, b, n in itertools.product(words, (0, 1, 3, 2**31, 2**32 - 1), (0, 1, 2, 31, 63, 64, 255)):
            got = mine.outcome(wrapped.input((a, b, n))).value
            assert got == reference.outcome(modular.input((a, b, n))).value, (a, b, n)
            compared += 1
    print(f"{compared} inputs")
    assert compared >= 500


def test_check_leaves_cpython_out() -> None:
    assert "cpython" not in wrapped.check(M64, 3, 5).engines
    assert "cpython" in modular.check(M64, 3, 5).engines


def test_it_is_an_error_otherwise() -> None:
    function = wrapped.function
    assert function is not None
    with pytest.raises(CompileError, match="E040"):
        bpf.function(function).emulate(1, 2, 3)


def test_other_ways_are_refused() -> None:
    with pytest.raises(UsageError, match="'exact', 'wrap', 'checked'"):
        bpf.xdp(ints="c")
