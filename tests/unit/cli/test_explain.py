"""Every code is explained, and each example is what it says: the wrong one gives the code, the right one compiles."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from bpfvm.cli import status
from bpfvm.cli.explain import command
from bpfvm.core.codes import CODES
from bpfvm.core.explain import explanations
from tests.golden.examples import diagnostics

# What no few lines of a file can show: sources that changed or are not there, thousands of levels, an import left out,
# a kernel that lacks something
IN_WORDS = {"E001", "E002", "E003", "E065", "W101", "W141"}


def test_every_code_is_explained_in_order() -> None:
    assert list(explanations()) == list(CODES)
    assert all(one.text and bool(one.wrong) == bool(one.right) for one in explanations().values())
    assert {code for code, one in explanations().items() if not one.wrong} == IN_WORDS


@pytest.mark.parametrize("code", [code for code in CODES if code not in IN_WORDS])
def test_examples(code: str) -> None:
    one = explanations()[code]
    assert {diag.code for diag in diagnostics(one.wrong)} == {code}
    assert list(diagnostics(one.right)) == []


def test_the_command() -> None:
    shown = CliRunner().invoke(command, ["e040"]).output
    for other in ("E40", "error[E040]", "E040:"):
        assert CliRunner().invoke(command, [other]).output == shown
    assert shown.startswith("E040: an exact value may not fit in 64 bits\n")
    assert "    return n * n * size > 1000" in shown
    assert json.loads(CliRunner().invoke(command, ["E040", "--json"]).output)["code"] == "E040"
    listed = CliRunner().invoke(command, []).output.splitlines()
    assert len(listed) == len(CODES)
    assert set(json.loads(CliRunner().invoke(command, ["--json"]).output)) == set(CODES)


def test_an_unknown_code(capsys: pytest.CaptureFixture[str]) -> None:
    for code, words in (("E999", "there is no code 'E999'; "), ("E144", "did you mean E044? "), ("", "no code ''")):
        assert status(["explain", code]) == 2
        out, err = capsys.readouterr()
        assert words in err
        assert (out, len(err.splitlines())) == ("", 1)
