"""pcapng: blocks of every kind, byte orders, clocks, interfaces, damage, and what the writer writes."""

from __future__ import annotations

import random
import struct
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.captures.capture import Capture, open_capture
from bpfvm.obj.captures.pcapng_write import MOST_COMMENT, VERDICT, Writer, verdict_of
from tests.unit.obj.captures.pcapng import Maker
from tests.unit.obj.damage.changes import damaged

Packet = tuple[int, bytes, int]


def read(data: bytes) -> tuple[list[Packet], list[str]]:
    with Capture(data, "f.pcapng") as capture:
        return [(stamp, bytes(packet), length) for stamp, packet, length in capture], capture.lost.lines


@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders_and_every_form_of_packet(order: str) -> None:
    made = Maker(order).section().interface(snap=4)
    made.packet(5, b"enhanced", length=100)
    made.block(3, struct.pack(order + "I", 9) + b"simp")  # of 9 bytes 4 are kept
    made.block(2, struct.pack(order + "HHIIII", 0, 7, 0, 6, 3, 3) + b"old")
    made.block(5, bytes(12))  # statistics
    made.block(0x0BAD, b"\x00\x00\x00\x09custom")
    packets, lost = read(made.data)
    assert packets == [(5000, b"enhanced", 100), (0, b"simp", 9), (6000, b"old", 3)]
    assert lost == []


@pytest.mark.parametrize(
    ("code", "units", "stamp"),
    [(6, 7, 7000), (9, 7, 7), (0, 7, 7 * 10**9), (12, 7999, 7), (0x80 | 10, 2048, 2 * 10**9), (3, 7, 7_000_000)],
)
def test_clocks(code: int, units: int, stamp: int) -> None:
    made = Maker().section().interface(resolution=bytes([code])).packet(units, b"x")
    assert read(made.data) == ([(stamp, b"x", 1)], [])


def test_a_clock_with_an_offset() -> None:
    made = Maker().section().interface(name=b"eth0", offset=struct.pack("<q", 100)).packet(1, b"x")
    assert read(made.data)[0] == [(100 * 10**9 + 1000, b"x", 1)]


def test_sections_have_interfaces_of_their_own() -> None:
    data = Maker().section().interface(link=1).interface(link=101).packet(1, b"a", 0).packet(2, b"b", 1).data
    data += Maker(">").section().interface(link=113).packet(3, b"c", 0).data
    with Capture(data, "f") as capture:
        assert [(bytes(packet), capture.link) for _, packet, _ in capture] == [(b"a", 1), (b"b", 101), (b"c", 113)]


def test_packets_without_an_interface_are_lost_and_told() -> None:
    packets, lost = read(Maker().section().packet(1, b"a").interface().packet(2, b"b").data)
    assert packets == [(2000, b"b", 1)]
    assert lost == ["offset 28: the packet is of interface 0, and the section has 0 before it; 36 bytes are not read"]


def test_reading_goes_on_behind_damage() -> None:
    made = Maker().section().interface()
    ends = [len(made.data)]
    for number in range(6):
        made.packet(number, bytes([number]) * 20)
        ends.append(len(made.data))
    for places, value in (((4, 48), 1 << 30), ((4, 48), 7), ((4, 48), 76), ((20,), 1 << 20)):
        data = bytearray(made.data)
        for at in places:  # of a block of 52 bytes: its lengths, or its packet's
            struct.pack_into("<I", data, ends[2] + at, value + at)
        packets, lost = read(bytes(data))
        assert [number // 1000 for number, _, _ in packets] == [0, 1, 3, 4, 5]
        assert len(lost) == 1
        assert lost[0].endswith(f"; {ends[3] - ends[2]} bytes are not read")


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("value", [0, 7, 12, 48, 56, 104, 156, 1 << 30, (1 << 32) - 1])
def test_one_wrong_length_of_two_loses_nothing(order: str, value: int) -> None:
    made = Maker(order).section().interface()
    ends = [0, 28, len(made.data)]
    for number in range(6):
        made.packet(number, bytes([number]) * 20)
        ends.append(len(made.data))
    whole, _ = read(made.data)
    assert len(whole) == 6
    for start, end in pairwise(ends):
        for at in (start + 4, end - 4):
            data = bytearray(made.data)
            struct.pack_into(order + "I", data, at, value)
            assert read(bytes(data)) == (whole, []), f"length at {at} of the block from {start} to {end}"


def test_a_section_header_with_two_wrong_lengths_loses_its_options_alone() -> None:
    made = Maker().block(0x0A0D0D0A, struct.pack("<IHHqHH4sI", 0x1A2B3C4D, 1, 0, -1, 4, 4, b"prog", 0))
    size = len(made.data)
    data = bytearray(made.interface().packet(1, b"a").data)
    struct.pack_into("<I", data, 4, 1 << 20)
    struct.pack_into("<I", data, size - 4, 1 << 21)
    left = len(data)
    assert read(bytes(data)) == ([(1000, b"a", 1)], [
        f"offset 28: the section header at offset 0 claims 1048576 bytes; {left} are left; {size - 28} bytes are not "
        "read"
    ])  # fmt: skip


def test_a_section_that_cannot_be_read_is_passed_over() -> None:
    first = Maker().section().interface().packet(1, b"a").data
    bad = Maker().block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)).interface().packet(2, b"b").data
    last = Maker(">").section().interface().packet(3, b"c").data
    packets, lost = read(first + bad + last)
    assert [data for _, data, _ in packets] == [b"a", b"c"]
    assert lost == [
        f"offset {len(first)}: the section at offset {len(first)} is of pcapng version 2.0; 1.0 is read; "
        f"{len(bad)} bytes are not read"
    ]


