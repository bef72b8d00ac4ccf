# mypy: disable-error-code="no-any-return"
"""Programs that read the structs of the made-up kernel of tests/kernel_btf.py."""

from __future__ import annotations

from bpfvm import KernelPtr, bpf, u32, u64
from tests import kernel_btf

with kernel_btf.in_use():
    from bpfvm.vmlinux import enum, sock, task_struct

    SYN_SENT = enum.TCP_SYN_SENT


@bpf.function
def chain(t: task_struct) -> u64:
    return u64(t.real_parent.tgid * 100 + t.pid * 10 + t.tgid)


@bpf.function
def kinds(t: KernelPtr[task_struct]) -> u64:
    state = t.__state if hasattr(task_struct, "__state") else t.state
    text = 1000 if t.comm[0:4] == b"comm" and t.comm.str(16) == "comm of it" else 0
    return u64(state + text + t.cpus[2] + t.cpus[t.__state & 3] + t.stime + t.on_rq) + t.start_time


@bpf.function
def fields(t: task_struct) -> u64:
    return u64(t.in_execve * 1000 + t.jobctl * 10 + t.nice)


@bpf.function
def unions(sk: sock) -> u64:
    c = sk["__sk_common"]
    if c.skc_state != SYN_SENT:
        return 1
    bytes6 = c.skc_v6_daddr.in6_u.u6_addr8[2:6]
    return u64(c.skc_daddr + c.skc_dport + c.skc_num + bytes6[1] + c.skc_v6_daddr.in6_u.u6_addr32[3])


@bpf.function
def static(a: u32) -> u64:
    if hasattr(task_struct, "state"):
        return 1
    return task_struct.sizeof * 1000 + task_struct.pid.offset
