# mypy: disable-error-code="no-untyped-def, attr-defined"
"""bpf_find_vma from Python: areas of this process by its own maps, and the types of programs that may ask."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bpfvm import bpf, current, session
from bpfvm.kernel import KERNEL
from tests.contract.areas import ask, wanted

pytestmark = pytest.mark.needs("helper/xdp/find_vma")
FRAME = bytes(64)
OPEN = ("xdp", "tc", "socket", "cgroup_skb", "lwt_in", "sk_msg", "sk_skb", "sock_ops", "flow_dissector", "perf_event")


def looks(ctx: Any) -> int:
    ask()
    return 0


def traces() -> None:
    bpf.helper.find_vma(current(), wanted[0], lambda task, vma: 0)


def lines() -> list[tuple[int, int]]:
    """The areas of this process."""
    text = Path("/proc/self/maps").read_text()
    spans = [line.split()[0].split("-") for line in text.splitlines() if "[vsyscall]" not in line]
    return [(int(start, 16), int(end, 16)) for start, end in spans]


def test_areas_of_this_process() -> None:
    with session(bpf.xdp(looks), "kernel") as runs:

        def asked(address: int, flags: int = 0) -> tuple[int, ...]:
            runs.map("wanted")[0], runs.map("wanted")[1] = address, flags
            return tuple(runs.run(FRAME).maps["found"][0].values())

        some = [span for span in lines() if span in lines()][::7]
        for start, end in some:
            assert asked(start)[:3] == asked(end - 1)[:3] == (start, end, os.getpid())
        assert abs(asked(some[0][0])[3] - len(lines())) < 30
        assert asked(1) == (0, 0, 0, 0, -errno.ENOENT)
        assert asked(some[0][0], 1) == (0, 0, 0, 0, -errno.EINVAL)


@pytest.mark.parametrize("kind", OPEN)
def test_programs_that_may_ask(kind: str) -> None:
    program = getattr(bpf, kind)(looks)
    with closing(KERNEL.load(program.object, program.name, {})):
        pass


@pytest.mark.parametrize(
    "decorator",
    [bpf.tp_btf("sched_switch"), bpf.tracepoint("sched:sched_switch"), bpf.kprobe("do_unlinkat"), bpf.iter("task"),
     bpf.syscall("openat")],
    ids=["tp_btf", "tracepoint", "kprobe", "iter", "syscall"],
)  # fmt: skip
def test_programs_that_trace_may_ask(decorator: Any) -> None:
    program = decorator(traces)
    with closing(KERNEL.load(program.object, program.name, {})):
        pass
