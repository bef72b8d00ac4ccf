"""No function takes long to compile, whatever it is made of: an object or a diagnostic within two seconds of CPU."""

from __future__ import annotations

import linecache
import time
from collections.abc import Callable
from itertools import count

import pytest

from bpfvm import bpf, u32, u64
from bpfvm.compiler import compile_program
from bpfvm.core.diag import CompileError
from bpfvm.lang import hooks

LIMIT = 2.0  # seconds
_numbers = count()


def _lines(first: str, made: Callable[[int], str], times: int, last: str = "    return r\n") -> str:
    return first + "".join(made(i) for i in range(times)) + last


HEAD = "def f(a: u64, b: u32) -> u64:\n    r = u64(b)\n"
PAD = "    "
MANY = [f"v{i}" for i in range(24)]
RING = f"        {', '.join(MANY)} = {', '.join(MANY[5:] + MANY[:5])}\n"
CALLED = "def g(x: u32) -> u32:\n    return (x * 5 + 1) & 255\n"
SHAPES = {
    "straight lines": _lines(HEAD, lambda i: f"    r = r * 3 + {i}\n", 800),
    "branches": _lines(HEAD, lambda i: f"    if r % {i + 2} == 1:\n        r += {i}\n", 300),
    "branches in branches": _lines(HEAD, lambda i: f"{PAD * (i + 1)}if r > {i}:\n{PAD * (i + 2)}r += {i}\n", 18),
    "loops": _lines(HEAD, lambda i: f"    for i in range(b & 7):\n        r += i ^ {i}\n", 40),
    "loops in loops": _lines(HEAD, lambda i: f"{PAD * (i + 1)}for i{i} in range(3):\n{PAD * (i + 2)}r += i{i}\n", 5),
    "values that are live at once": _lines(
        _lines(HEAD, lambda i: f"    v{i} = (a >> {i % 60}) ^ {i * 7919}\n", 300, ""), lambda i: f"    r += v{i}\n", 300
    ),
    "names that change places": _lines(
        _lines(HEAD, lambda i: f"    v{i} = a + {i}\n", 24, "    for i in range(b & 15):\n" + RING),
        lambda i: f"    r ^= v{i}\n", 24,
    ),
    "calls written out": _lines(CALLED + HEAD, lambda i: f"    r += g(u32(b + {i}))\n", 200),
    "calls of one function": _lines(f"@bpf.func\n{CALLED}{HEAD}", lambda i: f"    r += g(u32(b + {i}))\n", 200),
    "constants behind branches": _lines(
        HEAD + "    k = 1\n", lambda i: f"    if k == {i + 1}:\n        k = {i + 2}\n    else:\n        r += 1\n", 200
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_no_function_takes_long(name: str) -> None:
    file = f"<shape {next(_numbers)}>"
    linecache.cache[file] = (len(SHAPES[name]), None, SHAPES[name].splitlines(keepends=True), file)
    space = {"u32": u32, "u64": u64, "bpf": bpf}
    exec(compile(SHAPES[name], file, "exec"), space)
    codes: list[str] = []
    start = time.thread_time()
    try:
        (program,) = compile_program(space["f"], hooks.function()).spec.programs.values()  # type: ignore[arg-type]
        made = f"{program.slot_count} slots, {program.stack} bytes of stack"
    except CompileError as error:
        made, codes = error.diags[0].message, [one.code for one in error.diags]
    spent = time.thread_time() - start
    print(f"{name}: {spent:.2f} s, {made}")
    assert spent < LIMIT
    assert codes in ([], ["E071"])
