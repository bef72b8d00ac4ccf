"""Packet helpers on both emulator tiers and in the kernel: results, packets, contexts and what they wrote are equal.

Each helper is called on random packets with random and edge arguments, which its program reads from a map. After the
call the program notes the result, fields of the context and the bytes at the network header.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.helpers import BY_NAME as HELPERS

FLOOR = 200  # calls of each helper that are compared
CALLS = 260
OUT = 512  # bytes of the map that a program writes to: r0, fields from 8, bytes at the network header from 64, memory
MEMORY = 128

ARGS = "r7 = map[args]+0\nr8 = map[out]+0\nr9 = map[data]+0\n"
# fields of __sk_buff after the call, and the first 16 bytes from the network header on
NOTE_SKB = "".join(
    f"r1 = *(u32 *)(r6 +{field})\n*(u32 *)(r8 +{8 + 4 * at}) = r1\n"
    for at, field in enumerate((0, 4, 16, 20, 24, 28, 164, 176))
) + (
    "r1 = *(u32 *)(r6 +76)\nr2 = *(u32 *)(r6 +80)\nr2 -= r1\n*(u64 *)(r8 +40) = r2\n"
    "r1 = r6\nr2 = 0\nr3 = r8\nr3 += 64\nr4 = 16\nr5 = 1\ncall 68\n*(u64 *)(r8 +48) = r0\n"
)
NOTE_LWT = (  # no loads relative to a header there
    "".join(f"r1 = *(u32 *)(r6 +{field})\n*(u32 *)(r8 +{8 + 4 * at}) = r1\n" for at, field in enumerate((0, 4, 16, 68)))
    + "r1 = *(u32 *)(r6 +76)\nr2 = *(u32 *)(r6 +80)\nr2 -= r1\n*(u64 *)(r8 +40) = r2\n"
)
NOTE_XDP = (
    "r1 = *(u32 *)(r6 +0)\nr2 = *(u32 *)(r6 +4)\nr2 -= r1\n*(u64 *)(r8 +40) = r2\n"
    "r3 = *(u32 *)(r6 +8)\nr1 -= r3\n*(u64 *)(r8 +48) = r1\n"
)
CONTEXT = {"tc": NOTE_SKB, "xdp": NOTE_XDP, "xdp.frags": NOTE_XDP, "socket": "", "cgroup_skb/ingress": NOTE_SKB,
           "lwt_in": NOTE_LWT, "lwt_xmit": NOTE_LWT}  # fmt: skip
TYPES = {
    "tc": "sched_cls", "xdp": "xdp", "xdp.frags": "xdp", "socket": "socket_filter", "cgroup_skb/ingress": "cgroup_skb",
    "lwt_in": "lwt_in", "lwt_xmit": "lwt_xmit",
}  # fmt: skip

# How r1 to r5 are filled: "ctx"; "0" to "3", a word of the map `args`; "out", memory of 128 bytes of the map `out`;
# "data", 64 bytes of the map `data`; "size n", word n as 1 to 64; "size0 n", as 0 to 64; "size4 n", as 0 to 64 by 4.
LOADS = {
    "ctx": "{r} = r6\n",
    "out": f"{{r}} = r8\n{{r}} += {MEMORY}\n",
    "data": "{r} = r9\n",
    "data2": "{r} = r9\n{r} += 64\n",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A helper in one program type. before: helpers that are called first, for state; with their arguments."""

    name: str
    section: str
    shape: str
    before: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name} in {self.section}" + "".join(f" after {one.split()[0]}" for one in self.before)


