"""No function takes long to compile, whatever it is made of: an object or a diagnostic within two seconds of CPU."""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest

from bpfvm import bpf, struct, u32, u64
from bpfvm.compiler import compile_program
from bpfvm.compiler.frontend.control import loops
from bpfvm.core.diag import CompileError
from bpfvm.lang import hooks
from tests.pace import seconds

LIMIT = 2.0  # seconds, of tests.pace
_numbers = count()


def _lines(first: str, made: Callable[[int], str], times: int, last: str = "    return r\n") -> str:
    return first + "".join(made(i) for i in range(times)) + last


HEAD = "def f(a: u64, b: u32) -> u64:\n    r = u64(b)\n"
PAD = "    "
MANY = [f"v{i}" for i in range(24)]
RING = f"        {', '.join(MANY)} = {', '.join(MANY[5:] + MANY[:5])}\n"
STRUCT = "@struct\nclass P:\n    x: u32\n    y: u64\n"
CALLED = "def g(x: u32) -> u32:\n    return (x * 5 + 1) & 255\n"
SHAPES = {
    "straight lines": _lines(HEAD, lambda i: f"    r = r * 3 + {i}\n", 800),
    "many lines": _lines(HEAD, lambda i: f"    r = r * 3 + {i}\n", 5000),
    "branches": _lines(HEAD, lambda i: f"    if r % {i + 2} == 1:\n        r += {i}\n", 300),
    "branches in branches": _lines(HEAD, lambda i: f"{PAD * (i + 1)}if r > {i}:\n{PAD * (i + 2)}r += {i}\n", 18),
    "loops": _lines(HEAD, lambda i: f"    for i in range(b & 7):\n        r += i ^ {i}\n", 800),
    "loops in loops": _lines(HEAD, lambda i: f"{PAD * (i + 1)}for i{i} in range(3):\n{PAD * (i + 2)}r += i{i}\n", 5),
    "as many loops in loops as CPython takes": _lines(
        HEAD, lambda i: f"{PAD * (i + 1)}for i{i} in range(b & 7):\n", 19, f"{PAD * 20}r += 1\n    return r\n"
    ),
    "values that are live at once": _lines(
        _lines(HEAD, lambda i: f"    v{i} = (a >> {i % 60}) ^ {i * 7919}\n", 300, ""), lambda i: f"    r += v{i}\n", 300
    ),
    "names that change places": _lines(
        _lines(HEAD, lambda i: f"    v{i} = a + {i}\n", 24, "    for i in range(b & 15):\n" + RING),
        lambda i: f"    r ^= v{i}\n", 24,
    ),
    "calls written out": _lines(CALLED + HEAD, lambda i: f"    r += g(u32(b + {i}))\n", 200),
    "calls of one function": _lines(f"@bpf.func\n{CALLED}{HEAD}", lambda i: f"    r += g(u32(b + {i}))\n", 200),
    "elif": _lines(
        HEAD + "    if a == 1000:\n        r = u64(1)\n", lambda i: f"    elif a == {i}:\n        r += {i}\n", 600
    ),
    "loops one after the other": _lines(HEAD, lambda i: f"    while r > a + {i}:\n        r -= 7\n", 500),
    "objects": _lines(STRUCT + HEAD, lambda i: f"    p{i} = P(x={i}, y=r)\n    r += p{i}.x + p{i}.y\n", 250),
    "functions of one file": _lines(
        "".join(f"def g{i}(x):\n    return x + {i}\n" for i in range(400)) + HEAD, lambda i: f"    r += g{i}(b)\n", 400
    ),
    "constants behind branches": _lines(
        HEAD + "    k = 1\n", lambda i: f"    if k == {i + 1}:\n        k = {i + 2}\n    else:\n        r += 1\n", 200
    ),
}  # fmt: skip


def _compiled(text: str) -> tuple[str, list[str]]:
    """What came of the function f of a text, in words, and the codes of the errors."""
    file = f"<shape {next(_numbers)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space = {"u32": u32, "u64": u64, "bpf": bpf, "struct": struct}
    exec(compile(text, file, "exec"), space)
    try:
        (program,) = compile_program(space["f"], hooks.function()).spec.programs.values()  # type: ignore[arg-type]
    except CompileError as error:
        return error.diags[0].message, [one.code for one in error.diags]
    return f"{program.slot_count} slots, {program.stack} bytes of stack", []


@pytest.mark.parametrize("name", SHAPES)
def test_no_function_takes_long(name: str) -> None:
    start = time.thread_time()
    made, codes = _compiled(SHAPES[name])
    spent = time.thread_time() - start
    print(f"{name}: {spent:.2f} s, {made}")
    assert spent < seconds(LIMIT)
    assert codes in ([], ["E071"])


def test_loops_inside_of_one_another_are_too_many_and_others_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "_WASTE", 0)
    after = _lines(HEAD, lambda i: f"    for i in range(b & 7):\n        r += i ^ {i}\n", 40)
    inside = _lines(HEAD, lambda i: f"{PAD * (i + 1)}for i{i} in range(b & 7):\n{PAD * (i + 2)}r += i{i}\n", 9)
    assert _compiled(after)[1] == []
    assert "E063" in _compiled(inside)[1]


@pytest.mark.parametrize(
    ("body", "code"),
    [("r += nowhere", "E010"), ("return rol(b, i0, 32) + b ** 9", "E010"), ("r += (b or 7) % 16 * i0", None)],
)
def test_loops_inside_of_one_another_with_errors_in_them(body: str, code: str | None) -> None:
    loops = "".join(f"{PAD * (i + 1)}for i{i} in range(3):\n" for i in range(14))
    start = time.thread_time()
    _, codes = _compiled(f"{HEAD}{loops}{PAD * 15}{body}\n    return r\n")
    assert time.thread_time() - start < seconds(LIMIT)
    assert [one for one in codes if one[0] == "E"] == ([code] if code is not None else [])


@pytest.mark.parametrize("bound", ["b & 7", "3", "b"])
def test_a_loop_around_others_adds_translations_of_them(bound: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = 0

    def counted(*given: Any) -> Any:
        nonlocal made
        made += 1
        return trial(*given)

    trial = loops._trial
    monkeypatch.setattr(loops, "_trial", counted)
    counts = []
    for depth in (4, 8, 16):
        made, heads = 0, "".join(f"{PAD * (i + 1)}for i{i} in range({bound}):\n" for i in range(depth))
        assert "E063" not in _compiled(f"{HEAD}{heads}{PAD * (depth + 1)}r += 1\n    return r\n")[1]
        counts.append(made)
    print(counts)
    assert counts[1] <= 4 * counts[0]
    assert counts[2] <= 4 * counts[1]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("return u64(len(tuple(range(1000000))))", None),
        ("return a if b in BIG else 0", "E063"),
        ("return u64(max(LIST))", "E063"),
        ("return u64(sum(bytes(1000000)))", "E063"),
        ("return u64(LIST[b])", "E022"),
        ("return a if b in WIDE else 0", "E045"),
        ("return u64(max(WIDE))", "E045"),
    ],
)
def test_constants_of_many_or_wide_items(line: str, code: str | None) -> None:
    head = "BIG = tuple(range(1000000))\nLIST = list(BIG)\nWIDE = [5, 1 << 70]\n"
    start = time.thread_time()
    made, codes = _compiled(f"{head}def f(a: u64, b: u32) -> u64:\n    {line}\n")
    assert time.thread_time() - start < seconds(LIMIT)
    assert [one for one in codes if one[0] == "E"] == ([code] if code is not None else []), made
