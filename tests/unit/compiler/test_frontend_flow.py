"""Joins, conditions and what they teach: small bodies, each over all pairs of words that sit at its edges."""

from __future__ import annotations

import itertools

import pytest

from bpfvm.core.bits import M64
from tests.unit.compiler.generated import forget, function_of
from tests.unit.compiler.machines import in_cpython, machine

WORDS = (0, 1, 4, 5, 6, 9, 10, 63, 64, 65, 99, 100, 101, 127, 128, 2**31, 2**63 - 1, 2**63, M64 - 9, M64)

BODIES = {
    # what is known after a join is what every way knows
    "facts of both ways": """
        if a > 100:
            return 0
        if a < 5:
            pass
        elif b:
            pass
        return 1 if a < 5 else 2""",
    "facts of one way": """
        if a < 10 and b:
            c = 1
        else:
            c = 2
        return c * 100 + (a < 10)""",
    "a return on one way": """
        if b > 9:
            return 7
        return 1 if b < 10 else 2""",
    # one register may be two values, and one value two registers
    "a constant that equals a name on one way": """
        c = (a and 0) if b > 5 else a
        return u64(c)""",
    "a constant on both ways": """
        c = 0 if a else 0
        d = c if b else a
        return u64(d)""",
    "the same name on both ways": """
        c = a if b else a
        if c > 9:
            return a
        return c + 1000""",
    "a cast that reads the same register otherwise": """
        c = s64(a)
        if c < 0:
            return 1 if a > 2**63 - 1 else 2
        return 3 if a < 2**63 else 4""",
    "a cast on one way": """
        c = int(a) if b else a
        return u64(c >> 3)""",
    "a swap under a condition": """
        if a > b:
            a, b = b, a
        a, b, c = b, a, a
        return u64(a) - b * 3 + c""",
    "an old value after its name is bound again": """
        c = a
        a = b
        if c < 10:
            a = c
        return a * 7 + c""",
    # operands, and how often they are evaluated
    "a chain": "return (a < (c := b) <= 100) * 1000 + c",
    "a chain that stops": """
        d = 0
        e = a < b < (d := 7)
        return e * 10 + d""",
    "and gives an operand": "return u64(a and b) * 3 + (a or b)",
    "nested and, or, not": "return u64(not (a > 5 and (b < 9 or not a > 99)) or (a == 4 and b))",
    "a walrus in a condition": """
        if (c := a & 15) > 3 or (c := b & 7):
            return c
        return c + 100""",
    "conditional expressions in each other": "return (1 if a < 5 else 2 if b else 3) if a != 64 else 4 if b else 5",
    "min and max keep the first": "return u64(min(a, b, 9)) * 1000 + u64(max(a, 64, b))",
    "min of a refined name": """
        if a >= 9:
            return u64(min(a, 9)) + u64(max(a, 8))
        return u64(a)""",
    # counts around the width of a register
    "a count of 64 at most": "return (a << b % 65) ^ (a >> b % 65)",
    "a count of 63 at most": "return (a << b % 64) ^ (a >> b % 64)",
    "a signed shift by 64 at most": "return u64(s64(a) >> b % 65)",
    "a signed shift by 100 at most": "return u64(s64(a) >> b % 101)",
    "a power of two": "return u64(2) ** (b % 70) + 2 ** (a % 64)",
    # truth
    "truth of a signed number": """
        c = s64(a)
        return 10 // c if c and c + 1 and c > -11 else u64(bool(c)) + 50""",
    "truth of the least number": """
        c = s8(a)
        return (1 if c == -128 else 2 if c == 127 else 3) if c else 4""",
    "is": "return ((a > 5) is True) * 4 + ((a > 5) is not False) * 2 + (b is None) + (None is None) * 8",
    "assignments to several names": """
        c = d = a + b
        d -= 1
        (e, f), g = (c, d), 5
        return u64(e) * 3 + f * g""",
    "an annotation that holds": """
        c: u8 = b & 0xFF
        d: u64 = a
        e: int
        return d + c""",
    "a pass and a text": """
        "what it does"
        ...
        pass
        return a""",
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies(name: str) -> None:
    body = BODIES[name].replace("\n    ", "\n") if BODIES[name].startswith("\n") else f"\n    {BODIES[name]}"
    function = function_of(f"def f(a: u64, b: u32) -> u64:{body}\n")
    try:
        with machine(function) as made:
            for words in itertools.product(WORDS, repeat=2):
                assert made.run(words) == in_cpython(function, words), words
    finally:
        forget(function)
    print(f"{len(WORDS) ** 2} inputs")
