"""Captures that somebody cuts short while they are read: one line. Compiled code: tests/unit/emulator/native."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import encode_capture
from tests.unit.obj.captures.pcapng import Maker

PACKETS = 40_000
TOLD = "somebody cut it short while it was read: it had "


def frames(count: int) -> list[tuple[int, bytes]]:
    return [(number, bytes([number & 0xFF]) * 60) for number in range(count)]


def written(path: Path, form: str, count: int = PACKETS) -> Path:
    if form == "pcap":
        path.write_bytes(b"".join(encode_capture(frames(count))))
    else:
        made = Maker().section().interface()
        path.write_bytes(made.data + b"".join(Maker().packet(stamp, frame).data for stamp, frame in frames(count)))
    return path


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
@pytest.mark.parametrize("left", [0, 4096, 1_000_003, -1])
def test_one_line_in_place_of_a_signal(form: str, left: int, tmp_path: Path) -> None:
    """left: bytes of the file; where only a part of the last page goes, no signal tells it."""
    path = written(tmp_path / "a", form)
    with open_capture(path) as capture:
        found = iter(capture)
        next(found)
        os.truncate(path, left if left >= 0 else capture.size + left)
        with pytest.raises(LoadError, match=TOLD):
            for _ in found:
                pass


@pytest.mark.parametrize("form", ["pcap", "pcapng"])
def test_a_capture_that_grows_is_read_as_it_was(form: str, tmp_path: Path) -> None:
    path = written(tmp_path / "a", form, 10)
    with open_capture(path) as capture:
        with path.open("ab") as file:
            file.write(bytes(10_000))
        assert len(list(capture)) == 10