def test_damaged_options_do_not_lose_the_interface() -> None:
    made = Maker().section()
    made.block(1, struct.pack("<HHIHHBxxxHH", 1, 0, 0, 9, 1, 9, 2, 400)).packet(7, b"x")
    assert read(made.data) == ([(7, b"x", 1)], [
        "offset 52: option 2 claims 400 bytes, and its block has 0 left; 4 bytes are not read"
    ])  # fmt: skip


def test_blocks_that_are_too_short_are_told() -> None:
    made = Maker().section().interface().block(6, bytes(12)).block(1, b"").block(3, b"").packet(1, b"a")
    packets, lost = read(made.data)
    assert packets == [(1000, b"a", 1)]
    assert [line.split(": ")[1].split(";")[0] for line in lost] == [
        "an enhanced packet block of 24 bytes, which has 32", "a block of type 1 of 12 bytes, which has 20",
        "a block of type 3 of 12 bytes, which has 16",
    ]  # fmt: skip


def test_a_section_of_many_interfaces_is_read_up_to_a_limit() -> None:
    made = Maker().section().data + Maker().interface().data * ((1 << 16) + 2) + Maker().packet(1, b"a", 65535).data
    packets, lost = read(made)
    assert packets == [(1000, b"a", 1)]
    assert [line.partition(": ")[2] for line in lost] == [
        "the section has more than 65536 interfaces; 20 bytes are not read"
    ] * 2


def test_everything_before_a_cut_is_read() -> None:
    made = Maker().section().interface().packet(1, b"a" * 9).packet(2, b"b" * 30)
    whole, _ = read(made.data)
    cuts = 0
    for end in range(28, len(made.data)):
        packets, lost = read(made.data[:end])
        assert packets == whole[: len(packets)]
        cuts += lost != []
    print(f"{cuts} cuts")
    assert cuts >= 100


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (Maker().section().data[:20], "the section header at offset 0 is cut off: 20 of 28 bytes"),
        (Maker().block(0x0A0D0D0A, bytes(20)).data, "has no byte order"),
        (Maker().block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 2, 0, -1)).data, "pcapng version 2.0"),
    ],
)
def test_what_is_refused_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(LoadError, match=r"^f\.pcapng: ") as caught:
        Capture(data, "f.pcapng")
    assert reason in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.binary(max_size=70), st.sampled_from(["eth", "ip"]),
                          st.text(max_size=20), st.integers(0, (1 << 32) - 1))))  # fmt: skip
