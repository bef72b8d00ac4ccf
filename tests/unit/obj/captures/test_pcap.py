"""Captures: every form that is read, what is damaged, what is refused."""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.capture import Capture, open_capture
from bpfvm.obj.captures.pcap import MAX_PACKET, encode_capture, write_capture

PACKETS = [(1_500_000_000_123_456_789, b"x" * 60), (1_500_000_001_000_000_000, b""), (0, b"\0\1\2")]
FORMS = [(endian, nanoseconds) for endian in ("little", "big") for nanoseconds in (True, False)]


def encoded(endian: str = "little", nanoseconds: bool = True) -> bytes:
    return b"".join(encode_capture(PACKETS, nanoseconds=nanoseconds, endian=endian))


def read(data: bytes) -> tuple[list[tuple[int, bytes, int]], list[str]]:
    with Capture(data, "f.pcap") as capture:
        return [(stamp, bytes(packet), length) for stamp, packet, length in capture], capture.lost.lines


@pytest.mark.parametrize(("endian", "nanoseconds"), FORMS)
def test_all_four_magics(tmp_path: Path, endian: str, nanoseconds: bool) -> None:
    path = tmp_path / "all.pcap"
    write_capture(path, PACKETS, nanoseconds=nanoseconds, endian=endian)
    unit = 1 if nanoseconds else 1000
    with open_capture(path) as capture:
        assert capture.link == 1
        for _ in range(2):  # as often as one likes
            found = [(stamp, bytes(packet), length) for stamp, packet, length in capture]
            assert found == [(stamp // unit * unit, data, len(data)) for stamp, data in PACKETS]
            assert capture.lost.lines == []


def test_magics_are_those_of_the_format() -> None:
    magics = {encoded(endian, nanoseconds)[:4].hex() for endian, nanoseconds in FORMS}
    assert magics == {"a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1"}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("magic", "unit", "more", "behind"),
    [
        (0xA1B2CD34, 1000, b"", struct.pack("<IHBx", 3, 8, 4)),
        (0x1C0001AC, 1, bytes(4), b""),
        (0x1C0001AB, 1000, bytes(4), b""),
    ],
    ids=["kuznetsov", "ixia hardware", "ixia software"],
)
def test_variants_of_the_format(order: str, magic: int, unit: int, more: bytes, behind: bytes) -> None:
    data = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, 65535, 1) + more
    for number in range(5):
        data += struct.pack(order + "IIII", 1_600_000_000 + number, 7, 20, 90) + behind + bytes([number]) * 20
    expected = [((1_600_000_000 + number) * 10**9 + 7 * unit, bytes([number]) * 20, 90) for number in range(5)]
    assert read(data) == (expected, [])
    record = 16 + len(behind) + 20
    broken = bytearray(data)
    struct.pack_into(order + "I", broken, 24 + len(more) + record + 8, 1 << 31)
    packets, lost = read(bytes(broken))
    assert packets == expected[:1] + expected[2:]
    assert len(lost) == 1
    assert lost[0].endswith(f"; {record} bytes are not read")


@pytest.mark.parametrize(("minor", "swapped"), [(2, (True, True)), (3, (True, False)), (4, (False, False))])
def test_versions_with_the_lengths_the_other_way_round(minor: int, swapped: tuple[bool, bool]) -> None:
    data = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, minor, 0, 0, 65535, 1)
    for number, other in enumerate(swapped):
        lengths = (90, 20) if other else (20, 90)
        data += struct.pack("<IIII", 5, number, *lengths) + bytes([number]) * 20
    assert read(data) == ([(5_000_000_000 + 1000 * number, bytes([number]) * 20, 90) for number in range(2)], [])


def test_damage_to_the_first_record_loses_that_one_only() -> None:
    packets = [((1_600_000_000 + number) * 10**9, bytes([number]) * 60, 60) for number in range(8)]
    for endian, order in (("little", "<"), ("big", ">")):
        data = bytearray(b"".join(encode_capture(packets, endian=endian)))
        struct.pack_into(order + "I", data, 24 + 8, 1 << 30)
        found, lost = read(bytes(data))
        assert found == packets[1:]
        assert len(lost) == 1
        assert lost[0].endswith("; 76 bytes are not read")


def test_inserted_and_missing_bytes_lose_what_they_touch() -> None:
    packets = [((1_600_000_000 + number) * 10**9, bytes([number]) * 60, 60) for number in range(8)]
    data = b"".join(encode_capture(packets))
    place = 24 + 3 * 76
    found, lost = read(data[:place] + b"\xff" * 33 + data[place:])
    assert found == packets
    assert lost[0].endswith("; 33 bytes are not read")
    found, lost = read(data[: place - 5] + data[place:])  # the third packet runs into the fourth's header
    assert found == [*packets[:2], (*packets[2][:1], packets[2][1][:55] + data[place : place + 5], 60), *packets[4:]]
    assert lost[0].endswith("; 71 bytes are not read")


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, (1 << 32) * 10**9 - 1), st.binary(max_size=80), st.integers(0, (1 << 32) - 1))),
    st.sampled_from(["little", "big"]),
)
def test_written_packets_come_back_equal(packets: list[tuple[int, bytes, int]], endian: str) -> None:
    assert read(b"".join(encode_capture(packets, endian=endian))) == (packets, [])


