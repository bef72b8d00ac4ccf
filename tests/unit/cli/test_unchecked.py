"""`--unchecked`: what a verifier would not let pass is no fault, and stays in the emulated memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.core.errors import UsageError
from bpfvm.emulator.native.code.engine import missing
from bpfvm.run.backend import engine
from tests.unit.emulator.native import captures
from tests.unit.emulator.native.captures import Captured

# One byte behind the packet's end, and one at an address that is nowhere
BEYOND = "r2 = *(u32 *)(r1 +4)\n r0 = *(u8 *)(r2 +0)\n r3 = 1 ll\n r3 <<= 40\n r4 = *(u8 *)(r3 +0)\n r0 = 2\n exit"


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    packets = captures.capture(tmp_path / "a.pcap", [(0, bytes(60)), (1, bytes(64))])
    return [captures.program(tmp_path / "beyond.o", BEYOND, {}), "--packet", packets, "--packet", packets]


@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize("more", [(), ("--engine", "native"), ("--jobs", "2")], ids=["auto", "native", "jobs"])
def test_accesses_are_not_checked(more: tuple[str, ...], words: list[str], capsys: Captured) -> None:
    code, found, _ = captures.document(capsys, *words, "--engine", "native")
    assert (code, len(found["faults"])) == (1, 4)
    code, found, _ = captures.document(capsys, *words, "--unchecked", *more)
    assert (code, found["engine"], found["actions"]) == (0, "native", {"XDP_PASS": 4})


def test_other_engines_have_no_such_mode(words: list[str], capsys: Captured) -> None:
    assert status(["run", *words, "--unchecked", "--engine", "interp"]) == 2
    assert capsys.readouterr().err == "bpfvm: --unchecked is of engine native, not interp\n"
    with pytest.raises(UsageError, match="mode safe is of engine native, not portable"):
        engine("portable", safe=True)
