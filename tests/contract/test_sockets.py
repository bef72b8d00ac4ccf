"""Sockets that contexts point to: their fields, and None where there is none, on every machine."""

from __future__ import annotations

from typing import Any

import pytest

from bpfvm import Program, bpf
from tests.contract.kinds import FRAME
from tests.engines import EMULATORS

WHOLE = "bound_dev_if family type protocol mark priority src_ip4 src_port dst_port dst_ip4 state rx_queue_mapping"
COMMON = "bound_dev_if family src_ip4 src_port dst_port dst_ip4 state rx_queue_mapping"
# The kinds whose contexts point to a socket, with the fields that the kernel shows of it
KINDS = {
    "tc": COMMON, "socket": COMMON, "cgroup_skb": COMMON, "sock_addr connect4": WHOLE, "sockopt getsockopt": WHOLE,
    "sk_msg": WHOLE, "sk_reuseport": WHOLE, "sock_ops": WHOLE, "sk_lookup": WHOLE,
}  # fmt: skip


def reader(kind: str, fields: str) -> Program:
    """A program that mixes all fields of the socket."""
    name, *given = kind.split()
    lines = [f"    x = x * 3 ^ sk.{field}" for field in fields.split()]
    text = ["def reader(ctx):", "    sk = ctx.sk", "    if sk is None:", "        return 0", "    x = u64(1)", *lines]
    made: Any = bpf.exec("\n".join(["from bpfvm import u64", *text, "    return (x ^ x >> 7) & 1\n"]))["reader"]
    program: Program = getattr(bpf, name)(*given)(made)
    return program


@pytest.mark.parametrize("kind", KINDS)
def test_fields_of_a_socket(kind: str) -> None:
    program = reader(kind, KINDS[kind])
    layer = program.type.layer
    sees = layer is not None or kind in ("sk_msg", "sk_reuseport")
    given = (FRAME[14:] if layer == "ip" else FRAME,) if sees else ()
    outcomes = {name: program.emulate(*given, engine=name).value for name in EMULATORS}
    assert set(outcomes.values()) == {program.cpython(*given).value}, outcomes


@bpf.cgroup_skb
def from_self(skb: Any) -> int:
    """Whether the socket is the packet's source."""
    sk = skb.sk
    if sk is None:
        return 0
    return int(sk.family == 2 and sk.src_ip4 == skb.local_ip4 and sk.dst_port == 0)


def test_what_a_packet_says_of_its_socket() -> None:
    outcome = from_self.check(FRAME[14:])
    assert outcome.value == 1
    assert len(outcome.engines) > len(EMULATORS)
