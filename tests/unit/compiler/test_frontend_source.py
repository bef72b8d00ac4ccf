"""Functions are found in their files, exactly; a text that is not what runs is refused."""

from __future__ import annotations

import ast
import doctest
import functools
import importlib.util
import linecache
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bpfvm.compiler.frontend.source.proof import locate
from bpfvm.core.diag import CompileError

ROOT = Path(__file__).resolve().parents[3]


def text_of(function: Any) -> str:
    """The located node, written back."""
    return ast.unparse(locate(function).node)


def code_of(function: Any) -> str:
    with pytest.raises(CompileError) as caught:
        locate(function)
    assert len(caught.value.diags) == 1
    return caught.value.diags[0].code


def keep(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _plain(x: int) -> int:
    return x + 1


@keep
@keep
def _decorated(x: int) -> int:
    return x + 2


_PAIR = [lambda x: x + 1, lambda x: x + 2]
_TWINS = [lambda x: x + 3, lambda x: x + 3]
_NESTED: Any = lambda x: lambda y: y + x  # noqa: E731
_CONTINUED = keep(
    lambda x: x + 4,
)
_AROUND: list[Any] = [lambda: lambda: 1, lambda: 2]


def _maker(n: int) -> Callable[[int], int]:
    def made(x: int) -> int:
        return x + n

    return made


def _with_assert(x: int) -> int:
    assert x, "what pytest rewrites"
    return x


class _Holder:
    def method(self, x: int) -> int:
        return x


def test_definitions() -> None:
    assert text_of(_plain).startswith("def _plain(x: int)")
    assert text_of(_decorated).startswith("@keep\n@keep\ndef _decorated")
    assert "return x + n" in text_of(_maker(3))
    assert text_of(_Holder.method).startswith("def method")


def test_two_lambdas_on_one_line() -> None:
    assert [text_of(one) for one in _PAIR] == ["lambda x: x + 1", "lambda x: x + 2"]
    assert [text_of(one) for one in _TWINS] == ["lambda x: x + 3"] * 2
    columns = [locate(one).node.col_offset for one in _TWINS]
    assert columns[0] < columns[1]


def test_lambdas_inside_lambdas() -> None:
    assert text_of(_NESTED) == "lambda x: lambda y: y + x"
    assert text_of(_NESTED(1)) == "lambda y: y + x"
    assert text_of(_AROUND[0]) == "lambda: lambda: 1"
    assert text_of(_AROUND[0]()) == "lambda: 1"
    assert text_of(_AROUND[1]) == "lambda: 2"


def test_lambda_on_a_line_of_its_own() -> None:
    assert text_of(_CONTINUED) == "lambda x: x + 4"


def test_asserts_that_pytest_rewrites() -> None:
    top = compile(Path(__file__).read_text(), __file__, "exec", dont_inherit=True)
    plain = next(one for one in top.co_consts if isinstance(one, types.CodeType) and one.co_name == "_with_assert")
    assert plain != _with_assert.__code__, "pytest rewrites this module, or the test shows nothing"
    assert "assert x" in text_of(_with_assert)


def load(path: Path, text: str) -> types.ModuleType:
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_stale_file(tmp_path: Path) -> None:
    path = tmp_path / "edited.py"
    module = load(path, "def f(x):\n    return x + 1\n")
    path.write_text("def f(x):\n    return x - 1\n")
    assert code_of(module.f) == "E001"
    path.write_text("def f(x:\n")
    assert code_of(module.f) == "E001"


def test_text_remembered_from_before_an_edit_is_good(tmp_path: Path) -> None:
    path = tmp_path / "remembered.py"
    module = load(path, "def f(x):\n    return x + 1\n")
    assert "x + 1" in text_of(module.f)
    path.write_text("def f(x):\n    return x - 1\n# another size\n")
    assert "x + 1" in text_of(module.f)


def test_lines_moved_above_a_function(tmp_path: Path) -> None:
    path = tmp_path / "moved.py"
    module = load(path, "def f(x):\n    return x + 1\n")
    path.write_text("\ndef f(x):\n    return x + 1\n")
    assert code_of(module.f) == "E001"


def test_future_flags(tmp_path: Path) -> None:
    module = load(tmp_path / "future.py", "from __future__ import annotations\n\ndef f(x: nowhere):\n    return x\n")
    assert "nowhere" in text_of(module.f)


def test_form_feeds_and_wide_characters(tmp_path: Path) -> None:
    module = load(tmp_path / "wide.py", "# \u2028 \f \x1c\ndef f(x):\n    ä = 'ß'; return [lambda: ä, lambda: x]\n")
    located = locate(module.f(1)[1])
    span = located.source.span(located.node)
    assert span.text[span.col : span.end_col] == "lambda: x"


def test_code_that_nobody_wrote_as_a_function() -> None:
    def outer(x: Any) -> Any:
        return (one for one in x)

    inner = next(one for one in outer.__code__.co_consts if isinstance(one, types.CodeType))
    made = types.FunctionType(inner, {}, inner.co_name)
    assert code_of(made) == "E062"


def test_no_text() -> None:
    space: dict[str, Any] = {}
    exec("def f(x): return x", space)
    assert code_of(space["f"]) == "E002"
    assert code_of(len) == "E002"


def test_the_text_of_a_command_line() -> None:
    text = (
        "def f(x):\n    return x + 1\n"
        "from bpfvm.compiler.frontend.source.proof import locate\nprint(locate(f).node.name)"
    )
    ran = subprocess.run([sys.executable, "-Bc", text], capture_output=True, text=True, check=False)
    assert ran.stdout == "f\n", ran.stderr


class History:
    """A readline that has seen these lines."""

    def __init__(self, *lines: str) -> None:
        self.lines = lines

    def get_current_history_length(self) -> int:
        return len(self.lines)

    def get_history_item(self, number: int) -> str:
        return self.lines[number - 1]


def typed(monkeypatch: pytest.MonkeyPatch, entry: str, *lines: str) -> Any:
    """What an entry at the prompt makes, where these lines were typed so far."""
    monkeypatch.setattr(sys, "ps1", ">>> ", raising=False)
    monkeypatch.setitem(sys.modules, "readline", History(*lines))
    space: dict[str, Any] = {"keep": lambda function: function}
    exec(compile(entry + "\n", "<stdin>", "single"), space)
    return space["f"]


def test_the_history_of_the_prompt(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, third = (
        ("def f(x):", "    return x + 1"),
        ("@keep", "def f(x):", "    y = x", "    return y"),
        ("f = lambda x: x * 2",),
    )
    lines = (*first, "f(3)", *second, *third)
    old = typed(monkeypatch, "\n".join(first), *lines)
    assert text_of(old) == "def f(x):\n    return x + 1"
    decorated = typed(monkeypatch, "\n".join(second), *lines)
    assert text_of(decorated) == "def f(x):\n    y = x\n    return y"
    short = typed(monkeypatch, third[0], *lines)
    assert text_of(short) == "lambda x: x * 2"
    other = typed(monkeypatch, "def f(x): return x - 1", *lines)
    assert code_of(other) == "E002"
    monkeypatch.delattr(sys, "ps1")
    assert code_of(old) == "E002"


def test_text_of_another_string_is_not_the_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(linecache.cache, "<string>", (9, None, ["import os\n"], "<string>"))
    space: dict[str, Any] = {}
    exec("def f(x): return x", space)
    assert code_of(space["f"]) == "E002"


def test_registered_text() -> None:
    text = "def f(x):\n    return x\n"
    linecache.cache["<registered>"] = (len(text), None, text.splitlines(keepends=True), "<registered>")
    space: dict[str, Any] = {}
    exec(compile(text, "<registered>", "exec"), space)
    assert text_of(space["f"]).startswith("def f")


def test_doctest() -> None:
    found: list[str] = []
    text = ">>> def f(x):\n...     return x + 9\n>>> found.append(text_of(f))\n"
    test = doctest.DocTestParser().get_doctest(text, {"text_of": text_of, "found": found}, "here", None, None)
    assert doctest.DocTestRunner().run(test).failed == 0
    assert found == ["def f(x):\n    return x + 9"]


def test_no_columns() -> None:
    """Without columns, lambdas that differ cannot be told apart on one line; equal ones need not be."""
    program = (
        "from bpfvm.compiler.frontend.source.proof import locate\n"
        "from bpfvm.core.diag import CompileError\n"
        "import linecache\n"
        "text = 'def f(x): return [lambda: x + 1, lambda: x + 2]\\na = f(0)\\n'\n"
        "text += 'b = [lambda: 3, lambda: 3, lambda: 4]\\n'\n"
        "linecache.cache['<t>'] = (len(text), None, text.splitlines(keepends=True), '<t>')\n"
        "exec(compile(text, '<t>', 'exec'))\n"
        "try:\n    locate(a[0])\nexcept CompileError as error:\n    print(error.diags[0].code)\n"
        "print(locate(b[1]).node.body.value, locate(b[2]).node.body.value)\n"
    )
    command = [sys.executable, "-X", "no_debug_ranges", "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["E003", "3", "4"], done.stderr


def test_refused_callables() -> None:
    async def waiting() -> None: ...

    assert code_of(waiting) == "E062"
    assert code_of(_Holder().method) == "E002"  # the function behind it is the program's to find


def test_a_function_that_wraps_another_is_itself() -> None:
    @functools.wraps(_plain)
    def wrapper(x: int) -> int:
        return _plain(x)

    assert "def wrapper(x: int)" in text_of(wrapper)


def test_under_a_tracer() -> None:
    """A debugger or coverage changes the code object's bytecode in place; it stays equal."""
    seen: list[str] = []

    def trace(frame: types.FrameType, event: str, arg: object) -> Any:
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        _plain(1)
        seen.append(text_of(_plain))
    finally:
        sys.settrace(before)
    assert seen[0].startswith("def _plain")
