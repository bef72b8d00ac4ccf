"""A typed module of somebody else's: what a type checker says of programs and tests written with bpfvm.

A line that must be an error names it behind `# mypy:`.
"""

from enum import IntEnum

import bpfvm
from bpfvm import XDP_DROP, XDP_PASS, Array, CompileError, Mismatch, Outcome, Program, bpf, pkt, u8, u16, u32, u64
from bpfvm.testing import strategies
from bpfvm.testing.frames import ethernet, ipv4, udp
from bpfvm.testing.machine import Machine

hits = Array(u64, 256)
LIMIT: u32 = 1500


class Proto(IntEnum):
    UDP = 17


@bpf.xdp
def no_udp(ctx: object) -> int:
    hits[pkt.ip.proto] += 1
    size = len(pkt)
    if size > LIMIT:
        return XDP_DROP
    return XDP_DROP if pkt.ip.proto == Proto.UDP else XDP_PASS


@bpf.xdp(on_fault=XDP_DROP)
def all_pass(ctx: object) -> int:
    return XDP_PASS


@bpf.function
def mean(total: u64, n: u32) -> u64:
    x = u16(total) + u8(n)
    return total // n + u64(x)


def run() -> int:
    program: Program = no_udp
    outcome: Outcome = program.check(ethernet(ipv4(udp())), ctx={"ingress_ifindex": 3}, maps={"hits": {17: 4}})
    action: str | None = outcome.action
    if outcome.fault is not None and outcome.fault.source is not None:
        print(outcome.fault.kind, outcome.fault.source.line)
    with bpfvm.session(mean, "interp", seed=3) as runs:
        value: int = runs.run(10, 4).value
    try:
        all_pass.emulate(b"")
    except CompileError as error:
        print(error.lineno, [one.code for one in error.diags])
    except Mismatch as error:
        print(error.outcomes)
    print([one.message for one in mean.diagnose()], strategies.packets(), action)
    return value


def test_fixture(bpf: Machine) -> None:
    running = bpf(no_udp)
    assert running.run(bytes(64)).action == "XDP_PASS"
    assert bpf.run(mean, 3, 4).value == 0
    bpf.load("prog.o").programs["count"].emulate(b"", engine="interp")


mean.atach()  # mypy: attr-defined
bpf.kprobee  # mypy: attr-defined
bpfvm.session("mean")  # mypy: arg-type
mean.check(3, 4, map={})  # mypy: call-arg
bpf.attach("proto")  # mypy: arg-type
Array(u64, "256")  # mypy: arg-type
