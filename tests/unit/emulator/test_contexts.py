"""Contexts: what each program type gets, which accesses are faults and in which words, what a result tells."""

from __future__ import annotations

import timeit
from contextlib import closing

import pytest

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input, Result
from bpfvm.emulator.contexts import ContextBuilder
from bpfvm.emulator.memory import Arena
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.progs import BY_NAME
from bpfvm.tables.sections import of_section
from tests.engines import EMULATORS

ENGINES = EMULATORS
IPV4 = bytes.fromhex("450000280001000040060000c0a80001c0a80002") + bytes(20)
FRAME = bytes.fromhex("0200000000010200000000020800") + IPV4
MOST = 3e-6  # seconds for the context of a small XDP packet


def run(section: str, text: str, given: Input, name: str = "interp") -> Result:
    """One run of a program that its section gives a type."""
    program = ProgramSpec("p", section, of_section(section).program_type, tuple(assemble(text)))
    with closing(engine(name).load(ObjectSpec({"p": program}, {}), "p", {})) as loaded:
        return loaded.run(given)


def value(section: str, text: str, given: Input) -> int:
    """r0 on both tiers, which must be equal and without a fault."""
    results = [run(section, text, given, name) for name in ENGINES]
    assert [one.fault for one in results] == [None] * len(ENGINES)
    assert results[0].r0 == results[1].r0
    return results[0].r0


@pytest.mark.parametrize(
    ("section", "packet", "offset", "wanted"),
    [
        ("tc", FRAME, 0, len(FRAME)),
        ("tc", FRAME, 4, 3),
        ("tc", FRAME, 16, 0x0008),
        ("tc", FRAME, 40, 1),
        ("tc", FRAME, 160, len(FRAME)),
        ("socket", FRAME, 0, len(FRAME)),
        ("cgroup_skb/ingress", IPV4, 0, len(IPV4)),
        ("cgroup_skb/ingress", IPV4, 4, 0),
        ("cgroup_skb/ingress", IPV4, 16, 0x0008),
        ("cgroup_skb/ingress", IPV4, 88, 2),
        ("cgroup_skb/ingress", IPV4, 92, 0x0200A8C0),
        ("cgroup_skb/ingress", IPV4, 96, 0x0100A8C0),
        ("cgroup_skb/ingress", b"\x60" + bytes(7) + bytes(range(32)), 100, 0x13121110),
        ("lwt_in", IPV4, 16, 0x0008),
        ("xdp", FRAME, 12, 1),
        ("xdp", FRAME, 16, 0),
    ],
)
def test_defaults(section: str, packet: bytes, offset: int, wanted: int) -> None:
    assert value(section, f"r0 = *(u32 *)(r1 +{offset})\nexit", Input(packet=packet)) == wanted


GIVEN = [
    ("tc", {"mark": 7}, 8, 4, 7),
    ("tc", {"cb[2]": 9}, 56, 4, 9),
    ("tc", {"tstamp": 1 << 40}, 152, 8, 1 << 40),
    ("xdp", {"rx_queue_index": 3}, 16, 4, 3),
    ("sk_msg", {"size": 100}, 68, 4, 100),
    ("sk_lookup", {"local_port": 53}, 60, 4, 53),
    ("cgroup/sock_create", {"mark": 5}, 16, 4, 5),
    ("cgroup/connect4", {"user_ip4": 0x7F000001}, 4, 4, 0x7F000001),
    ("sockops", {"op": 4}, 0, 4, 4),
    ("cgroup/getsockopt", {"level": 6}, 24, 4, 6),
    ("cgroup/sysctl", {"write": 1}, 0, 4, 1),
    ("cgroup/dev", {"major": 8}, 4, 4, 8),
    ("sk_reuseport", {"hash": 0x1234}, 32, 4, 0x1234),
    ("sk_skb/stream_verdict", {"priority": 2}, 32, 4, 2),
]


@pytest.mark.parametrize("at", range(12))
def test_arguments_of_a_raw_tracepoint_are_0_unless_given(at: int) -> None:
    text = f"r0 = *(u64 *)(r1 +{8 * at})\nexit"
    assert value("raw_tp/sys_enter", text, Input()) == 0
    assert value("raw_tp/sys_enter", text, Input(fields={f"args[{at}]": 1 << 63 | at})) == 1 << 63 | at


@pytest.mark.parametrize(("section", "fields", "offset", "size", "wanted"), GIVEN)
def test_fields_are_given(section: str, fields: dict[str, int], offset: int, size: int, wanted: int) -> None:
    packet = FRAME if section in ("tc", "xdp", "sk_skb/stream_verdict") else None
    given = Input(packet=packet, fields=fields)
    assert value(section, f"r0 = *(u{8 * size} *)(r1 +{offset})\nexit", given) == wanted


@pytest.mark.parametrize(
    ("section", "data", "end", "size"),
    [("sk_msg", 0, 8, 8), ("sk_reuseport", 0, 8, 8), ("cgroup/setsockopt", 8, 16, 8), ("tc", 76, 80, 4)],
)
def test_packets_are_reached_through_pointers(section: str, data: int, end: int, size: int) -> None:
    text = (
        f"r2 = *(u{8 * size} *)(r1 +{data})\nr3 = *(u{8 * size} *)(r1 +{end})\nr4 = r2\nr4 += 4\n"
        "r0 = 0\nif r4 > r3 goto +1\nr0 = *(u32 *)(r2 +0)\nexit"
    )
    assert value(section, text, Input(packet=FRAME)) == int.from_bytes(FRAME[:4], "little")


