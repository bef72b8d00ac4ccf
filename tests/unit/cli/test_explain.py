"""Every code is explained, and each example is what it says: the wrong one gives the code, the right one compiles."""

from __future__ import annotations

import json
import linecache
import types
from typing import Any

import pytest
from click.testing import CliRunner

from bpfvm.cli import status
from bpfvm.cli.explain import PRELUDE, command, explanations
from bpfvm.compiler import compile_program
from bpfvm.core.codes import CODES
from bpfvm.core.diag import CompileError
from bpfvm.program import Program

# What no few lines of a file can show: sources that changed or are not there, much stack, narrow keys
IN_WORDS = {"E001", "E002", "E003", "E071"}


def diagnosed(name: str, text: str) -> set[str]:
    """The codes that compiling the programs of `text` gives."""
    file, whole = f"<explain {name}>", PRELUDE + text + "\n"
    linecache.cache[file] = (len(whole), None, whole.splitlines(keepends=True), file)
    space: dict[str, Any] = {}
    exec(compile(whole, file, "exec"), space)
    programs = [one for one in space.values() if isinstance(one, Program)]
    assert len(programs) == 1
    try:
        function, hook = programs[0].function, programs[0].hook
        assert isinstance(function, types.FunctionType)
        assert hook is not None
        return {one.code for one in compile_program(function, hook).warnings}
    except CompileError as error:
        return {one.code for one in error.diags}
    finally:
        del linecache.cache[file]


def test_every_code_is_explained_in_order() -> None:
    assert list(explanations()) == list(CODES)
    assert all(one.text and bool(one.wrong) == bool(one.right) for one in explanations().values())
    assert {code for code, one in explanations().items() if not one.wrong} == IN_WORDS


@pytest.mark.parametrize("code", [code for code in CODES if code not in IN_WORDS])
def test_examples(code: str) -> None:
    one = explanations()[code]
    assert diagnosed(code, one.wrong) == {code}
    assert diagnosed(code, one.right) == set()


def test_the_command() -> None:
    shown = CliRunner().invoke(command, ["e040"]).output
    assert shown.startswith("E040: an exact value may not fit in 64 bits\n")
    assert "    return n * n * size > 1000" in shown
    assert json.loads(CliRunner().invoke(command, ["E040", "--json"]).output)["code"] == "E040"
    listed = CliRunner().invoke(command, []).output.splitlines()
    assert len(listed) == len(CODES)
    assert set(json.loads(CliRunner().invoke(command, ["--json"]).output)) == set(CODES)


def test_an_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["explain", "E999"]) == 2
    assert "there is no code 'E999'" in capsys.readouterr().err
