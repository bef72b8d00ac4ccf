"""Arithmetic on narrow machines, exhaustively: what an operation gives lies in what the model makes of its operands.

Words of 8 bits: tnums with tnums, all pairs; every tnum and every range with every operation of one operand, cast and
shift; every tnum with every constant (every eighth for halves), and every range with a few, in arithmetic and
comparisons. Words of 4 bits: all pairs of tnums and of ranges of either sign, mixed ones too.
BPFVM_EXHAUSTIVE=1 tries all of it, on all processors; without it a part that is drawn anew from the same seed.
"""

from __future__ import annotations

import functools
import itertools
import multiprocessing
import os
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from tests.unit.verifier.narrow import Machine, narrow

ALL = os.environ.get("BPFVM_EXHAUSTIVE") == "1"
UNARY_STATES, CONSTANT_PAIRS, PAIRS, TNUMS = 250, 40, 250, 12  # of each operation, where not all are tried
RIGHT = 3  # constants to a range; to a tnum all of them, where all is tried
Words = tuple[int, ...]


@functools.cache
def machine(word: int) -> Machine:
    return narrow(word)


def parts(word: int) -> Iterator[dict[str, Any]]:
    """What may be known of a word from one view: every tnum, every range of either sign and of the half."""
    one = machine(word)
    yield from ({"known": known} for known in one.tnums())
    for name, bits in (("unsigned", word), ("half", one.half)):
        for low, high in itertools.combinations_with_replacement(range(1 << bits), 2):
            yield {name: (low, high)}
    for name, bits in (("signed", word), ("signed_half", one.half)):
        ends = range(-(1 << bits - 1), 1 << bits - 1)
        yield from ({name: pair} for pair in itertools.combinations_with_replacement(ends, 2))


@functools.cache
def states(word: int) -> tuple[tuple[Any, Words], ...]:
    """A register for each of `parts`, and its words."""
    one = machine(word)
    regs = [one.reg(**part) for part in parts(word)]
    return tuple((reg, tuple(one.members(reg))) for reg in regs)


def sampled(found: Any, count: int, seed: object) -> list[Any]:
    """All of them, or as many as are tried by default."""
    return list(found) if ALL or len(found) <= count else random.Random(str(seed)).sample(list(found), count)


# Operations on words: bits, then operands, as unsigned numbers


def _shift(name: str) -> Callable[[int, int, int], int]:
    def compute(bits: int, a: int, b: int) -> int:
        cut = (1 << bits) - 1
        a, b = a & cut, b & bits - 1
        if name == "arsh":
            a = a - (1 << bits) if a >> bits - 1 else a
        return (a << b if name == "lsh" else a >> b) & cut

    return compute


BINARY: Mapping[str, Callable[[int, int, int], int]] = {
    "add": lambda bits, a, b: a + b, "sub": lambda bits, a, b: a - b, "mul": lambda bits, a, b: a * b,
    "and": lambda bits, a, b: a & b, "or": lambda bits, a, b: a | b, "xor": lambda bits, a, b: a ^ b,
    "neg": lambda bits, a, b: -a,
    **{name: _shift(name) for name in ("lsh", "rsh", "arsh")},
}  # fmt: skip
_COMPARED: Mapping[str, Callable[[int, int], bool]] = {
    "jeq": lambda a, b: a == b, "jne": lambda a, b: a != b, "jset": lambda a, b: bool(a & b),
    "jgt": lambda a, b: a > b, "jge": lambda a, b: a >= b, "jlt": lambda a, b: a < b, "jle": lambda a, b: a <= b,
}  # fmt: skip
JUMPS = (*_COMPARED, "jsgt", "jsge", "jslt", "jsle")


def goes(one: Machine, name: str, bits: int, a: int, b: int) -> bool:
    """Whether the jump is taken."""
    cut = (1 << bits) - 1
    a, b = a & cut, b & cut
    if name[1] == "s" and name != "jset":
        return _COMPARED[f"j{name[2:]}"](one.signed(a, bits), one.signed(b, bits))
    return _COMPARED[name](a, b)


def check_all(one: Machine, result: Any, values: set[int], said: object) -> None:
    for value in values:
        assert one.holds(result, value), (said, value, result)


def check_operation(
    one: Machine, name: str, bits: int, left: tuple[Any, Words], right: tuple[Any, Words]
) -> None:  # fmt: skip
    result = left[0].copy()
    one.scalar.compute(name, bits, result, left[0] if name == "neg" else right[0])
    cut = (1 << bits) - 1
    values = {BINARY[name](bits, a, b) & cut for a in left[1] for b in right[1]}
    check_all(one, result, values, (name, bits, left[0], right[0]))


