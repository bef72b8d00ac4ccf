"""Files of packets are read in pieces, and give what they give in one: packets, and what is told of damage."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures import contents, pcap, pcapng
from bpfvm.obj.captures.capture import Capture, open_capture
from bpfvm.obj.captures.pcap import encode_capture
from tests.unit.obj.captures.pcapng import Maker

LONGEST = 90  # bytes of a packet, so that pieces of a few hundred bytes must do


def made(form: str, chance: random.Random) -> bytes:
    frames = [(10**15 + number, chance.randbytes(chance.randrange(LONGEST))) for number in range(300)]
    if form.startswith("pcap,"):
        return b"".join(encode_capture(frames, endian=form.partition(",")[2]))
    maker = Maker(form.partition(",")[2]).section().interface()
    for number, (stamp, frame) in enumerate(frames):
        maker.packet(stamp, frame)
        if number % 50 == 0:
            maker.block(5, chance.randbytes(4 * chance.randrange(500)))  # longer than a piece
        if number % 70 == 0:
            maker.section().interface()
    return maker.data


def damaged(data: bytes, chance: random.Random) -> bytes:
    new = bytearray(data)
    for _ in range(chance.randrange(12)):
        at = chance.randrange(100, len(new))
        new[at : at + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
    return bytes(new[: chance.randrange(len(new) // 2, len(new) + 1)])


def told(capture: Capture) -> tuple[list[tuple[int, bytes, int]], list[str]]:
    with capture:
        return [(stamp, bytes(packet), length) for stamp, packet, length in capture], capture.lost.lines


@pytest.mark.parametrize("form", ["pcap,little", "pcap,big", "pcapng,<", "pcapng,>"])
def test_pieces_give_what_the_whole_gives(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (pcap, pcapng):
        monkeypatch.setattr(module, "MAX_PACKET", LONGEST)
    monkeypatch.setattr(pcapng, "_AHEAD", LONGEST + 64)
    monkeypatch.setattr(contents, "PIECE", 400)
    monkeypatch.setattr(contents, "_HEAD", 64)
    lost = 0
    for seed in range(60):
        chance = random.Random(seed)
        data = made(form, chance)
        data = damaged(data, chance) if seed else data
        path = tmp_path / "file"
        path.write_bytes(data)
        whole = told(Capture(data, str(path)))
        assert told(open_capture(path)) == whole, seed
        assert seed or len(whole[0]) == 300
        lost += len(whole[1])
    assert lost > 100


def test_packets_stay_when_the_next_pieces_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "PIECE", pcap.MAX_PACKET + 16)
    frames = [(number, bytes([number]) * 50_000) for number in range(40)]
    (tmp_path / "file").write_bytes(b"".join(encode_capture(frames)))
    with open_capture(tmp_path / "file") as capture:
        kept = list(capture)
        assert [(stamp, bytes(packet)) for stamp, packet, _ in kept] == frames
        assert [bytes(packet) for _, packet, _ in capture] == [frame for _, frame in frames]  # again


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"".join(encode_capture([(0, bytes(60))] * 100)))

    def refused(number: int, size: int, at: int) -> bytes:
        raise OSError(5, "Input/output error")

    with open_capture(path) as capture:
        monkeypatch.setattr(os, "pread", refused)
        with pytest.raises(LoadError, match=r"file: Input/output error$"):
            list(capture)
