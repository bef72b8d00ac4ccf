"""Long walks: they end inside their budget, tell how far they are, and can be interrupted."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.cli import status, walking
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from bpfvm.verifier.program.object import verify

TURNS = 10_000
LOOP = f"r6 = 0\nl:\nr6 += 1\nr7 = r6\nr7 &= 7\nif r6 != {TURNS} goto l\nr0 = 0\nexit"


@pytest.fixture(scope="module")
def spec() -> ObjectSpec:
    """A program of which 40,000 instructions are walked."""
    return ObjectSpec({"long": ProgramSpec("long", "socket", "socket_filter", tuple(assemble(LOOP)))}, {})


def test_it_ends_and_tells_its_progress(spec: ObjectSpec) -> None:
    told: list[tuple[int, int]] = []
    verdict = verify(spec, "long", progress=lambda processed, waiting: told.append((processed, waiting)))
    assert (verdict.verdict, verdict.processed) == ("accept", 4 * TURNS + 3)
    assert [processed for processed, _ in told] == sorted({processed for processed, _ in told})
    assert len(told) >= verdict.processed // 2048
    assert told[-1][0] >= verdict.processed - 4096


def test_it_keeps_to_its_budget(spec: ObjectSpec) -> None:
    verdict = verify(spec, "long", budget=5000)
    assert (verdict.verdict, verdict.message, verdict.processed) == ("undecided", "after 5000 instructions", 5001)


@pytest.fixture
def path(spec: ObjectSpec, tmp_path: Path) -> str:
    found = tmp_path / "long.o"
    found.write_bytes(write_object(spec))
    return str(found)


def test_lines_on_standard_error(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(walking, "AGAIN", 0.0)
    assert status(["verify", path, "--budget", "9000", "--json"]) == 0
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert "long: 2048 of at most 9000 instructions walked, 0 branches wait" in err


def test_an_interruption_is_one_line(
    path: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(self: walking.Walking, processed: int, waiting: int) -> None:
        if processed > 4000:
            raise KeyboardInterrupt

    monkeypatch.setattr(walking.Walking, "step", interrupted)
    assert status(["verify", path]) == 130
    assert capsys.readouterr().err.strip() == "bpfvm: interrupted"