def check_jump(one: Machine, name: str, bits: int, left: tuple[Any, Words], right: tuple[Any, Words]) -> None:
    """The way that is taken is not ruled out, and what it tells holds for both words."""
    taken: dict[bool, tuple[set[int], set[int]]] = {True: (set(), set()), False: (set(), set())}
    for a in left[1]:
        for b in right[1]:
            one_way = taken[goes(one, name, bits, a, b)]
            one_way[0].add(a)
            one_way[1].add(b)
    said = one.compare.outcome(name, left[0], right[0], bits)
    for way, (mine, theirs) in taken.items():
        if not mine:
            continue
        assert said in (None, way), (name, bits, left[0], right[0])
        a, b = left[0].copy(), right[0].copy()
        one.compare.refine(name if way else one.compare.OPPOSITE[name], a, b, bits)
        check_all(one, a, mine, (name, bits, way, left[0], right[0], "left"))
        check_all(one, b, theirs, (name, bits, way, left[0], right[0], "right"))


# Tnums with tnums: the model's functions on arrays of numpy, one tnum on the left, all on the right

_TNUMS: Mapping[str, str] = {"add": "add", "sub": "sub", "and": "and_", "or": "or_", "xor": "xor", "mul": "mul"}


@functools.cache
def _every_tnum() -> tuple[list[tuple[int, int]], np.ndarray, np.ndarray]:
    found = list(machine(8).tnums())
    return found, np.array([one[0] for one in found]), np.array([one[1] for one in found])


@functools.cache
def _less_one() -> np.ndarray:
    """Index of each tnum with one of its unknown bits set or cleared, itself where that bit is known: 16 columns."""
    found, _, _ = _every_tnum()
    index = {one: at for at, one in enumerate(found)}
    rows = [[index[value | part, mask & ~bit] if mask & bit else at
             for bit in (1 << n for n in range(8)) for part in (0, bit)]
            for at, (value, mask) in enumerate(found)]  # fmt: skip
    return np.array(rows)


@pytest.mark.parametrize("name", _TNUMS)
def test_tnums_with_tnums(name: str) -> None:
    """By induction: of known bits alone the result is exact, and a result for an unknown bit covers those for either
    value of it, on the right for every tnum on the left and on the left for every one on the right."""
    found, values, masks = _every_tnum()
    operation = getattr(machine(8).tnum, _TNUMS[name])
    less, pairs = _less_one(), 0
    known: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def row(at: int) -> tuple[np.ndarray, np.ndarray]:
        if at not in known:
            if len(known) > 600:
                known.clear()
            value, mask = operation(found[at], (values, masks))
            known[at] = np.broadcast_to(value, values.shape), np.broadcast_to(mask, values.shape)
        return known[at]

    def covers(outer: tuple[np.ndarray, np.ndarray], inner: tuple[np.ndarray, np.ndarray]) -> bool:
        return not np.any((inner[1] & ~outer[1]) | ((inner[0] & ~outer[1]) ^ outer[0]))

    constants = masks == 0
    for at in sampled(range(len(found)), TNUMS, name):
        result = row(at)
        for column in range(16):
            other = less[:, column]
            assert covers(result, (result[0][other], result[1][other])), (name, found[at])
        for other in set(less[at]) - {at}:
            assert covers(result, row(other)), (name, found[at], found[other])
        value, mask = found[at]
        if not mask:
            exact = np.array([BINARY[name](8, value, int(one)) & 0xFF for one in values[constants]])
            assert not np.any(result[1][constants]), (name, found[at])
            assert np.array_equal(result[0][constants], exact), (name, found[at])
        pairs += len(found)
    assert pairs >= TNUMS * 3**8
    print(f"{name}: {pairs} pairs of tnums")


# One operand, and one with a constant, on words of 8 bits


