"""Contexts on both emulator tiers and in the kernel: every field that a program may read, in every width that is taken,
and every field that it may write, with defaults and with values given."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.run.backend import engine
from bpfvm.tables.ctx import CONTEXTS, Context
from bpfvm.tables.progs import BY_NAME
from bpfvm.tables.sections import of_section
from kernel_tests.helpers.test_packet_helpers import packet, payload

FLOOR = 60  # runs of each section that are compared
RUNS = 80
OUT = 4096
SECTIONS = (
    "xdp", "xdp.frags", "socket", "tc", "action", "cgroup_skb/ingress", "cgroup_skb/egress", "lwt_in", "lwt_out",
    "lwt_xmit", "flow_dissector",
)  # fmt: skip
SKB_FIELDS = ("mark", "priority", "ingress_ifindex", "cb[0]", "cb[3]", "tstamp", "wire_len", "gso_segs", "gso_size",
              "hwtstamp")  # fmt: skip
WIDE = ("tstamp", "hwtstamp")


def kind_of(section: str) -> tuple[str, Context]:
    name = of_section(section).program_type
    context = BY_NAME[name].context
    assert context is not None
    return name, CONTEXTS[context]


def places(section: str, write: bool) -> list[tuple[int, int]]:
    """Offset and size of every access that is taken, of fields that are no pointers."""
    name, layout = kind_of(section)
    attach, found = of_section(section).attach_type, []
    for size in (1, 2, 4, 8):
        for at in range(0, layout.size, size):
            one = layout.access(at, size, write, name, attach)
            if one is not None and one.pointer is None:
                found.append((at, size))
    return found


def spec(section: str, body: str) -> ObjectSpec:
    maps = {"out": MapSpec("out", "array", 4, OUT, 1), "args": MapSpec("args", "array", 4, 8, 1)}
    text = f"r6 = r1\nr8 = map[out]+0\nr9 = map[args]+0\n{body}r0 = 1\nexit"
    name, _ = kind_of(section)
    return ObjectSpec(
        {"p": ProgramSpec("p", section, name, tuple(assemble(text.replace("r0 = 1", _end(section)))))}, maps
    )


def _end(section: str) -> str:
    return "r0 = 0" if section == "flow_dissector" else "r0 = 1"


def noted(section: str) -> str:
    """Text that stores what every read gives, and the packet's bounds, into the map `out`."""
    text, at = "", 0
    for offset, size in places(section, write=False):
        text += f"r1 = *(u{8 * size} *)(r6 +{offset})\n*(u64 *)(r8 +{at}) = r1\n"
        at += 8
    assert at < OUT - 64
    _, layout = kind_of(section)
    data, end = layout.field("data"), layout.field("data_end")
    if data is not None and end is not None and section != "socket":
        text += f"r1 = *(u32 *)(r6 +{data.offset})\nr2 = *(u32 *)(r6 +{end.offset})\nr2 -= r1\n"
        text += f"*(u64 *)(r8 +{OUT - 8}) = r2\n"
    if section.startswith("xdp"):
        text += f"r2 = *(u32 *)(r6 +8)\nr1 -= r2\n*(u64 *)(r8 +{OUT - 16}) = r1\n"
    return text


def given(source: random.Random, section: str) -> Input:
    """A packet, and fields as BPF_PROG_TEST_RUN takes them."""
    kind = "cgroup_skb" if section.startswith(("cgroup_skb", "lwt")) else section
    data = payload(source, 0x86DD) if kind == "tc" and source.random() < 0.1 else packet(source, kind)
    if kind == "tc":
        data = data[:14] + data[14:]
    fields: dict[str, int] = {}
    if section.startswith("xdp"):
        if source.random() < 0.5:
            fields["data_meta"] = 4 * source.randrange(55)
    elif section != "flow_dissector":
        readable = [name for name in SKB_FIELDS if _is_readable(section, name)]
        for name in source.sample(readable, source.randrange(len(readable) + 1)):
            fields[name] = source.getrandbits(64 if name in WIDE else 16 if name.startswith("gso") else 32)
            if name == "wire_len":
                fields[name] = len(data) + source.randrange(1000)
    return Input(packet=data, fields=fields)


def _is_readable(section: str, name: str) -> bool:
    kind, layout = kind_of(section)
    row = layout.field(name.partition("[")[0])
    assert row is not None
    return layout.access(row.offset, row.size, False, kind, of_section(section).attach_type) is not None


