"""Maps of what is no data: nothing stands in them, so that each answers what it does then."""

from __future__ import annotations

from typing import Any

from bpfvm import CgroupArray, CpuMap, DevMap, ProgArray, StackTrace, XskMap, bpf, pkt
from tests.contract.inputs import Corpus
from tests.programs.tries import frame

case = Corpus()
CASES = case.cases

progs = ProgArray(4, name="progs")
devs = DevMap(4, name="devs")
keyed = DevMap(4, name="keyed", keyed=True)
cpus = CpuMap(1, name="cpus")
socks = XskMap(4, name="socks")
groups = CgroupArray(2, name="groups")
stacks = StackTrace(16, depth=8, name="stacks")


@case(frame(1, 0), frame(3, 0), frame(9, 0))
@bpf.xdp
def tail_calls(ctx: Any) -> int:
    """A call of a program that is not there comes back."""
    progs.call(ctx, pkt.ip.src)
    progs.call(ctx, 2)
    return 1


@case(frame(1, 0), frame(2, 0), frame(3, 0), frame(4, 0))
@bpf.xdp
def redirects(ctx: Any) -> int:
    """What has no target gets the action."""
    where = pkt.ip.src
    if where == 1:
        return devs.redirect(where, 2)
    if where == 2:
        return keyed.redirect(where * 1000)
    if where == 3:
        return cpus.redirect(0, 1)
    return socks.redirect(where, 3)


@case(frame(0, 0), frame(1, 0), frame(2, 0))
@bpf.tc
def cgroups(skb: Any) -> int:
    """No cgroup is in the array."""
    found = groups.current(pkt.ip.src)
    return 2 if found == -11 else 1 if found == -7 else 0
