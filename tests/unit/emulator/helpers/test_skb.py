"""Helpers on an skb: bytes, ends, VLAN tags, room for headers, what is known beside the bytes."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.sections import of_section
from tests.engines import EMULATORS

ENGINES = EMULATORS
IPV4 = bytes.fromhex("450000280001000040060000c0a80001c0a80002") + bytes(range(20))
HEAD = bytes.fromhex("020000000001020000000002")
FRAME = HEAD + b"\x08\x00" + IPV4
TAGGED = HEAD + bytes.fromhex("810000050800") + IPV4


def run(text: str, packet: bytes = FRAME, name: str = "interp", section: str = "tc") -> Result:
    """One run; @name in the text is a helper's number."""
    for row in sorted(HELPERS.values(), key=lambda one: -len(one.name)):
        text = text.replace(f"@{row.name}", str(row.id))
    program = ProgramSpec("p", section, of_section(section).program_type, tuple(assemble(text)))
    with closing(engine(name).load(ObjectSpec({"p": program}, {}), "p", {})) as loaded:
        return loaded.run(Input(packet=packet))


MOVES = [
    "r2 = 60\nr3 = 0\ncall @skb_change_tail",
    "r2 = 0\ncall @skb_pull_data",
    "r2 = 14\nr3 = 0\ncall @skb_change_head",
    "r2 = 0x0081\nr3 = 5\ncall @skb_vlan_push",
    "r2 = 0xdd86\nr3 = 0\ncall @skb_change_proto",
    "r2 = 20\nr3 = 1\nr4 = 2\ncall @skb_adjust_room",
    "r2 = 0\nr3 = r10\nr3 += -8\nr4 = 0\n*(u64 *)(r10 -8) = r4\nr4 = 1\nr5 = 0\ncall @skb_store_bytes",
]


@pytest.mark.parametrize("move", MOVES)
def test_a_pointer_from_before_is_dead(move: str) -> None:
    result = run(f"r6 = r1\nr7 = *(u32 *)(r1 +76)\n{move}\nr0 = *(u8 *)(r7 +20)\nexit")
    name = move.rpartition("@")[2]
    if name == "skb_vlan_push":  # into the skb's own field: the packet stays
        assert (result.fault, result.r0) == (None, FRAME[20])
        return
    assert result.fault is not None
    assert result.fault.message == f"read of 1 byte at packet+20, which was moved by bpf_{name}"


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("r2 = 60\nr3 = 0\ncall @skb_change_tail", FRAME + bytes(6)),
        ("r2 = 20\nr3 = 0\ncall @skb_change_tail", FRAME[:20]),
        ("r2 = 14\nr3 = 0\ncall @skb_change_head", bytes(14) + FRAME),
        ("r2 = 0xdd86\nr3 = 0\ncall @skb_change_proto", FRAME[:14] + bytes(20) + FRAME[14:]),
        ("r2 = 28\nr3 = 1\nr4 = 0x12\ncall @skb_adjust_room", FRAME[:14] + bytes(28) + FRAME[14:]),
        ("r2 = 8\nr3 = 0\nr4 = 0\ncall @skb_adjust_room", FRAME[:34] + bytes(8) + FRAME[34:]),
        ("r2 = -8\nr3 = 0\nr4 = 0\ncall @skb_adjust_room", FRAME[:34] + FRAME[42:]),
        ("r2 = -8\nr3 = 0\nr4 = 0x180\ncall @skb_adjust_room", None),
        ("r2 = 8\nr3 = 3\nr4 = 0\ncall @skb_adjust_room", None),
        ("r2 = 20000\nr3 = 0\ncall @skb_change_tail", None),
    ],
)
def test_ends_and_room(text: str, wanted: bytes | None, name: str) -> None:
    result = run(f"{text}\nexit", name=name)
    assert (result.fault, result.r0 == 0, result.packet) == (None, wanted is not None, wanted or FRAME)


@pytest.mark.parametrize("name", ENGINES)
def test_a_packet_inside_another_header_keeps_its_end(name: str) -> None:
    room = "r6 = r1\nr2 = 20\nr3 = 1\nr4 = {}\ncall @skb_adjust_room\n"
    room += "r1 = r6\nr2 = 60\nr3 = 0\ncall @skb_change_tail\nexit"
    inside, beside = run(room.format(2), name=name), run(room.format(0), name=name)
    assert (inside.r0, inside.packet) == (-524 & (1 << 64) - 1, FRAME[:14] + bytes(20) + FRAME[14:])
    assert (beside.r0, beside.packet) == (0, (FRAME[:14] + bytes(20) + FRAME[14:])[:60])


