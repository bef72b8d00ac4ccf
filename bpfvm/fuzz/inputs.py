"""What random programs run on: contexts and packets that mostly hold what a program looks for, fields of contexts."""

from __future__ import annotations

import random

from bpfvm.core.machine import Input
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import SIZE, Code
from bpfvm.fuzz.places import fields
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.ctx.ethernet import ETH, LEAST_TYPE
from bpfvm.tables.ctx.field import CtxField
from bpfvm.tables.ctx.packets import XDP_META
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

INPUTS = 2  # of each program
SHORTEST = 40  # bytes of a packet: 14 for XDP and an IP header for what sees no Ethernet header (measured on 6.18)
_HOST = ("ifindex", "ingress_ifindex")  # fields that name an interface, which this machine may not have


def inputs(code: Code) -> list[Input]:
    """Inputs for the program."""
    if code.memory == "context":
        return [Input(ctx=given(code, SIZE)) for _ in range(INPUTS)]
    return [_packet(code) for _ in range(INPUTS)]


def given(code: Code, size: int) -> bytes:
    """Memory that holds, mostly, the numbers that the program looks for."""
    data = bytearray(edges.memory(code.rng, size))
    for at, number in code.planted.items():
        if at + 8 <= size and code.rng.random() < 0.7:
            data[at : at + 8] = number.to_bytes(8, "little")
    return bytes(data)


def _packet(code: Code) -> Input:
    """Mostly long enough for the program."""
    rng = code.rng
    size = code.packet + rng.choice((0, 0, 1, 7, 64))
    if rng.random() < 0.05:
        size = rng.randrange(SHORTEST, code.packet)
    data = bytearray(given(code, size))
    if code.kind == "socket_filter":  # of a length in place of a type BPF_PROG_TEST_RUN makes something else
        kind = int.from_bytes(data[ETH - 2 : ETH], "big")
        data[ETH - 2 : ETH] = max(kind, LEAST_TYPE).to_bytes(2, "big")
    return Input(packet=bytes(data), fields=_fields(rng, code.kind, size))


def _fields(rng: random.Random, kind: str, size: int) -> dict[str, int]:
    """Some of the fields that a caller may give."""
    layout = CONTEXTS[PROGRAM_TYPES[kind].context or ""]
    found: dict[str, int] = {}
    if rng.random() < 0.5:
        return found
    if kind == "xdp":
        return {"data_meta": 4 * rng.randrange(XDP_META // 4 + 1)}
    for one in layout.fields:
        if one.given and one.name not in _HOST and one.offset in fields(kind, one.size, False) and rng.random() < 0.4:
            name = f"{one.name}[{rng.randrange(one.count)}]" if one.count > 1 else one.name
            found[name] = _field(rng, one, size)
    return found


def _field(rng: random.Random, one: CtxField, size: int) -> int:
    if one.name == "wire_len":  # no less than the packet has
        return size + rng.randrange(1000)
    return edges.number(rng) & (1 << one.bits) - 1
