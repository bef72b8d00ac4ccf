# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg, index"
"""How long connections take to be made: the kernel half of a tool, on typed functions of the kernel."""

from __future__ import annotations

from bpfvm import Hash, Ring, be16, bpf, char, comm, ktime, pid, struct, u8, u16, u32, u64
from bpfvm.vmlinux import enum, sock

SYN_SENT = enum.TCP_SYN_SENT
AF_INET = 2


@struct
class Info:
    """Who connects, since when."""

    ts: u64
    pid: u32
    task: char[16]


@struct
class Event:
    """A connection that was made, or refused."""

    delta_us: u64
    pid: u32
    family: u16
    dport: u16
    saddr: u8[16]
    daddr: u8[16]
    task: char[16]


start = Hash(u64, Info)
events = Ring(Event)


@bpf.fentry("tcp_v4_connect", "tcp_v6_connect")
def connect(sk: sock):
    start[sk.addr] = Info(ts=ktime(), pid=pid(), task=comm())


@bpf.fentry("tcp_rcv_state_process")
def established(sk: sock):
    c = sk.__sk_common
    if c.skc_state != SYN_SENT:
        return
    i = start.get(sk.addr)
    if i is None:
        return
    e = Event(delta_us=(ktime() - i.ts) // 1000)
    e.pid, e.task = i.pid, i.task
    e.family = c.skc_family
    e.dport = be16(c.skc_dport)
    if c.skc_family == AF_INET:
        e.saddr[0:4] = c.skc_rcv_saddr.to_bytes(4, "little")
        e.daddr[0:4] = c.skc_daddr.to_bytes(4, "little")
    else:
        e.saddr[0:16] = c.skc_v6_rcv_saddr.in6_u.u6_addr8[0:16]
        e.daddr[0:16] = c.skc_v6_daddr.in6_u.u6_addr8[0:16]
    events.submit(e)
    del start[sk.addr]