SUBJECTS = (
    Subject("xdp_adjust_head", "xdp", "ctx 0"),
    Subject("xdp_adjust_head", "xdp", "ctx 0", ("xdp_adjust_meta ctx 1",)),
    Subject("xdp_adjust_meta", "xdp", "ctx 0"),
    Subject("xdp_adjust_meta", "xdp", "ctx 0", ("xdp_adjust_head ctx 1",)),
    Subject("xdp_adjust_tail", "xdp", "ctx 0"),
    Subject("xdp_adjust_tail", "xdp", "ctx 0", ("xdp_adjust_tail ctx 1",)),
    Subject("xdp_adjust_tail", "xdp.frags", "ctx 0", ("xdp_adjust_tail ctx 1", "xdp_adjust_head ctx 2")),
    Subject("xdp_get_buff_len", "xdp.frags", "ctx", ("xdp_adjust_tail ctx 1",)),
    Subject("xdp_load_bytes", "xdp", "ctx 0 out size:1"),
    Subject("xdp_load_bytes", "xdp.frags", "ctx 0 out size:1", ("xdp_adjust_tail ctx 1",)),
    Subject("xdp_store_bytes", "xdp.frags", "ctx 0 data size:1"),
    Subject("skb_load_bytes", "tc", "ctx 0 out size:1"),
    Subject("skb_load_bytes", "socket", "ctx 0 out size:1"),
    Subject("skb_load_bytes", "cgroup_skb/ingress", "ctx 0 out size:1"),
    Subject("skb_load_bytes_relative", "tc", "ctx 0 out size:1 2"),
    Subject("skb_load_bytes_relative", "cgroup_skb/ingress", "ctx 0 out size:1 2"),
    Subject("skb_store_bytes", "tc", "ctx 0 data size:1 2", ("set_hash ctx 3",)),
    Subject("skb_pull_data", "tc", "ctx 0"),
    Subject("skb_change_head", "tc", "ctx 0 1"),
    Subject("skb_change_head", "tc", "ctx 0 1", ("skb_change_head ctx 2 3",)),
    Subject("skb_change_tail", "tc", "ctx 0 1"),
    Subject("skb_change_tail", "tc", "ctx 0 1", ("skb_vlan_push ctx 2 3", "skb_vlan_push ctx 2 3")),
    Subject("skb_change_tail", "tc", "ctx 0 1", ("skb_adjust_room ctx 2 3 4",)),
    Subject("skb_change_proto", "tc", "ctx 0 1"),
    Subject("skb_change_proto", "tc", "ctx 0 1", ("skb_vlan_push ctx 2 3", "skb_vlan_push ctx 2 3")),
    Subject("skb_change_type", "tc", "ctx 0"),
    Subject("skb_adjust_room", "tc", "ctx 0 1 2"),
    Subject("skb_adjust_room", "tc", "ctx 0 1 2", ("skb_adjust_room ctx 0 1 3",)),
    Subject("skb_adjust_room", "tc", "ctx 0 1 2", ("skb_change_proto ctx 3 4",)),
    Subject("skb_vlan_push", "tc", "ctx 0 1"),
    Subject("skb_vlan_push", "tc", "ctx 0 1", ("skb_vlan_push ctx 2 3",)),
    Subject("skb_vlan_pop", "tc", "ctx"),
    Subject("skb_vlan_pop", "tc", "ctx", ("skb_vlan_push ctx 2 3", "skb_vlan_push ctx 2 1")),
    Subject("l3_csum_replace", "tc", "ctx 0 1 2 3"),
    Subject("l4_csum_replace", "tc", "ctx 0 1 2 3"),
    Subject("csum_diff", "tc", "data size4:0 data2 size4:1 2"),
    Subject("csum_diff", "xdp", "data size4:0 data2 size4:1 2"),
    Subject("csum_update", "tc", "ctx 0"),
    Subject("csum_level", "tc", "ctx 0", ("csum_level ctx 1", "csum_level ctx 2", "csum_level ctx 3")),
    Subject("set_hash", "tc", "ctx 0"),
    Subject("set_hash_invalid", "tc", "ctx", ("set_hash ctx 0",)),
    Subject("get_hash_recalc", "tc", "ctx", ("set_hash ctx 0",)),
    Subject("skb_get_tunnel_key", "tc", "ctx out size:1 2"),
    Subject("skb_get_tunnel_opt", "tc", "ctx out size:1"),
    Subject("skb_set_tunnel_key", "tc", "ctx data size:1 2"),
    Subject("skb_set_tunnel_key", "lwt_xmit", "ctx data size:1 2"),
    Subject("skb_get_tunnel_key", "tc", "ctx out size:1 2", ("skb_set_tunnel_key ctx data size:3 4",)),
    Subject(
        "skb_get_tunnel_key",
        "tc",
        "ctx out size:1 2",
        ("skb_set_tunnel_key ctx data size:3 4", "skb_set_tunnel_opt ctx data2 size:0"),
    ),
    Subject("skb_set_tunnel_opt", "tc", "ctx data size:1"),
    Subject("skb_set_tunnel_opt", "tc", "ctx data size:1", ("skb_set_tunnel_key ctx data size:3 4",)),
    Subject(
        "skb_get_tunnel_opt",
        "tc",
        "ctx out size:1",
        ("skb_set_tunnel_key ctx data size:3 4", "skb_set_tunnel_opt ctx data2 size:0"),
    ),
    Subject(
        "skb_get_tunnel_opt",
        "tc",
        "ctx out size:1",
        (
            "skb_set_tunnel_key ctx data size:3 4",
            "skb_set_tunnel_opt ctx data2 size:0",
            "skb_set_tunnel_key ctx data size:3 4",
        ),
    ),
    Subject("skb_get_xfrm_state", "tc", "ctx 0 out size:1 2"),
    Subject("skb_set_tstamp", "tc", "ctx 0 1"),
    Subject("skb_ecn_set_ce", "tc", "ctx"),
    Subject("skb_ecn_set_ce", "cgroup_skb/ingress", "ctx"),
    Subject("skb_ecn_set_ce", "tc", "ctx", ("skb_change_proto ctx 0 4", "skb_change_head ctx 1 4")),
    Subject("get_cgroup_classid", "tc", "ctx"),
    Subject("skb_cgroup_classid", "tc", "ctx"),
    Subject("skb_cgroup_id", "tc", "ctx"),
    Subject("skb_ancestor_cgroup_id", "tc", "ctx 0"),
    Subject("get_route_realm", "tc", "ctx"),
    Subject("get_socket_uid", "tc", "ctx"),
    Subject("lwt_push_encap", "lwt_in", "ctx 0 data size:1"),
    Subject("lwt_push_encap", "lwt_xmit", "ctx 0 data size:1"),
    Subject("lwt_push_encap", "lwt_xmit", "ctx 0 data size:1", ("lwt_push_encap ctx 0 data size:2",)),
    Subject("skb_change_tail", "lwt_xmit", "ctx 0 1", ("lwt_push_encap ctx 2 data size:3",)),
    Subject("skb_change_head", "lwt_xmit", "ctx 0 1", ("lwt_push_encap ctx 2 data size:3",)),
)
HASHED = ("set_hash", "skb_store_bytes", "set_hash_invalid", "get_hash_recalc", "skb_change_proto")


