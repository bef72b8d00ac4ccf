"""What the native tier does not have yet: each of these has to pass one day, and says so when it does."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.emulator.native.engine import missing
from bpfvm.obj.pcap import write_capture

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

COUNTER = str(Path(__file__).resolve().parents[3] / "objects" / "xdp_count.o")
FRAMES = [(1_000_000 * number, bytes(12) + b"\x08\x00\x45" + bytes(50)) for number in range(20)]


@pytest.fixture
def capture(tmp_path: Path) -> str:
    write_capture(tmp_path / "a.pcap", FRAMES)
    return str(tmp_path / "a.pcap")


@pytest.mark.parametrize(
    "option",
    [
        pytest.param(["--jobs", "2"], marks=pytest.mark.xfail(strict=True, reason="captures are not spread yet")),
        pytest.param(["--dask", "LOCAL"], marks=pytest.mark.xfail(strict=True, reason="nothing runs over Dask yet")),
        pytest.param(
            ["--checked-sample", "10"],
            marks=pytest.mark.xfail(strict=True, reason="no sample of packets is run by the reference tier yet"),
        ),
    ],
)
def test_options_of_long_runs(option: list[str], capture: str) -> None:
    assert status(["run", COUNTER, "--packet", capture, "--engine", "native", *option]) == 0
