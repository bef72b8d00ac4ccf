"""Helpers that every program may call: the same programs on the emulator's tiers and in the kernel give the same."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.helpers import BY_NAME
from kernel_tests.helpers.formats import MOST, POOL, Case, cases, words

ENGINES = ("interp", "portable", "kernel")
RDONLY_PROG = 1 << 7
CTX = 192


def program(text: str, maps: Sequence[MapSpec] = ()) -> ObjectSpec:
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    return ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(insns))}, {one.name: one for one in maps})


def constant(name: str, data: bytes) -> MapSpec:
    return MapSpec(name, "array", 4, len(data), 1, RDONLY_PROG, initial=data)


def number(result: Result, at: int) -> int:
    assert result.fault is None, result.fault
    assert result.ctx is not None
    return int.from_bytes(result.ctx[at : at + 8], "little", signed=True)


def on_all(spec: ObjectSpec, inputs: Sequence[tuple[bytes, bytes | None]]) -> list[list[Result]]:
    """By engine, the results for contexts, each with the contents of map "m" before, if any."""
    found = []
    for name in ENGINES:
        with closing(engine(name).load(spec, "p", {})) as loaded:
            results = []
            for ctx, contents in inputs:
                if contents is not None:
                    loaded.write_map("m", [(bytes(4), contents)])
                results.append(loaded.run(Input(ctx=ctx)))
            found.append(results)
    return found


def differing(shown: Sequence[object], results: Sequence[Sequence[Result]]) -> list[str]:
    """In words, where engines differ in what they left in the context."""
    wrong = []
    for one, outcomes in zip(shown, zip(*results, strict=True), strict=True):
        if len({(outcome.ctx, outcome.fault) for outcome in outcomes}) != 1:
            wrong.append(f"{one!r}: {[outcome.fault or (outcome.ctx or b'').hex() for outcome in outcomes]}")
    return wrong


COPY = "\n".join(f"r2 = *(u64 *)(r6 +{at})\n *(u64 *)(r10 -{64 - at}) = r2" for at in range(0, 64, 8))
STRTO = """
r6 = r1
{copy}
*(u64 *)(r10 -72) = -1
r1 = r10
r1 += -64
r2 = *(u64 *)(r6 +64)
r2 &= 63
r2 += 1
r3 = *(u64 *)(r6 +72)
r4 = r10
r4 += -72
call {name}
*(u64 *)(r6 +80) = r0
r1 = *(u64 *)(r10 -72)
*(u64 *)(r6 +88) = r1
r0 = 0
exit
"""
DIGITS = ("0", "7", "8", "12", "-", "+", "0x", "0X", "0x1f", "x", "077", "08", "g", "z", " ", "\t", "\xa0", "\0",
          "18446744073709551615", "18446744073709551616", "9223372036854775807", "9223372036854775808",
          "ffffffffffffffff", "1777777777777777777777", "2000000000000000000000", "000", "_", "abc")  # fmt: skip
FLAGS = (0, 8, 10, 16, 0, 10, 16, 2, 1, 31, 32, 42, 1 << 32, 1 << 63)


@pytest.mark.parametrize("name", ["strtol", "strtoul"])
def test_numbers_in_text(name: str) -> None:
    source, inputs, shown = random.Random(name), [], []
    for _ in range(2600):
        text = "".join(source.choice(DIGITS) for _ in range(source.choice((1, 1, 2, 2, 3, 4, 6)))).encode("latin-1")[
            :64
        ]
        size = source.randrange(1, 65) if source.random() < 0.2 else max(len(text), 1)
        flags = source.choice(FLAGS)
        inputs.append((text.ljust(64, b"1") + words((size - 1, flags)) + bytes(16), None))
        shown.append((text, size, flags))
    results = on_all(program(STRTO.format(copy=COPY, name=name)), inputs)
    wrong = differing(shown, results)
    good = sum(number(one, 80) > 0 for one in results[0])
    print(f"{name}: {len(inputs)} compared, {good} of them numbers")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert len(inputs) >= 2000
    assert 400 <= good <= len(inputs) - 400


STRNCMP = """
r6 = r1
{copy}
r1 = r10
r1 += -64
r2 = *(u64 *)(r6 +64)
r2 &= 63
r2 += 1
r3 = map[t]+0
call strncmp
*(u64 *)(r6 +72) = r0
r0 = 0
exit
"""


def test_texts_compared() -> None:
    source, compared, seen = random.Random(3), 0, set()
    texts = [
        b"",
        b"a",
        b"ab",
        b"b",
        b"abc",
        b"abcdefgh" * 7,
        b"\xff",
        bytes([1, 2, 3]),
        *(source.randbytes(3) for _ in range(12)),
    ]
    for other in texts:
        inputs = []
        for one in [*texts, *(other[:at] + bytes([at]) for at in range(12))]:
            for size in (1, len(one) + 1, 63, source.randrange(1, 64)):
                inputs.append((one.ljust(64, b"\0")[:64] + words((min(size, 64) - 1,)) + bytes(8), None))
        results = on_all(program(STRNCMP.format(copy=COPY), [constant("t", other + b"\0")]), inputs)
        wrong = differing([(other, one[0]) for one in inputs], results)
        assert not wrong, "\n".join(wrong[:10])
        seen |= {number(one, 72) for one in results[0]}
        compared += len(inputs)
    print(f"strncmp: {compared} compared")
    assert compared >= 500
    assert len(seen) >= 3


# map m: format at 0, values at 160, texts at 264; ctx: 0 size of the format, 8 of the values, 16 which are placed
PLACED, TEXTS_AT, VALUE = 160, 264, 264 + len(POOL)
PLACE = "".join(
    f"""
