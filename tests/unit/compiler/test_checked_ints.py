"""`ints="checked"`: the same as CPython's, or an OverflowError where an exact integer does not fit in 64 bits."""

from __future__ import annotations

import itertools
import linecache
from collections import Counter
from typing import Any

import pytest

from bpfvm import Program, bpf, s32, s64, u8, u16, u32, u64
from bpfvm.core.bits import M64
from bpfvm.lang.faults import OVERFLOW

M32 = 2**32 - 1
MIN64, MAX64 = -(2**63), 2**63 - 1
SIGNED = (0, 1, -1, 2, -2, 3, 7, 2**31, -(2**31), 2**32, 3037000499, 3037000500, MAX64, MAX64 - 1, MIN64, MIN64 + 1)
UNSIGNED = (0, 1, 2, 3, 2**31, M32, 2**32, 2**63 - 1, 2**63, 2**63 + 1, M64 - 1, M64)
OPERANDS: dict[str, tuple[type, str, tuple[int, ...]]] = {
    "unsigned": (u64, "int({})", UNSIGNED),
    "signed": (s64, "int({})", SIGNED),
    "positive": (u64, "(int({}) | 1)", UNSIGNED),
    "narrow": (s32, "{}", (0, 1, -1, 5, 63, 64, 65, -(2**31), 2**31 - 1)),
}
BINARY = ("+", "-", "*", "&", "|", "^", "//", "<<")
UNARY = ("-{}", "~{}", "abs({})", "{} ** 2", "{} ** 3", "{} ** 5", "{} * 7", "{} * -3", "9 - {}", "{} + 2**63",
         "1 << {}", "-5 << {}", "{} << 3", "{} << 70", "{} - 2**63", "{} | -8")  # fmt: skip
COUNTS = 4096  # what CPython is asked to shift by
HEAD = "@bpf.function(ints='checked')\n"


def _made(text: str) -> Program:
    file = f"<checked {abs(hash(text))}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {one.__name__: one for one in (u8, u16, u32, u64, s32, s64)} | {"bpf": bpf}
    exec(compile(text, file, "exec"), space)
    program: Program = space["f"]
    return program


def _exact(body: str, **values: int) -> int | None:
    """What CPython computes, None where it raises."""
    try:
        return int(eval(body, {}, values))
    except (ValueError, ZeroDivisionError):
        return None


def _held(f: Program, body: str, inputs: list[tuple[int, ...]], counts: Counter[str]) -> None:
    """Each result is what CPython computes, or an OverflowError, which only those get that are past the ends of s64,
    and 0 that is shifted far. Where CPython would shift by too much for a test, that is left out."""
    shift = "<<" in body and not body.endswith(("<< 3", "<< 70"))
    inputs = [one for one in inputs if not shift or one[-1] <= COUNTS]
    with f.session("interp") as session:
        for given in inputs:
            outcome = session.outcome(f.input(given))
            exact = _exact(body, **dict(zip("ab", given, strict=False)))
            if outcome.fault is not None and outcome.fault.kind == "OverflowError":
                assert outcome.fault.message == OVERFLOW
                zero = "<<" in body and exact == 0
                assert exact is None or zero or not MIN64 <= exact <= MAX64, (body, given, exact)
                counts["faults"] += 1
            elif exact is None:
                assert outcome.fault is not None, (body, given)
                counts["other faults"] += 1
            else:
                assert outcome.fault is None, (body, given, outcome.fault)
                assert outcome.value == (exact // 3 & M64) ^ (exact < 0), (body, given, exact)
                counts["results"] += 1


def _program(body: str, params: str) -> Program:
    return _made(f"{HEAD}def f({params}) -> u64:\n    x = {body}\n    return u64(x // 3) ^ int(x < 0)\n")


@pytest.mark.parametrize("operator", BINARY)
def test_of_two_numbers(operator: str) -> None:
    counts: Counter[str] = Counter()
    for left, right in itertools.product(OPERANDS.values(), repeat=2):
        body = f"{left[1].format('a')} {operator} {right[1].format('b')}"
        f = _program(body, f"a: {left[0].__name__}, b: {right[0].__name__}")
        _held(f, body, list(itertools.product(left[2], right[2])), counts)
    print(f"{operator}: {dict(counts)}")
    assert counts["results"] >= (150 if operator == "<<" else 500)
    assert counts["faults"] >= (0 if operator == "&" else 5)


@pytest.mark.parametrize("text", UNARY)
def test_of_one_number(text: str) -> None:
    counts: Counter[str] = Counter()
    for kind, written, values in OPERANDS.values():
        body = text.format(written.format("a"))
        _held(_program(body, f"a: {kind.__name__}"), body, [(one,) for one in values], counts)
    print(f"{text}: {dict(counts)}")
    assert counts["results"] >= (3 if "<<" in text else 15)


def test_both_faults_and_numbers_are_as_cpython_has_them() -> None:
    text = """def f(a: u64, b: u32, n: u8) -> u64:
    x = int(a) * b + 7
    for i in range(n):
        x = x * 3 - i
    y = sum(i * x for i in range(n & 7))
    if x > 5:
        x = x ** 2 >> 3
    return u64(x // 7 + y % 1000)
"""
    counts: Counter[str] = Counter()
    f = _made(HEAD + text)
    for given in itertools.product((0, 7, M64), (1, M32), (0, 2, 45)):
        outcome = f.check(*given)
        counts[outcome.fault.kind if outcome.fault is not None else "none"] += 1
        assert ("cpython" in outcome.engines) is (outcome.fault is None), given
    print(dict(counts))
    assert counts["none"] >= 5
    assert counts["OverflowError"] >= 5


def test_what_only_gives_its_low_bits_is_not_tested() -> None:
    text = """def f(a: u64, b: u64) -> u32:
    x = int(a) * int(b) if b < 9 else int(a)
    y = u64(int(a) * int(b) * int(b)) + u32(~int(a) << 40)
    z = (int(a) * 31 + int(b)) & 0xffff_ffff
    assert x >= 0
    return u64(z) + y + (int(a) * int(b) - 5) % 2**16 + x // 2
"""
    f = _made(HEAD + text)
    assert f.check(M64, M64).fault is None
    assert f.check(5, 8).fault is None
    fault = f.check(M64, 8).fault
    assert fault is not None
    assert (fault.kind, fault.source.line if fault.source else 0) == ("OverflowError", 3)


def test_functions_that_compile_without_it_mean_the_same() -> None:
    text = "def f(a: u64, b: u64) -> u64:\n    x = int(a) * int(b)\n    y = x * x\n    return u64(y - x)\n"
    f = _made(HEAD + text)
    assert f.check(M64, M64).fault is None
    assert f.object.programs["f"].insns == _made(f"@bpf.function\n{text}").object.programs["f"].insns


def test_subprograms_end_their_callers() -> None:
    text = "@bpf.func\ndef g(a: u64) -> u64:\n    x = int(a) ** 2\n    return u64(x // 2)\n" + HEAD
    f = _made(text + "def f(a: u64) -> u64:\n    return g(a) + 1\n")
    assert f.check(9).value == 41
    fault = f.check(M64).fault
    assert fault is not None
    assert fault.kind == "OverflowError"
