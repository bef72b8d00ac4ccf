"""Captures as programs see them: link types become frames, what no program can see is said, real files are read."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.obj.captures import links
from bpfvm.obj.captures.capture import Capture, open_capture
from bpfvm.obj.captures.pcap import encode_capture, write_capture
from tests.unit.obj.captures.pcapng import Maker

IPV4, IPV6 = b"\x45" + bytes(19), b"\x60" + bytes(39)
ETHERNET = bytes(6) + b"\x02" * 6
FOLDER = os.environ.get("BPFVM_CAPTURES", "")


def cooked(protocol: int, payload: bytes, hardware: int = 1, to: int = 0) -> bytes:
    return struct.pack(">HHH8sH", to, hardware, 6, b"\x02" * 6, protocol) + payload


def cooked2(protocol: int, payload: bytes) -> bytes:
    return struct.pack(">HHIHBB8s", protocol, 0, 3, 1, 1, 6, b"\x02" * 6) + payload


def seen(link: int, layer: str, *packets: bytes) -> list[bytes | str]:
    data = b"".join(encode_capture([(0, one) for one in packets], link=link))
    with Capture(data, "f") as capture:
        return [frame if isinstance(frame, str) else bytes(frame) for _, frame, _, _ in capture.frames(layer)]


def test_ethernet_is_what_xdp_sees() -> None:
    assert seen(1, "eth", b"anything", b"") == [b"anything", b""]


def test_ip_hooks_see_the_packet_behind_ethernet_and_tags() -> None:
    frames = (
        ETHERNET + b"\x08\x00" + IPV4,
        ETHERNET + b"\x86\xdd" + IPV6,
        ETHERNET + b"\x81\x00\x00\x07\x08\x00" + IPV4,
        ETHERNET + b"\x88\xa8\x00\x07\x81\x00\x00\x08\x86\xdd" + IPV6,
        ETHERNET + b"\x08\x06" + bytes(28),
        ETHERNET + b"\x00\x26" + bytes(38),
        ETHERNET[:9],
    )
    assert seen(1, "ip", *frames) == [
        IPV4, IPV6, IPV4, IPV6, "it is not IP but EtherType 0x0806", "it is not IP but 802.3 without an EtherType",
        "it ends in its Ethernet header",
    ]  # fmt: skip


@pytest.mark.parametrize("link", [12, 14, 101, 228, 229])
def test_raw_ip(link: int) -> None:
    assert seen(link, "ip", IPV4, IPV6, b"\x55", b"") == [
        IPV4, IPV6, "IP version 5 does not exist", "it has no bytes",
    ]  # fmt: skip
    assert seen(link, "eth", IPV4, IPV6) == [bytes(12) + b"\x08\x00" + IPV4, bytes(12) + b"\x86\xdd" + IPV6]


@pytest.mark.parametrize(("link", "make"), [(113, cooked), (276, cooked2)])
def test_linux_cooked(link: int, make: object) -> None:
    assert callable(make)
    first, second = make(0x0800, IPV4), make(0x0806, bytes(28))
    size = 16 if link == 113 else 20
    assert seen(link, "ip", first, second, b"") == [
        IPV4, "it is not IP but protocol 0x0806", f"it ends in its cooked header, which has {size} bytes",
    ]  # fmt: skip
    frames = seen(link, "eth", first, second)
    to = bytes(6) if link == 113 else b"\xff" * 6
    assert frames == [to + b"\x02" * 6 + b"\x08\x00" + IPV4, to + b"\x02" * 6 + b"\x08\x06" + bytes(28)]


def test_cooked_packets_of_other_hardware_have_no_frame() -> None:
    (found,) = seen(113, "eth", cooked(0x0800, IPV4, hardware=803))
    assert found == "its cooked header is of IEEE80211_RADIOTAP (ARPHRD 803), which has no EtherType"


def test_other_link_types_are_named() -> None:
    assert len(links.NAMES) >= 70
    for link, words in ((0, r"0 \(NULL\)"), (108, r"108 \(LOOP\)")):
        with pytest.raises(LoadError, match=f"f: link type {words} is not read"):
            seen(link, "ip", b"\x02\0\0\0" + IPV4)
    for link in (105, 127, 147, 195):
        with pytest.raises(LoadError, match=f"f: link type {link} .*is not read; Ethernet, raw IP and Linux cooked"):
            seen(link, "eth", b"x")
    with pytest.raises(LoadError, match="link type 4711 is not read"):
        seen(4711, "ip", b"x")


def test_interfaces_of_several_link_types_in_one_file() -> None:
    made = Maker().section().interface(link=1).interface(link=101).interface(link=127).interface(link=113)
    made.packet(1, ETHERNET + b"\x08\x00" + IPV4, 0).packet(2, IPV6, 1).packet(3, b"radio", 2)
    made.packet(4, cooked(0x0800, IPV4), 3)
    with Capture(made.data, "f") as capture:
        found = [frame if isinstance(frame, str) else bytes(frame) for _, frame, _, _ in capture.frames("ip")]
    unread = "link type 127 (IEEE802_11_RADIOTAP) is not read; Ethernet, raw IP and Linux cooked packets are read"
    assert found == [IPV4, IPV6, unread, IPV4]
    alone = Maker().section().interface(link=127).packet(1, b"radio").data
    with Capture(alone, "f") as capture, pytest.raises(LoadError, match=r"^f: link type 127"):
        list(capture.frames("eth"))


@pytest.mark.parametrize(
    ("link", "packet"), [(1, ETHERNET + b"\x08\x00" + IPV4), (101, IPV4), (113, cooked(0x800, IPV4))]
)
@pytest.mark.parametrize("layer", ["eth", "ip"])
def test_snapped_packets_are_seen_as_far_as_they_were_captured(link: int, packet: bytes, layer: str) -> None:
    (whole,) = seen(link, layer, packet)
    assert isinstance(whole, bytes)
    found = 0
    data = b"".join(encode_capture([(0, packet[:end], 1400) for end in range(len(packet) + 1)], link=link))
    with Capture(data, "f") as capture:
        for end, (_, frame, _, length) in enumerate(capture.frames(layer)):
            if not isinstance(frame, str):
                found += 1
                assert bytes(frame) == whole[: len(whole) - len(packet) + end]
                assert length - len(frame) == 1400 - end
    assert found >= len(IPV4)


def test_what_was_made_is_noted() -> None:
    with Capture(b"".join(encode_capture([(0, IPV4)] * 3, link=101)), "f") as capture:
        list(capture.frames("eth"))
        assert capture.notes == [
            "link type 101 (RAW) has no Ethernet header, so each packet gets one: addresses 0, the EtherType by its IP "
            "version"
        ]


def test_the_length_on_the_wire_counts_the_header_that_was_made(tmp_path: Path) -> None:
    write_capture(tmp_path / "f", [(0, IPV4, 1500)], link=101)
    with open_capture(tmp_path / "f") as capture:
        assert [(len(frame), length) for _, frame, _, length in capture.frames("eth")] == [(34, 1514)]


def test_standard_input_of_a_pipe(tmp_path: Path) -> None:
    write_capture(tmp_path / "f", [(number, bytes([number]) * 60) for number in range(9)])
    program = "from bpfvm.obj.captures.capture import open_capture\nprint(sum(len(p) for _, p, _ in open_capture('-')))"
    for source in ("cat", "<"):
        command = f"cat '{tmp_path}/f' | '{sys.executable}' -c \"$0\"" if source == "cat" else (
            f"'{sys.executable}' -c \"$0\" < '{tmp_path}/f'")  # fmt: skip
        done = subprocess.run(["sh", "-c", command, program], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == ("540\n", "")


@pytest.mark.parametrize(
    ("redirection", "reason"),
    [
        ("<&-", "UsageError standard input is closed; write a capture to it"),
        ("< /dev/zero", "LoadError standard input: not a pcap or pcapng capture: it begins with 00 00 00 00"),
        ("< /dev/null", "LoadError standard input: not a pcap or pcapng capture: it is empty"),
    ],
)
def test_standard_input_that_is_no_capture(redirection: str, reason: str) -> None:
    program = (
        "from bpfvm.obj.captures.capture import open_capture\nfrom bpfvm.core.errors import BpfvmError\n"
        "try:\n    open_capture('-')\nexcept BpfvmError as error:\n    print(type(error).__name__, error)"
    )
    command = f"'{sys.executable}' -c \"$0\" {redirection}"
    done = subprocess.run(["sh", "-c", command, program], capture_output=True, text=True, check=False, timeout=20)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(reason)
    assert done.stdout.count("\n") == 1


@pytest.mark.skipif(not FOLDER, reason="BPFVM_CAPTURES names no folder of captures")
def test_real_captures_are_read_as_scapy_reads_them() -> None:
    scapy = pytest.importorskip("scapy.utils", reason="scapy is not installed: pip install 'bpfvm[net]'")
    counts: Counter[str] = Counter()
    for path in sorted(Path(FOLDER).iterdir()):
        try:
            capture = open_capture(path)
        except LoadError as error:
            print(error)
            counts["refused"] += 1
            continue
        with capture:
            ours = [(stamp, bytes(packet), length) for stamp, packet, length in capture]
            lost = capture.lost.lines
        theirs = list(by_scapy(scapy, path))
        kind = "pcapng" if path.read_bytes()[:1] == b"\n" else "pcap"
        if lost:
            print(f"{path.name}: {lost}")
            counts["damaged"] += 1
            assert theirs[: len(ours)] == ours[: len(theirs)], path.name  # up to the damage
            continue
        assert ours == theirs, path.name
        counts[kind] += 1
        counts["packets"] += len(ours)
        counts["with a time"] += sum(stamp > 0 for stamp, _, _ in ours)
        counts["snapped"] += sum(len(packet) < length for _, packet, length in ours)
    print(dict(counts))
    assert counts["pcap"] >= 130
    assert counts["pcapng"] >= 3
    assert counts["packets"] >= 1500
    assert counts["with a time"] >= 1500
    assert counts["snapped"] >= 1


def by_scapy(scapy: Any, path: Path) -> Iterator[tuple[int, bytes, int]]:
    """Time in ns, bytes and length on the wire of each packet, as scapy reads them."""
    with scapy.RawPcapReader(str(path)) as reader:  # either format, by the first bytes
        for data, meta in reader:
            if isinstance(reader, scapy.RawPcapNgReader):
                stamp = (meta.tshigh << 32 | meta.tslow) * 10**9 // meta.tsresol
            else:
                stamp = meta.sec * 10**9 + meta.usec * (1 if reader.nano else 1000)
            yield stamp, bytes(data), meta.wirelen