def fill(shape: str) -> str:
    """Registers r1 on, filled as the words of `shape` say."""
    text = ""
    for number, word in enumerate(shape.split(), 1):
        register, (kind, _, at) = f"r{number}", word.partition(":")
        if kind in LOADS:
            text += LOADS[kind].format(r=register)
        elif kind == "size":
            text += f"{register} = *(u64 *)(r7 +{8 * int(at)})\n{register} &= 63\n{register} += 1\n"
        elif kind == "size4":
            text += f"{register} = *(u64 *)(r7 +{8 * int(at)})\n{register} &= 60\n"
        else:
            text += f"{register} = *(u64 *)(r7 +{8 * int(kind)})\n"
    return text


def program(subject: Subject) -> ObjectSpec:
    """An object whose program calls the helper, and notes what can be seen after it."""
    section = subject.section
    text = "r6 = r1\n" + ARGS
    for one in subject.before:
        name, _, shape = one.partition(" ")
        text += fill(shape) + f"call {HELPERS[name].id}\n"
    text += fill(subject.shape) + f"call {HELPERS[subject.name].id}\n*(u64 *)(r8 +0) = r0\n" + CONTEXT[section]
    if subject.name in HASHED and section == "tc":
        text += "r1 = *(u32 *)(r6 +68)\n*(u32 *)(r8 +56) = r1\n"
    if subject.name == "skb_set_tstamp":
        text += "r1 = *(u64 *)(r6 +152)\n*(u64 *)(r8 +80) = r1\nr1 = *(u8 *)(r6 +180)\n*(u64 *)(r8 +88) = r1\n"
    insns = tuple(assemble(text + "r0 = 1\nexit"))
    maps = {
        "args": MapSpec("args", "array", 4, 40, 1),
        "out": MapSpec("out", "array", 4, OUT, 1),
        "data": MapSpec("data", "array", 4, 256, 1),
    }
    return ObjectSpec({"p": ProgramSpec("p", section, TYPES[section], insns)}, maps)