def test_a_packet_that_is_kept_outlives_the_capture(tmp_path: Path) -> None:
    path = tmp_path / "kept.pcap"
    write_capture(path, PACKETS)
    with open_capture(path) as capture:
        kept = next(iter(capture))[1]
        assert kept.readonly
    assert bytes(kept) == PACKETS[0][1]


def test_everything_before_a_cut_is_read() -> None:
    data = encoded()
    ends = [24, 24 + 16 + 60, 24 + 16 + 60 + 16, len(data)]
    cuts = 0
    for end in range(24, len(data) + 1):
        packets, lost = read(data[:end])
        assert len(packets) == sum(one <= end for one in ends[1:])
        assert (lost == []) == (end in ends)
        cuts += lost != []
    print(f"{cuts} cuts")
    assert cuts == len(data) - 24 + 1 - len(ends)
    assert read(data[:30])[1] == ["offset 24: the file ends in the header of packet 1; 6 bytes are not read"]
    assert read(data[:50])[1] == [
        "offset 24: packet 1 is cut off: 10 of its 60 bytes are in the file; 26 bytes are not read"
    ]
    assert all(low < high for low, high in pairwise(ends))


def test_reading_goes_on_behind_a_size_without_sense() -> None:
    packets = [((1_600_000_000 + number) * 10**9, bytes([number]) * 60, 60) for number in range(8)]
    data = bytearray(b"".join(encode_capture(packets)))
    struct.pack_into("<I", data, 24 + 2 * 76 + 8, 1 << 30)
    found, lost = read(bytes(data))
    assert found == packets[:2] + packets[3:]
    assert lost == [
        f"offset 176: packet 3 claims 1073741824 bytes, more than the {MAX_PACKET} that a packet can have; "
        "76 bytes are not read"
    ]


def test_many_damaged_places_are_counted_in_full_and_told_in_part() -> None:
    packets = [((1_600_000_000 + number) * 10**9, bytes([number]) * 60, 60) for number in range(240)]
    data = bytearray(b"".join(encode_capture(packets)))
    for number in range(0, 240, 6):
        struct.pack_into("<I", data, 24 + number * 76 + 8, 1 << 29)
    found, lost = read(bytes(data))
    assert found == [packet for number, packet in enumerate(packets) if number % 6]
    assert len(lost) == 21
    assert lost[-1] == "40 places are damaged, 3040 bytes in all were not read"


def test_the_upper_half_of_the_link_type_is_no_part_of_it() -> None:
    data = bytearray(encoded())
    struct.pack_into("<I", data, 20, 0x3000_0001)
    assert len(read(bytes(data))[0]) == len(PACKETS)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "f.pcap: not a pcap or pcapng capture: it is empty"),
        (encoded()[:23], "f.pcap: not a capture: 23 bytes"),
        (b"\x7fELF" + bytes(60), "f.pcap: not a pcap or pcapng capture: it begins with 7f 45 4c 46"),
        (b"\x1f\x8b\x08\x00" + bytes(60), "unpack it first (gzip)"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "f.pcap: the section header at offset 0 has no byte order"),
        (encoded()[:4] + struct.pack("<HH", 3, 9) + encoded()[8:], "pcap version 3.9 is not read"),
    ],
)
def test_what_is_refused_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        Capture(data, "f.pcap")
    assert reason in str(caught.value)


def test_files_that_are_none_are_named_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").touch()
    for path, reason in (
        (tmp_path, "not a regular file"),
        (tmp_path / "pipe", "not a regular file"),
        (tmp_path / "none\n", "No such file"),
        (tmp_path / "empty", "it is empty"),
        ("a\0b", "null"),
        ("/dev/zero", "not a regular file"),
    ):
        with pytest.raises(LoadError, match=reason) as caught:
            open_capture(path)
        assert str(caught.value).isprintable()
    with pytest.raises(LoadError, match="directory"):
        write_capture(tmp_path, [])


def test_what_does_not_fit_is_not_written() -> None:
    for packet in ((-1, b""), ((1 << 32) * 10**9, b""), (0, b"", 1 << 32), (0, bytes(MAX_PACKET + 1))):
        with pytest.raises(LoadError, match=r"^packet 1"):
            list(encode_capture([packet]))
