"""Every operator on every pair of classes, over edge values: the compiled program against CPython."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest

from bpfvm.compiler import compile_program
from bpfvm.core.bits import M64
from bpfvm.core.diag import CompileError
from bpfvm.lang.types.operators import BINARY
from tests.unit.compiler.generated import SCALARS, forget, function_of
from tests.unit.compiler.machines import in_cpython, machine

WORDS = (0, 1, 5, 63, 64, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**63 + 1, M64 - 6, M64)
FEW = (0, 1, 5, 2**63, M64 - 6, M64)
CLASSES = ("u64", "s64", "u32", "s32", "int", "bool")
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


def check(text: str, floor: int, words: Sequence[int] = WORDS) -> int:
    """Compile and compare over `words` for each parameter; 0 where the compiler refuses."""
    function = function_of(text)
    try:
        with machine(function) as made:
            inputs = list(itertools.product(words, repeat=function.__code__.co_argcount))
            for given in inputs:
                want, got = in_cpython(function, given), made.run(given)
                assert got == want, f"{text}\nf{given}: CPython {want}, compiled {got}"
        count = len(inputs)
    except CompileError:
        count = 0
    finally:
        forget(function)
    print(f"{count} results: {text}")
    assert count >= floor
    return count


@pytest.mark.parametrize("symbol", [row.symbol for row in BINARY])
@pytest.mark.parametrize("left", CLASSES)
def test_binary(left: str, symbol: str) -> None:
    """An operator gives CPython's number, or CPython's exception at its line."""
    for right in CLASSES:
        mixed = {left, right} == {"u64", "s64"} or (left == "bool" and right in ("u64", "s64"))
        unbounded = symbol == "<<" and right not in ("bool",) and not {left, right} & {"u64", "s64"}
        accepted = not mixed and not unbounded
        result = "s64" if "s64" in (left, right) else "u64"
        text = f"def f(a: {left}, b: {right}) -> u64:\n    return u64(a {symbol} b)\n"
        check(text, len(WORDS) ** 2 if accepted else 0)
        if accepted:
            check(
                f"def f(a: {left}, b: {right}) -> {result}:\n    a {symbol}= b\n    return {result}(a)\n", len(FEW), FEW
            )


@pytest.mark.parametrize("symbol", COMPARISONS)
def test_comparisons(symbol: str) -> None:
    """Values compare, whatever their classes: s64(-1) < u64(0)."""
    for left, right in itertools.product(CLASSES, repeat=2):
        check(f"def f(a: {left}, b: {right}) -> bool:\n    return a {symbol} b\n", len(WORDS) ** 2)


@pytest.mark.parametrize("divisor", [1, 2, 3, 7, 8, 1 << 31, 1 << 32, 1 << 63, M64, -1, -2, -3, -8, -(1 << 63), 0])
@pytest.mark.parametrize("symbol", ["//", "%"])
def test_constant_divisors(symbol: str, divisor: int) -> None:
    for kind in ("u64", "s64", "u32", "s32", "int"):
        if divisor:  # 0 is an error of the text: tests/golden/compile/e025_zero_divisor.py
            check(f"def f(a: {kind}) -> s64:\n    return s64(a {symbol} {divisor})\n", len(WORDS))
        check(f"def f(a: {kind}) -> s64:\n    return s64({divisor} {symbol} a)\n", len(WORDS))


@pytest.mark.parametrize("count", [0, 1, 31, 32, 63, 64, 65, 100])
def test_constant_counts(count: int) -> None:
    for kind in CLASSES:
        for symbol in ("<<", ">>"):
            check(f"def f(a: {kind}) -> u64:\n    return u64(a {symbol} {count})\n", len(WORDS))


@pytest.mark.parametrize("kind", CLASSES)
def test_unary_and_builtins(kind: str) -> None:
    for text in (
        "-a",
        "+a",
        "~a",
        "abs(a)",
        "not a",
        "int(a)",
        "bool(a)",
        "a ** 3",
        "a ** 0",
        "min(a, 5)",
        "max(a, -5)",
    ):
        check(f"def f(a: {kind}) -> u64:\n    return u64({text})\n", len(WORDS))
    for other in CLASSES:
        for name in ("min", "max"):
            text = f"def f(a: {kind}, b: {other}) -> u64:\n    return u64({name}(a, b, 3))\n"
            check(text, len(WORDS) ** 2 if {kind, other} != {"u64", "s64"} else 0)


@pytest.mark.parametrize("target", ["u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "be16", "be32", "be64"])
def test_casts(target: str) -> None:
    for kind in CLASSES:
        check(f"def f(a: {kind}) -> s64:\n    return s64({target}(a) * 3)\n", len(WORDS))
        if not target.startswith("be"):
            check(f"def f(a: {kind}) -> {target}:\n    return a\n", len(WORDS))


def test_wrapping_idioms_need_no_cast() -> None:
    """`& C` and `% 2**k` of a value past 64 bits are exact again."""
    assert check("def f(a: u64, b: u32) -> bool:\n    return (int(a) * b * b & 0xFFFF_FFFF) > 77\n", 100)
    assert check("def f(a: u64, b: u32) -> bool:\n    return int(a) * b * b % 2**32 > 77\n", 100)
    assert check("def f(a: u64, b: u32) -> bool:\n    return int(a) * -b % 2**64 > 77\n", 100)
    assert check("def f(a: u64, b: u32) -> u64:\n    return (int(a) * b & b) // 3\n", 100)


def test_deep_growth_is_bounded() -> None:
    """Squares of squares: what is known of them is bounded, and with it the time to compile them."""
    few, many = ("\n".join(["    x = x * x"] * times) for times in (12, 2000))
    assert check(f"def f(a: u64) -> u64:\n    x = int(a)\n{few}\n    return u64(x & 0xFF)\n", 10)
    function = function_of(f"def f(a: u64) -> u64:\n    x = int(a)\n{many}\n    return x // 3\n")
    with pytest.raises(CompileError, match="E040"):
        compile_program(function, SCALARS)
