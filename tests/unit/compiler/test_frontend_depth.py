"""Deep nesting compiles as far as CPython's own compiler goes, and is an error where there is no room for it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bpfvm import CompileError, bpf, u32, u64
from bpfvm.compiler.frontend.source import depth
from bpfvm.program import Program

SHAPES: dict[str, Callable[[int], str]] = {
    "a chain of operators": lambda n: f"    return u64({'+'.join(['a'] * n)})",
    "signs": lambda n: f"    return u64({'-' * n}a)",
    "elif": lambda n: (
        "    x = 0\n" + "".join(f"    {'el' * bool(i)}if a == {i}: x = {i}\n" for i in range(n)) + "    return x"
    ),
}


def program(shape: str, levels: int) -> Program:
    """A function of so many levels."""
    text = f"def deep(a: u32) -> u64:\n{SHAPES[shape](levels)}\n"
    return bpf.function(bpf.exec(text, {"u32": u32, "u64": u64})["deep"])


@pytest.mark.parametrize(("shape", "levels", "result"), [
    ("a chain of operators", 900, 6300), ("signs", 900, 7), ("elif", 300, 7),
])  # fmt: skip
def test_deep_nesting_compiles(shape: str, levels: int, result: int) -> None:
    assert program(shape, levels).emulate(7).value == result


@pytest.mark.parametrize("shape", ["a chain of operators", "signs"])
def test_what_is_too_deep_is_an_error(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(depth, "_FRAMES", 0)
    with pytest.raises(CompileError, match="nested too deeply") as found:
        program(shape, 900).emulate(7)
    (diag,) = found.value.diags
    assert diag.code == "E065"
    assert diag.span is not None
    assert (diag.span.line, diag.span.text) == (1, "def deep(a: u32) -> u64:")
