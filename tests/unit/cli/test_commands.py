"""The commands as a whole: what is told of one that there is not."""

from __future__ import annotations

from importlib import metadata

import pytest

from bpfvm.cli import COMMANDS, status


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("runn", "there is no command 'runn'; did you mean run?"),
        ("dissasm", "there is no command 'dissasm'; did you mean disasm?"),
        ("coverage", f"there is no command 'coverage'; the commands are {', '.join(COMMANDS)}"),
    ],
)
def test_a_command_that_there_is_not(given: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert status([given, "x.o"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1] == f"Error: {told}"


def test_other_arguments_are_as_they_were(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["--nope"]) == 2
    assert "No such option" in capsys.readouterr().err
    assert status(["--help"]) == 0


@pytest.mark.parametrize("installed", [True, False])
def test_the_version(installed: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder that python -m runs from, too."""

    def version(name: str) -> str:
        if not installed:
            raise metadata.PackageNotFoundError(name)
        return "7.8.9"

    monkeypatch.setattr(metadata, "version", version)
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == ("bpfvm 7.8.9\n" if installed else "bpfvm, from a folder that is not installed\n")
