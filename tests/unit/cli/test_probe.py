"""`bpfvm probe` where no kernel may be asked: one line that says why."""

from __future__ import annotations

import pytest

from bpfvm.cli import status
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.behaviours import BEHAVIOURS
from bpfvm.verifier.program.object import verify


def test_without_a_kernel(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    assert status(["probe"]) != 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bpfvm: the kernel's verifier cannot be asked: ")
    assert err.count("\n") == 1


def test_an_unknown_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["probe", "--only", "colours"]) == 2


def test_the_model_tells_behaviours_apart() -> None:
    """Each program is decided, and not all alike."""
    verdicts = []
    for one in BEHAVIOURS:
        program = ProgramSpec("p", "socket", "socket_filter", tuple(assemble(one.text)))
        verdicts.append(verify(ObjectSpec({"p": program}, {"m": MapSpec("m", "array", 4, 8, 4)}), "p").verdict)
    assert set(verdicts) == {"accept", "reject"}
    assert len({one.name for one in BEHAVIOURS}) == len(BEHAVIOURS) >= 19