r2 = r7
r2 >>= {index}
r2 &= 1
if r2 == 0 goto n{index}
r2 = *(u64 *)(r8 +{PLACED + 8 * index})
r2 &= 255
r2 += {TEXTS_AT}
r3 = r8
r3 += r2
*(u64 *)(r8 +{PLACED + 8 * index}) = r3
n{index}: r2 = 0
"""
    for index in range(MOST)
)
VPRINTK = f"""
r6 = r1
r7 = *(u64 *)(r6 +16)
r8 = map[m]+0
{PLACE}
r1 = r8
r2 = *(u64 *)(r6 +0)
r2 &= 255
if r2 > 160 goto out
if r2 == 0 goto out
r3 = r8
r3 += {PLACED}
r4 = *(u64 *)(r6 +8)
r4 &= 127
if r4 > 104 goto out
call trace_vprintk
*(u64 *)(r6 +24) = r0
out: r0 = 0
exit
"""


def contents(case: Case) -> bytes:
    return case.form.ljust(PLACED, b"\0") + words(case.values).ljust(104, b"\0") + POOL


def test_lines_of_the_trace() -> None:
    """Which formats are taken, and how long the text is. What the kernel writes to its trace is not read."""
    some, source = cases(11, 2400, damaged=True), random.Random(5)
    inputs = []
    for case in some:
        size = len(case.form) + (source.random() > 0.03)
        length = 8 * len(case.values) if source.random() > 0.05 else source.randrange(105)
        inputs.append((words((max(size, 1), length, case.placed)) + bytes(8), contents(case)))
    results = on_all(program(VPRINTK, [MapSpec("m", "array", 4, VALUE, 1)]), inputs)
    wrong = differing(some, results)
    good = sum(number(one, 24) >= 0 for one in results[0])
    print(f"trace_vprintk: {len(inputs)} compared, {good} taken")
    assert not wrong, f"{len(wrong)}\n" + "\n".join(wrong[:20])
    assert [one.trace for one in results[0]] == [one.trace for one in results[1]]
    assert sum(len(one.trace) for one in results[0]) == good
    assert 500 <= good <= len(inputs) - 500


AT_ONCE, ROOM = 10, 160
SIZES = (ROOM, ROOM, ROOM, 64, 20, 5, 1, 0)


def snprintf(some: Sequence[Case], sizes: Sequence[int]) -> str:
    """A program that makes each text in its part of map o; results in the context."""
    lines = ["r6 = r1", "r8 = map[m]+0", "r9 = map[o]+0"]
    at = 0
    for index, (case, size) in enumerate(zip(some, sizes, strict=True)):
        for place, value in enumerate(case.values):
            load = f"r1 = {value} ll" if not case.placed >> place & 1 else f"r1 = r8\n r1 += {value}"
            lines += [load, f"*(u64 *)(r10 -{8 * (MOST - place)}) = r1"]
        lines += [
            f"r1 = r9\n r1 += {index * ROOM}\n r2 = {size}\n r3 = map[f]+{at}\n r4 = r10\n r4 += -{8 * MOST}",
            f"r5 = {8 * len(case.values)}" + ("" if case.values else "\n r4 = 0"),
            f"call snprintf\n *(u64 *)(r6 +{8 * index}) = r0",
        ]
        at += len(case.form) + 1
    return "\n".join([*lines, "r0 = 0", "exit"])


def made(some: Sequence[Case], sizes: Sequence[int]) -> list[tuple[Result, bytes]]:
    """By engine, the result, and what is in map o."""
    maps = [MapSpec("m", "array", 4, len(POOL), 1, initial=POOL), MapSpec("o", "array", 4, ROOM * AT_ONCE, 1),
            constant("f", b"".join(case.form + b"\0" for case in some))]  # fmt: skip
    spec, found = program(snprintf(some, sizes), maps), []
    for name in ENGINES:
        with closing(engine(name).load(spec, "p", {"o": [(bytes(4), b"\xaa" * ROOM * AT_ONCE)]})) as loaded:
            result = loaded.run(Input(ctx=bytes(8 * AT_ONCE)))
            (_, after), *_ = loaded.read_map("o")
            assert isinstance(after, bytes)
            found.append((result, after))
    return found


def test_texts_made() -> None:
    source, compared, hashed, left_out = random.Random(9), 0, 0, 0
    every = cases(12, 3000, damaged=False)
    for at in range(0, len(every), AT_ONCE):
        some = every[at : at + AT_ONCE]
        sizes = [source.choice(SIZES) for _ in some]
        outcomes = made(some, sizes)
        for index, (case, size) in enumerate(zip(some, sizes, strict=True)):
            if case.kept and number(outcomes[1][0], 8 * index) > size:
                left_out += 1
                continue
            lengths = {number(result, 8 * index) for result, _ in outcomes}
            assert len(lengths) == 1, (case, size, lengths)
            texts = [text[index * ROOM : (index + 1) * ROOM] for _, text in outcomes]
            assert texts[0] == texts[1], (case, size, texts)
            if not case.hashed:
                assert texts[0] == texts[2], (case, size, texts)
            compared += 1
            hashed += case.hashed
    print(f"snprintf: {compared} compared, of {hashed} the length only: pointers are hashed by a key of the machine's")
    print(f"{left_out} more would show what the kernel's buffer held before")
    assert compared >= 2000
    assert hashed <= compared / 4