def casts(one: Machine) -> Iterator[tuple[str, Callable[[Any], Any], Callable[[int], int]]]:
    """What is made of one word: its name, on a state, on a word."""
    scalar, half = one.scalar, one.half

    def signed(size: int, bits: int, reg: Any) -> None:
        scalar.sign_extend(reg, size, bits)
        if bits == half:
            scalar.extend32(reg)
        scalar.sync(reg)

    def extended(reg: Any) -> None:
        scalar.extend32(reg)
        scalar.sync(reg)

    yield "sync", scalar.sync, lambda value: value
    yield "extend32", extended, lambda value: _cut(half, value)
    for size in (1, 2, 4):
        width = size * one.word // 8
        yield f"truncate {size}", functools.partial(_truncated, one, size), functools.partial(_cut, width)
        for bits in (half, one.word):
            if width < bits:
                name = f"movs {size} of {bits}"
                yield name, functools.partial(signed, size, bits), functools.partial(_extended, width, bits)
    for name, width in itertools.product(("le", "be", "bswap"), (one.word // 4, half, one.word)):
        yield (
            f"{name} {width}",
            functools.partial(_swap, one, name, width),
            functools.partial(_ordered, one, name, width),
        )


def _truncated(one: Machine, size: int, reg: Any) -> None:
    one.scalar.truncate(reg, size)


def _swap(one: Machine, name: str, width: int, reg: Any) -> None:
    one.scalar.swap(reg, name, width)


def _cut(width: int, value: int) -> int:
    return value & (1 << width) - 1


def _extended(width: int, bits: int, value: int) -> int:
    return _cut(bits, machine(8).signed(value, width))


def _ordered(one: Machine, name: str, width: int, value: int) -> int:
    value = _cut(width, value)
    byte = one.word // 8
    if name == "le":
        return value
    return sum((value >> at & (1 << byte) - 1) << width - byte - at for at in range(0, width, byte))


@pytest.mark.parametrize("name", [name for name, _, _ in casts(narrow(8))])
def test_casts(name: str) -> None:
    one = machine(8)
    _, change, compute = next(row for row in casts(one) if row[0] == name)
    chosen = sampled(range(len(_parts8())), UNARY_STATES, name)
    for at in chosen:
        reg = one.reg(**_parts8()[at])
        words = one.members(reg)
        change(reg)
        check_all(one, reg, {compute(value) for value in words}, (name, _parts8()[at]))


@functools.cache
def _parts8() -> tuple[dict[str, Any], ...]:
    return tuple(parts(8))


def with_constants(name: str, bits: int) -> int:
    """Every state with every constant on the right, of an operation or a jump; how many."""
    one = machine(8)
    shift = name in ("lsh", "rsh", "arsh")
    numbers = range(1 if name == "neg" else bits if shift else 256)
    pairs = 0
    constants = {number: (one.reg(known=(number, 0)), (number,)) for number in numbers}
    chosen = sampled(range(len(_parts8())), CONSTANT_PAIRS, (name, bits))
    for at in chosen:
        reg = one.reg(**_parts8()[at])
        left = reg, tuple(one.members(reg))
        few: Sequence[int] = random.Random(at).sample(numbers, min(len(numbers), RIGHT))
        if ALL and (shift or "known" in _parts8()[at]):
            few = numbers if shift or bits == one.word else numbers[at % 8 :: 8]  # the upper half hardly counts
        for number in few:
            (check_jump if name in JUMPS else check_operation)(one, name, bits, left, constants[number])
            pairs += 1
    return pairs


def all_pairs(name: str, bits: int) -> int:
    """Every state with every state, on words of 4 bits; how many."""
    one, found = machine(4), states(4)
    every = len(found) ** 2
    chosen = range(every) if ALL else random.Random(name).sample(range(every), PAIRS)
    check = check_jump if name in JUMPS else check_operation
    for at in chosen:
        check(one, name, bits, found[at // len(found)], found[at % len(found)])
    return len(chosen)


@pytest.mark.parametrize("bits", ["half", "word"])
@pytest.mark.parametrize("name", [*BINARY, *JUMPS])
def test_operations_and_jumps(name: str, bits: str) -> None:
    wide, less = (8, 4) if bits == "word" else (4, 2)
    if ALL:
        with multiprocessing.get_context("spawn").Pool(2) as pool:
            first = pool.apply_async(with_constants, (name, wide))
            pairs, constants = pool.apply(all_pairs, (name, less)), first.get()
    else:
        pairs, constants = all_pairs(name, less), with_constants(name, wide)
    print(f"{name} {bits}: {constants} with constants of 8 bits, {pairs} pairs of 4 bits")


def test_a_planted_error_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subtraction that takes the wrong ends of the right operand."""
    one = machine(4)
    right = one.scalar._sub

    def planted(dst: Any, src: Any) -> None:
        other = src.copy()
        other.umin, other.umax = src.umax, src.umin
        right(dst, other)

    monkeypatch.setitem(one.scalar._PLAIN, "sub", planted)
    with pytest.raises(AssertionError):
        all_pairs("sub", 4)
