"""How long connections of TCP take to be there, with both ends."""

from bpfvm import Hash, Ring, be16, bpf, char, comm, ktime, pid, struct, u8, u16, u32, u64
from bpfvm.vmlinux import enum, sock

AF_INET = 2


@struct
class Info:
    ts: u64
    pid: u32
    task: char[16]


@struct
class Event:
    delta_us: u64
    pid: u32
    family: u16
    dport: u16
    saddr: u8[16]
    daddr: u8[16]
    task: char[16]


start = Hash(u64, Info, 4096)
events = Ring(Event, 1 << 18)


def begin(sk):
    start[sk.addr] = Info(ts=ktime(), pid=pid(), task=comm())


@bpf.fentry("tcp_v4_connect")
def connect4(sk: sock):
    begin(sk)


@bpf.fentry("tcp_v6_connect")
def connect6(sk: sock):
    begin(sk)


@bpf.fentry("tcp_rcv_state_process")
def established(sk: sock):
    c = sk.__sk_common
    if c.skc_state != enum.TCP_SYN_SENT:
        return
    i = start.get(sk.addr)
    if i is None:
        return
    e = events.reserve()
    if e is not None:
        e.delta_us = (ktime() - i.ts) // 1000
        e.pid, e.task = i.pid, i.task
        e.family = c.skc_family
        e.dport = be16(c.skc_dport)
        if c.skc_family == AF_INET:
            e.saddr[0:4] = c.skc_rcv_saddr.to_bytes(4, "little")
            e.daddr[0:4] = c.skc_daddr.to_bytes(4, "little")
        else:
            e.saddr[0:16] = c.skc_v6_rcv_saddr.in6_u.u6_addr8[0:16]
            e.daddr[0:16] = c.skc_v6_daddr.in6_u.u6_addr8[0:16]
        e.submit()
    del start[sk.addr]
