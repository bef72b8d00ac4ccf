"""Commands started without standard output or error, or with one that is full: no traceback, no silent loss."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from bpfvm.cli import status

ROOT = Path(__file__).resolve().parents[3]
COUNTER, CAPTURE = str(ROOT / "tests/objects/xdp_count.o"), str(ROOT / "tests/packets/frames_xdp.pcap")
COMMANDS = [
    ["run", COUNTER, "--packet", CAPTURE], ["run", COUNTER, "--packet", CAPTURE, "--json"], ["disasm", COUNTER],
    ["explain"], ["explain", "E010"], ["--help"], ["run", "--help"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_to_write_to(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", None)
        assert status(command) == 2
    assert capsys.readouterr().err == "bpfvm: standard output: it is closed\n"
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stderr", None)
        assert status(command) == 0
    assert capsys.readouterr().out


class Full(io.StringIO):
    """A file on a disk without room."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_room(command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Full())
        assert status(command) == 2
    assert capsys.readouterr().err == "bpfvm: output: No space left on device\n"