REFUSED = [
    ("tc", "r0 = *(u32 *)(r1 +2)", "read of 4 bytes at context+2, which cannot be read in parts: __sk_buff.len"),
    ("tc", "r0 = *(u32 *)(r1 +92)", "which cannot be read: __sk_buff.remote_ip4 in sched_cls programs"),
    ("tc", "r0 = *(u8 *)(r1 +76)", "cannot be read in parts: __sk_buff.data is 4 bytes at 76"),
    ("tc", "r0 = *(u32 *)(r1 +148)", "read of 4 bytes at context+148, which cannot be read: __sk_buff.flow_keys"),
    ("socket", "r0 = *(u32 *)(r1 +76)", "which cannot be read: __sk_buff.data in socket_filter programs"),
    ("socket", "*(u32 *)(r1 +8) = 1", "write of 4 bytes at context+8, which cannot be written: __sk_buff.mark"),
    ("tc", "*(u32 *)(r1 +0) = 1", "write of 4 bytes at context+0, which cannot be written: __sk_buff.len"),
    ("tc", "*(u16 *)(r1 +8) = 1", "write of 2 bytes at context+8, which cannot be written in parts: __sk_buff.mark"),
    ("tc", "r0 = *(u32 *)(r1 +192)", "read of 4 bytes at context+192"),
    ("xdp", "*(u32 *)(r1 +12) = 1", "context+12, which cannot be written: xdp_md.ingress_ifindex in xdp programs"),
    ("xdp", "r0 = *(u32 *)(r1 +20)", "which cannot be read: xdp_md.egress_ifindex"),
]


@pytest.mark.parametrize("name", ENGINES)
@pytest.mark.parametrize(("section", "text", "words"), REFUSED)
def test_what_the_verifier_refuses_is_a_fault_in_words(section: str, text: str, words: str, name: str) -> None:
    result = run(section, f"r0 = 0\n{text}\nexit", Input(packet=FRAME), name)
    assert result.fault is not None
    assert result.fault.kind == "access"
    assert words in result.fault.message


@pytest.mark.parametrize("name", ENGINES)
def test_a_store_is_cut_to_what_the_kernel_holds(name: str) -> None:
    text = "r2 = 0x12345\n*(u32 *)(r1 +{}) = r2\nr0 = *(u32 *)(r1 +{})\nexit"
    kept = {at: run("tc", text.format(at, at), Input(packet=FRAME), name).r0 for at in (8, 12, 44)}
    assert kept == {8: 0x12345, 12: 0, 44: 0x2345}


def test_results_tell_the_fields() -> None:
    text = "r2 = 5\n*(u32 *)(r1 +8) = r2\n*(u32 *)(r1 +52) = r2\nr0 = 0\nexit"
    for name in ENGINES:
        fields = run("tc", text, Input(packet=FRAME, fields={"priority": 6}), name).fields
        assert [fields[one] for one in ("mark", "cb[1]", "priority", "len")] == [5, 5, 6, len(FRAME)]


def test_metadata_stands_before_the_packet() -> None:
    text = "r2 = *(u32 *)(r1 +0)\nr3 = *(u32 *)(r1 +8)\nr0 = r2\nr0 -= r3\n*(u32 *)(r3 +4) = 7\nexit"
    for name in ENGINES:
        result = run("xdp", text, Input(packet=FRAME, fields={"data_meta": 8}), name)
        assert (result.r0, result.packet, result.fields["data_meta"]) == (8, FRAME, 8)


def test_runs_leave_nothing_to_the_next() -> None:
    program = ProgramSpec("p", "tc", "sched_cls", tuple(assemble("r0 = *(u32 *)(r1 +8)\n*(u32 *)(r1 +8) = 1\nexit")))
    for name in ENGINES:
        with closing(engine(name).load(ObjectSpec({"p": program}, {}), "p", {})) as loaded:
            assert [loaded.run(Input(packet=FRAME[:size])).r0 for size in (60, 40, 54)] == [0, 0, 0]


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("sched_cls", Input(), "needs a packet"),
        ("xdp", Input(packet=bytes(1 << 18)), "over the emulator's"),
    ],
)
def test_inputs_that_a_type_cannot_have(kind: str, given: Input, words: str) -> None:
    with pytest.raises(Unavailable, match=words):
        ContextBuilder(Arena(), BY_NAME[kind]).build(given)


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("xdp", Input(packet=FRAME, fields={"mark": 1}), "xdp_md has no field 'mark'"),
        ("xdp", Input(packet=FRAME, fields={"data_meta": 3}), "in steps of 4"),
        ("sched_cls", Input(packet=FRAME, fields={"mark": 1 << 32}), "does not fit its 32 bits"),
        ("sched_cls", Input(packet=FRAME, fields={"gso_size": 1 << 16}), "does not fit its 16 bits"),
        ("sched_cls", Input(packet=FRAME, fields={"len": 1}), "has no field 'len' that can be given"),
        ("sk_lookup", Input(packet=FRAME), "sees no packet"),
    ],
)
def test_wrong_inputs_are_named(kind: str, given: Input, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ContextBuilder(Arena(), BY_NAME[kind]).build(given)


@pytest.mark.parametrize("kind", ["ext", "struct_ops", "netfilter"])
def test_types_without_a_context_here_are_named(kind: str) -> None:
    with pytest.raises(Unavailable, match=f", not {kind}$"):
        ContextBuilder(Arena(), BY_NAME[kind])


def test_a_small_packets_context_is_made_fast() -> None:
    builder, given = ContextBuilder(Arena(), BY_NAME["xdp"]), Input(packet=bytes(64))
    best = min(timeit.repeat(lambda: builder.build(given), number=2000, repeat=15)) / 2000
    print(f"{best * 1e6:.2f} us")
    assert best <= MOST