def compare(section: str, object_: ObjectSpec, inputs: Iterator[tuple[Input, int]]) -> int:
    """How many runs were equal. Fails at the first that is not, or under the floor."""
    compared, shapes = 0, set()
    with (
        closing(engine("interp").load(object_, "p", {})) as interp,
        closing(engine("portable").load(object_, "p", {})) as portable,
        closing(engine("kernel").load(object_, "p", {})) as kernel,
    ):
        for one, word in inputs:
            try:
                theirs, told = run(kernel, one, word)
            except Unavailable:
                continue
            compared += 1
            shapes.add(told)
            for name, loaded in (("interp", interp), ("portable", portable)):
                ours, wrote = run(loaded, one, word)
                assert ours.fault is None, f"{name}: {ours.fault}"
                where = next((at for at in range(0, OUT, 8) if wrote[at : at + 8] != told[at : at + 8]), None)
                place = "" if where is None else f" {_place(section, where)}"
                assert wrote == told, f"{name}: {one}: out+{where}{place} {wrote[where:][:8]!r} {told[where:][:8]!r}"
                assert ours.packet == theirs.packet, f"{name}: {one}"
                both = [key for key in ours.fields if key in theirs.fields]
                assert [ours.fields[key] for key in both] == [theirs.fields[key] for key in both], f"{name}: {one}"
                assert both or not theirs.fields, f"{name}: nothing to compare"
    print(f"{section}: {compared} runs compared, {len(shapes)} different")
    return compared


def _place(section: str, where: int) -> str:
    found = places(section, write=False)
    return f"context+{found[where // 8][0]}, {found[where // 8][1]} bytes" if where // 8 < len(found) else "the bounds"


def run(loaded: Any, one: Input, word: int) -> tuple[Result, bytes]:
    loaded.write_map("out", [(bytes(4), bytes(OUT))])
    loaded.write_map("args", [(bytes(4), struct.pack("<Q", word))])
    return loaded.run(one), loaded.read_map("out")[0][1]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_field_reads_as_in_the_kernel(section: str) -> None:
    source = random.Random(section)
    inputs = ((given(source, section), 0) for _ in range(RUNS))
    assert compare(section, spec(section, noted(section)), inputs) >= FLOOR


@pytest.mark.parametrize("section", [one for one in SECTIONS if places(one, write=True)])
def test_every_field_is_written_as_in_the_kernel(section: str) -> None:
    """One field a program, then all of them are read."""
    source, compared = random.Random(section), 0
    found = places(section, write=True)
    for offset, size in found:
        body = f"r1 = *(u64 *)(r9 +0)\n*(u{8 * size} *)(r6 +{offset}) = r1\n{noted(section)}"
        values = (0, 1, 0xFFFE, 0xFFFF, 0x1_0000, 0x8000_0001, (1 << 64) - 1, source.getrandbits(64))
        inputs = ((given(source, section), value) for value in values)
        compared += compare(section, spec(section, body), inputs)
    assert compared >= 5 * len(found)


FLOW = """r3 = *(u64 *)(r6 +144)
r1 = *(u64 *)(r9 +0)
*(u64 *)(r3 +0) = r1
r1 = *(u64 *)(r3 +8)
*(u64 *)(r8 +0) = r1
*(u32 *)(r3 +52) = 77
"""


def test_a_flow_dissectors_offsets_are_brought_inside_the_packet() -> None:
    source = random.Random("flow")
    inputs = (
        (given(source, "flow_dissector"), source.choice((source.getrandbits(64), 0x20000A, 0x220012)))
        for _ in range(RUNS)
    )
    assert compare("flow_dissector", spec("flow_dissector", FLOW), inputs) >= FLOOR


SOCKET = (
    """r1 = *(u64 *)(r6 +168)
if r1 == 0 goto none
call 95
if r0 == 0 goto none
"""
    + "".join(f"r1 = *(u32 *)(r0 +{4 * at})\n*(u32 *)(r8 +{8 * at}) = r1\n" for at in (*range(1, 4), *range(12, 20)))
    + """
none: r2 = 0
"""
)


@pytest.mark.parametrize("section", ["tc", "cgroup_skb/ingress"])
def test_the_socket_is_that_of_the_kernels_test_runs(section: str) -> None:
    source = random.Random(f"socket of {section}")
    inputs = ((given(source, section), 0) for _ in range(RUNS))
    assert compare(section, spec(section, SOCKET), inputs) >= FLOOR


LOOKUP = "".join(
    f"r1 = *(u{8 * size} *)(r6 +{at})\n*(u64 *)(r8 +{8 * index}) = r1\n"
    for index, (at, size) in enumerate(((8, 4), (12, 4), (16, 4), (36, 2), (40, 4), (60, 4), (64, 4)))
)


def test_a_socket_lookups_fields() -> None:
    source = random.Random("lookup")
    inputs = (
        (Input(fields={"family": 2, "protocol": source.choice((6, 17)), "remote_ip4": source.getrandbits(32),
                       "local_ip4": source.getrandbits(32), "remote_port": source.getrandbits(16),
                       "local_port": source.getrandbits(16)}), 0)
        for _ in range(RUNS)
    )  # fmt: skip
    assert compare("sk_lookup", spec("sk_lookup", LOOKUP), inputs) >= FLOOR