def ethernet(source: random.Random, kind: int) -> bytes:
    addresses = source.choice((bytes(6), b"\xff" * 6, source.randbytes(6))) + source.randbytes(6)
    return addresses + kind.to_bytes(2, "big")


def payload(source: random.Random, kind: int) -> bytes:
    """A packet of the type, often with a right header."""
    size = source.choice((40, 41, 46, 60, 100, 300, 1000, 1486, source.randrange(40, 1500)))
    body = bytearray(source.randbytes(size))
    if kind == 0x0800:
        body[0] = source.choice((0x45, 0x45, 0x46, 0x4F))
        body[9] = source.choice((6, 17, 1))
    elif kind == 0x86DD:
        body[0] = 0x60 | body[0] & 15
        body[6] = source.choice((6, 17, 58))
    return bytes(body)


def packet(source: random.Random, section: str) -> bytes:
    """A random packet that the kernel takes for the section's type."""
    if section.startswith(("cgroup_skb", "lwt")):
        return payload(source, source.choice((0x0800, 0x86DD)))
    kind = source.choice((0x0800, 0x0800, 0x86DD, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x0022, source.randrange(0x10000)))
    head, inner = ethernet(source, kind), source.choice((0x0800, 0x86DD, 0x8100, 0x0026))
    if kind in (0x8100, 0x88A8):
        head += source.randbytes(2) + inner.to_bytes(2, "big")
        kind = inner
    if section == "xdp.frags" and source.random() < 0.7:
        return head + source.randbytes(source.choice((3506, 3507, 4000, 7602, 7603, 9000, 12000)))
    if kind not in (0x0800, 0x86DD) and source.random() < 0.2:
        return head + source.randbytes(source.randrange(8))
    return head + payload(source, kind)


EDGES = (0, 1, 2, 3, 4, 13, 14, 15, 18, 20, 34, 40, 60, 64, 216, 217, 0xFFF, 0x1000, 0xFFFF, 0x10000, 0x7FFF_FFFF,
         0x8000_0000, 0xFFFF_FFFF, 1 << 32, (1 << 64) - 1, (1 << 64) - 4, (1 << 64) - 20, (1 << 64) - 40)  # fmt: skip
PROTOCOLS = (0x0008, 0xDD86, 0x0081, 0xA888, 0x0608)  # as a little-endian program writes them


def words(source: random.Random, subject: Subject, size: int) -> list[int]:
    """Five words for the map `args`: edges, places around the packet's ends, and what the helper's flags take."""

    def near() -> int:
        return source.choice((source.choice(EDGES), size + source.randrange(-70, 4), source.randrange(max(size, 1)),
                              source.randrange(-64, 64))) & (1 << 64) - 1  # fmt: skip

    values = [near() for _ in range(5)]
    choose = CHOICES.get(subject.name)
    if choose is not None:
        choose(source, subject, size, values)
    return values