def test_what_is_written_comes_back(packets: list[tuple[int, bytes, str, str, int]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.pcapng")
        with Writer(path) as writer:
            for stamp, data, layer, comment, length in packets:
                writer.packet(stamp, data, layer, comment, length)
        with open_capture(path) as capture:
            found = [(stamp, bytes(data), capture.link, length) for stamp, data, length in capture]
            assert capture.lost.lines == []
    links = {"eth": 1, "ip": 101}
    assert found == [(stamp, data, links[layer], length) for stamp, data, layer, _, length in packets]


def test_comments_are_those_that_others_read(tmp_path: Path) -> None:
    scapy = pytest.importorskip("scapy.utils", reason="scapy is not installed: pip install 'bpfvm[net]'")
    with Writer(tmp_path / "out.pcapng") as writer:
        for number in range(5):
            writer.packet(1_600_000_000 * 10**9 + number, b"x" * (14 + number), "eth", f"XDP_PASS {number}")
    with scapy.RawPcapNgReader(str(tmp_path / "out.pcapng")) as reader:
        found = [(bytes(data), meta) for data, meta in reader]
    assert [data for data, _ in found] == [b"x" * (14 + number) for number in range(5)]
    for number, (_, meta) in enumerate(found):
        comment = getattr(meta, "comment", None) or getattr(meta, "comments", [None])[0]
        assert comment == f"XDP_PASS {number}".encode()
        assert (meta.tshigh << 32 | meta.tslow) == 1_600_000_000 * 10**9 + number


def options_of(path: Path) -> list[dict[int, bytes]]:
    """The options of each packet of a file that `Writer` wrote, read by hand."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured, read = struct.unpack_from("<I", data, at + 20)[0], {}
            place = at + 28 + (captured + 3 & ~3)
            while place < at + length - 4:
                code, size = struct.unpack_from("<HH", data, place)
                read[code] = data[place + 4 : place + 4 + size]
                place += 4 + (size + 3 & ~3)
            assert place == at + length - 4
            assert not read or read.pop(0) == b""  # the end of the options
            found.append(read)
        at += length
    return found


def test_verdicts_are_those_of_the_format(tmp_path: Path) -> None:
    cases = {("xdp", 2): "020200000000000000", ("sched_cls", 0xFFFF_FFFF): "01ffffffffffffffff",
             ("sched_act", -1): "01ffffffffffffffff", ("sched_cls", 7): "010700000000000000",
             ("xdp", 0xFFFF_FFFF): "02ffffffff00000000", ("cgroup_skb", 1): ""}  # fmt: skip
    with Writer(tmp_path / "out") as writer:
        for number, (kind, value) in enumerate(cases):
            writer.packet(number, b"x" * number, "eth", f"{kind} {value}", verdict=verdict_of(kind, value))
    found = options_of(tmp_path / "out")
    assert [one.get(VERDICT, b"").hex() for one in found] == list(cases.values())
    assert [one[1].decode() for one in found] == [f"{kind} {value}" for kind, value in cases]


def test_a_long_comment_is_cut_between_characters(tmp_path: Path) -> None:
    with Writer(tmp_path / "out") as writer:
        writer.packet(0, b"", "eth", "x" + "é" * 40_000)
    (found,) = options_of(tmp_path / "out")
    assert found[1].decode() == "x" + "é" * (MOST_COMMENT // 2)


def test_a_capture_that_is_read_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "both.pcapng"
    path.write_bytes(whole := Maker().section().interface().packet(1, b"a").data)
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "hard").hardlink_to(path)
    for name in ("both.pcapng", "link", "hard"):
        with pytest.raises(UsageError, match="packets are read from this file"):
            Writer(tmp_path / name, [tmp_path / "other", path])
    assert path.read_bytes() == whole
    Writer(tmp_path / "new", [path, "-"]).close()


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="directory"):
        Writer(tmp_path)
    with Writer(tmp_path / "out") as writer, pytest.raises(LoadError, match="packet 1 of 1 byte at -1 ns"):
        writer.packet(-1, b"x", "eth")
    with Writer(tmp_path / "out") as writer, pytest.raises(LoadError, match="length 4294967296 on the wire"):
        writer.packet(1, b"x", "eth", length=1 << 32)
    with pytest.raises(LoadError, match="No space left"), Writer("/dev/full") as writer:
        writer.packet(1, b"x", "eth")


def test_damaged_files_give_what_is_readable() -> None:
    rng, files = random.Random(7), []
    for order in "<>":
        made = Maker(order).section().interface(snap=96).interface(link=101, resolution=b"\x09")
        for number in range(14):
            made.packet(number, rng.randbytes(14 + 7 * number), number % 2, 200)
        files.append(made.data)
    outcomes: Counter[str] = Counter()
    messages: list[str] = []
    for data in damaged(files, 1000, seed=3):
        try:
            with Capture(data, "damaged.pcapng") as capture:
                read = sum(32 + len(packet) for _, packet, _ in capture)
                assert read <= len(data)
                assert capture.lost.bytes <= len(data)
                assert all(line.isprintable() for line in capture.lost.lines)
                outcomes["lost some" if capture.lost.lines else "whole"] += 1
        except LoadError as error:
            messages.append(str(error))
            outcomes["refused"] += 1
    print(dict(outcomes))
    assert [text for text in messages if not text.isprintable()] == []
    assert outcomes.total() == 1000
    assert min(outcomes.values()) >= 20