ENCAP = "r2 = 0x45\n*(u64 *)(r10 -24) = r2\nr2 = 0\n*(u64 *)(r10 -16) = r2\n*(u64 *)(r10 -8) = r2\n" \
        "r2 = {}\nr3 = r10\nr3 += -24\nr4 = {}\ncall @lwt_push_encap\nexit"  # fmt: skip


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("kind", "size", "section"), [(2, 20, "lwt_xmit"), (2, 24, "lwt_in"), (2, 19, "lwt_in"),
                                                      (0, 20, "lwt_xmit"), (3, 20, "lwt_in")])  # fmt: skip
def test_a_route_puts_a_header_around_the_packet(kind: int, size: int, section: str, name: str) -> None:
    result, header = (
        run(ENCAP.format(kind, size), IPV4, name, section),
        b"\x45" + bytes(9) + b"\xba\xff" + bytes(size - 12),
    )
    is_taken = kind == 2 and size >= 20
    wanted = (0, header + IPV4) if is_taken else (-22 & (1 << 64) - 1, IPV4)
    assert (result.fault, result.r0, result.packet) == (None, *wanted)


def test_segment_routing_asks_a_host() -> None:
    fault = run(ENCAP.format(1, 24), IPV4, section="lwt_in").fault
    assert fault is not None
    assert "bpf_lwt_push_encap of type 1" in fault.message


@pytest.mark.parametrize("name", ENGINES)
def test_vlan_tags_go_through_the_skbs_field(name: str) -> None:
    push = "r1 = r6\nr2 = 0x0081\nr3 = {}\ncall @skb_vlan_push\n"
    first = run("r6 = r1\n" + push.format(5) + "r0 = 0\nexit", name=name)
    assert (first.packet, first.fields["vlan_tci"], first.fields["vlan_present"]) == (FRAME, 5, 1)
    second = run("r6 = r1\n" + push.format(5) + push.format(9) + "r0 = 0\nexit", name=name)
    assert (second.packet, second.fields["vlan_tci"]) == (TAGGED, 9)
    popped = run("call @skb_vlan_pop\nexit", TAGGED, name)
    assert (popped.r0, popped.packet, popped.fields["protocol"]) == (0, FRAME, 0x0008)


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(
    ("offset", "start", "wanted"), [(0, 1, 0x45), (9, 1, 6), (12, 0, 8), (54, 0, -14), (0, 2, -14), (-1, 1, -14)]
)
def test_bytes_are_loaded_from_either_header(offset: int, start: int, wanted: int, name: str) -> None:
    text = (
        f"r2 = {offset}\nr3 = r10\nr3 += -8\nr4 = -1\n*(u64 *)(r10 -8) = r4\nr4 = 1\nr5 = {start}\n"
        "call @skb_load_bytes_relative\nr1 = *(u8 *)(r10 -8)\nr0 += r1\nexit"
    )
    for section in ("tc", "socket"):
        assert run(text, name=name, section=section).r0 == wanted & (1 << 64) - 1


@pytest.mark.parametrize("name", ENGINES)
def test_congestion_is_marked_with_a_right_checksum(name: str) -> None:
    packet = bytearray(FRAME)
    packet[15] = 2
    after = run("call @skb_ecn_set_ce\nexit", bytes(packet), name)
    assert after.r0 == 1
    assert after.packet is not None
    assert after.packet[15] == 3
    assert _sum(after.packet[14:34]) == _sum(bytes(packet[14:34]))


def _sum(header: bytes) -> int:
    return sum(int.from_bytes(header[at : at + 2], "big") for at in range(0, len(header), 2)) % 0xFFFF


def test_a_flow_has_one_hash_both_ways() -> None:
    back = FRAME[:26] + FRAME[30:34] + FRAME[26:30] + FRAME[36:38] + FRAME[34:36] + FRAME[38:]
    one, other = (run("call @get_hash_recalc\nexit", packet).r0 for packet in (FRAME, back))
    assert one == other != 0


def test_what_needs_a_host_says_so() -> None:
    fault = run("r2 = r10\nr2 += -64\nr3 = 64\nr4 = 0\n" + "".join(
        f"*(u64 *)(r10 -{at}) = r4\n" for at in range(8, 72, 8)) + "call @fib_lookup\nexit").fault  # fmt: skip
    assert fault is not None
    assert "bpf_fib_lookup#69 is not emulated in this version (there are no routes" in fault.message
    assert "--helper" in fault.message


@pytest.mark.parametrize("name", ENGINES)
def test_stream_programs_get_room_before_everything(name: str) -> None:
    result = run("r2 = 4\nr3 = 0\nr4 = 0\ncall @skb_adjust_room\nexit", IPV4, name, "sk_skb/stream_verdict")
    assert (result.r0, result.packet) == (0, bytes(4) + IPV4)
