"""Every row of docs/seeds.md names tests that are there and run."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/seeds.md"
ROWS = {
    "L": (*range(1, 21), *range(30, 68), *range(70, 79), *range(80, 97), *range(100, 118), *range(120, 136),
          *range(140, 152), *range(160, 168)),
    "B": range(1, 32), "E": (*range(1, 12), *range(20, 27)), "T": range(1, 8),
    "R": range(1, 9), "W": range(1, 13),
}  # fmt: skip
STATES = ("works", "left out")
FUNCTIONS = 330  # of tests/programs, that every machine runs
_NEVER_RUN = {"skip", "xfail"}


def rows(text: str) -> dict[str, tuple[list[str], str, str]]:
    """The names that stand in the last cell of each row, whether it works, and what is said of that."""
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if re.fullmatch(r"[LBETRW]\d+", cells[0]):
            found[cells[0]] = (re.findall(r"`([^`]+)`", cells[-1]), cells[-2], cells[-3])
    return found


@cache
def programs() -> dict[str, int]:
    """The functions of tests/programs and tests/views, each with the number of its inputs."""
    views, frames = import_module("tests.views.programs"), import_module("tests.views.frames")
    found = {f"views.{one.name}": len(list(frames.whole())) for one in views.XDP}
    for path in sorted((ROOT / "tests/programs").glob("*.py")):
        for function, inputs in import_module(f"tests.programs.{path.stem}").CASES:
            found[f"{path.stem}.{getattr(function, '__name__', getattr(function, 'name', function))}"] = len(inputs)
    return found


def never_run(node: ast.FunctionDef) -> bool:
    """Whether a test is marked to be skipped or to fail, without a condition; or skips itself first of all."""
    for one in node.decorator_list:
        name = ast.unparse(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2]
        if name in _NEVER_RUN:
            return True
    first = next((one for one in node.body if not isinstance(getattr(one, "value", None), ast.Constant)), None)
    return first is not None and ast.unparse(first).startswith("pytest.skip(")


def problem(name: str) -> str | None:
    """What is wrong with a name, None where it is a test that runs."""
    path, _, test = name.partition("::")
    if not path.startswith(("tests/", "kernel_tests/")):
        return None if programs().get(name) else "no function of tests/programs with inputs"
    if not (ROOT / path).exists():
        return "no such file"
    if path.startswith("tests/golden/compile/"):
        return None if (ROOT / path).with_suffix(".diag").exists() else "no golden text beside it"
    tree = ast.parse((ROOT / path).read_text())
    found = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name == test]
    if not found:
        return "no such test"
    return "it is never run" if never_run(found[0]) else None


def test_every_row_is_shown_by_tests_that_run() -> None:
    found = rows(PAGE.read_text())
    assert [f"{kind}{number}" for kind, numbers in ROWS.items() for number in numbers] == list(found)
    named = [name for names, _, _ in found.values() for name in names]
    wrong = [f"{row}: {name}: {why}" for row, (names, *_) in found.items() for name in names if (why := problem(name))]
    assert not wrong, "\n".join(wrong)
    for row, (names, state, here) in found.items():
        assert state in STATES, row
        assert names or state == "left out", f"{row} works, and no test shows it"
        assert (state == "left out") == here.startswith("left out: "), f"{row} says why where it is left out"
    print(f"{len(found)} rows, {len(named)} tests named, {len(set(named))} of them different")
    assert len(set(named)) >= 200


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("operators.no_such_function", "no function of tests/programs with inputs"),
        ("tests/unit/no_such_file.py::test_x", "no such file"),
        ("tests/repo/test_seeds.py::test_no_such_test", "no such test"),
        ("tests/golden/compile/no_such_golden.py", "no such file"),
    ],
)
def test_what_is_not_there_is_missed(name: str, why: str) -> None:
    assert problem(name) == why


def test_what_never_runs_is_seen() -> None:
    for text, never in (
        ("@pytest.mark.skip\ndef test_x(): pass", True),
        ("@pytest.mark.xfail(strict=True)\ndef test_x(): pass", True),
        ("def test_x():\n    'About it.'\n    pytest.skip('never')", True),
        ("@pytest.mark.skipif(sys.version_info < (3, 12), reason='older')\ndef test_x(): assert f()", False),
        ("def test_x(): assert f()", False),
    ):
        (node,) = ast.parse(text).body
        assert isinstance(node, ast.FunctionDef)
        assert never_run(node) == never


def test_there_are_enough_functions() -> None:
    found = programs()
    print(f"{len(found)} functions with {sum(found.values())} inputs")
    assert len(found) >= FUNCTIONS
    assert sum(found.values()) >= 3_000