def checksum_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    is_l4 = subject.name == "l4_csum_replace"
    flags = source.choice((0, 2, 4)) | source.choice((0, 0x10, 0x20, 0x60, 0x80)) * is_l4
    values[3] = source.choice((flags, flags, flags, source.randrange(1 << 9)))
    values[1] = 0 if not values[3] & 15 and source.random() < 0.8 else source.getrandbits(64)
    values[2] = source.getrandbits(64)
    values[0] = source.choice((values[0], 2 * source.randrange(size // 2 + 1)))


def room_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    values[0] = source.choice((values[0], source.randrange(-80, 80) & (1 << 64) - 1, 20, 40, 28))
    values[1] = source.choice((0, 1, 1, 1, 2))
    for at in (2, 3):
        flags = sum(1 << bit for bit in range(9) if source.random() < 0.22)
        values[at] = flags | source.choice((0, 0, 0, 14, 18, 30)) << 56 | (source.random() < 0.05) << 20
    if subject.before and subject.before[0].startswith("skb_change_proto"):
        values[3], values[4] = source.choice(PROTOCOLS), 0


def protocol_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    values[0], values[1] = source.choice((*PROTOCOLS, values[0])), int(source.random() < 0.05)
    values[2], values[3] = source.choice(PROTOCOLS), source.getrandbits(16)


def tag_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    protocol_words(source, subject, size, values)
    values[1] = source.getrandbits(20)


def end_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    values[0] = source.choice((values[0], source.randrange(16200), 16064, 16065, 16064 - size, 16065 - size))
    values[1], values[2], values[3] = int(source.random() < 0.05), source.randrange(100), 0
    if subject.before and "vlan" in subject.before[0]:
        values[2] = source.choice(PROTOCOLS)
    if subject.before and "encap" in subject.before[0]:
        values[2:4] = 2, source.choice((19, 39))
    if subject.before and "room" in subject.before[0]:
        values[2:5] = source.choice((20, 40)), source.randrange(2), source.choice((0, 1, 2, 3, 4, 2 | 8, 1 << 7))


def small_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    first, *rest = (source.choice((0, 0, 0, 1, 2, 3, 4)) for _ in range(4))
    values[1:4] = rest
    values[0] = values[0] if subject.name == "skb_set_tstamp" else source.choice((first, first, values[0]))


def flag_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    values[2] = source.choice((0, 1, 2, 3, values[2]))


def mark_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    values[0], values[1], values[4] = source.choice(PROTOCOLS), source.randrange(60), 0


def wrap_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    """Segment routing (0 and 1) asks the host's routes in lwt_in, and is refused in lwt_xmit."""
    values[0] = source.choice((2, 2, 2, 2, 2, 3, 1 << 31) + (0, 1) * (subject.section == "lwt_xmit"))
    values[1:3] = source.choice((19, 39, 19, 23, 59, source.randrange(64))), source.choice((19, 39))


def tunnel_words(source: random.Random, subject: Subject, size: int, values: list[int]) -> None:
    sizes = (8, 22, 24, 28, 44, 44, 44, source.randrange(1, 65))
    values[0], values[1], values[3] = source.randrange(64) | 3, source.choice(sizes) - 1, source.choice(sizes) - 1
    values[2], values[4] = source.choice((0, 1, 16, 17, values[2])), source.choice((0, 1, source.randrange(33)))


CHOICES: Mapping[str, Callable[[random.Random, Subject, int, list[int]], None]] = {
    "l3_csum_replace": checksum_words, "l4_csum_replace": checksum_words, "skb_adjust_room": room_words,
    "skb_change_proto": protocol_words, "skb_vlan_push": tag_words, "skb_vlan_pop": tag_words,
    "skb_change_tail": end_words, "skb_change_head": end_words, "csum_level": small_words,
    "skb_set_tstamp": small_words, "skb_change_type": small_words, "skb_load_bytes_relative": flag_words,
    "skb_store_bytes": flag_words, "skb_ecn_set_ce": mark_words,
    "lwt_push_encap": wrap_words,
    **dict.fromkeys((f"skb_{verb}_tunnel_{what}" for verb in ("get", "set") for what in ("key", "opt")), tunnel_words),
}  # fmt: skip


def cases(subject: Subject) -> Iterator[tuple[bytes, list[int], bytes]]:
    source = random.Random(str(subject))
    for _ in range(CALLS):
        given = packet(source, subject.section)
        data = source.choice((source.randbytes(256), bytes(256), b"\xff" * 256))
        if "tunnel" in subject.name and source.random() < 0.9:
            data = data[:22] + bytes(6) + data[28:]
        elif subject.section.startswith("lwt"):
            data = source.choice((b"\x45", b"\x45", b"\x46", b"\x60", b"\x6f", b"\x44", b"\x40", data[:1])) + data[1:]
        yield given, words(source, subject, len(given)), data


Seen = tuple[Result, bytes]


def run(loaded: object, given: bytes, arguments: list[int], data: bytes) -> Seen:
    """One call: the result, and what the program wrote."""
    loaded.write_map("args", [(bytes(4), struct.pack("<5Q", *arguments))])  # type: ignore[attr-defined]
    loaded.write_map("out", [(bytes(4), b"\xa5" * OUT)])  # type: ignore[attr-defined]
    loaded.write_map("data", [(bytes(4), data)])  # type: ignore[attr-defined]
    result: Result = loaded.run(Input(packet=given))  # type: ignore[attr-defined]
    return result, loaded.read_map("out")[0][1]  # type: ignore[attr-defined]


def common(a: Mapping[str, int], b: Mapping[str, int]) -> list[str]:
    return [f"{name} {a[name]:#x} and {b[name]:#x}" for name in a if name in b and a[name] != b[name]]


def differences(mine: Seen, kernel: Seen) -> list[str]:
    """What is not equal, in words."""
    (ours, wrote), (theirs, told) = mine, kernel
    if ours.fault is not None:
        return [f"fault {ours.fault}"]
    lines = common(ours.fields, theirs.fields)
    if wrote != told:
        at = next(at for at in range(OUT) if wrote[at] != told[at]) & ~7
        lines.append(f"out+{at}: {wrote[at : at + 8].hex()} and {told[at : at + 8].hex()}, r0 {wrote[:8].hex()} "
                     f"and {told[:8].hex()}")  # fmt: skip
    assert ours.packet is not None
    assert theirs.packet is not None
    if ours.packet != theirs.packet:
        lines.append(f"packets of {len(ours.packet)} and {len(theirs.packet)} bytes: {ours.packet[:48].hex()} and "
                     f"{theirs.packet[:48].hex()}")  # fmt: skip
    return lines


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_a_helper_does_what_the_kernels_does(subject: Subject) -> None:
    spec, compared, refused, wrong, results = program(subject), 0, 0, [], set()
    with (
        closing(engine("interp").load(spec, "p", {})) as interp,
        closing(engine("portable").load(spec, "p", {})) as portable,
        closing(engine("kernel").load(spec, "p", {})) as kernel,
    ):
        for given, arguments, data in cases(subject):
            try:
                wanted = run(kernel, given, arguments, data)
            except Unavailable:
                refused += 1
                continue
            compared += 1
            results.add(wanted[1][:8])
            for name, loaded in (("interp", interp), ("portable", portable)):
                lines = differences(run(loaded, given, arguments, data), wanted)
                shown = [hex(one) for one in arguments]
                wrong += [f"{name}: {line}\n  packet of {len(given)}: {given[:40].hex()} {shown}" for line in lines]
    print(f"{subject}: {compared} compared, {refused} packets not taken, {len(results)} different results")
    assert not wrong, f"{len(wrong)} differences\n" + "\n".join(wrong[:6])
    assert compared >= FLOOR
