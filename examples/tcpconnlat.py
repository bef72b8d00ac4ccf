"""How long TCP connections take to be made, a line for each.

bpfvm trace examples/tcpconnlat.py
"""

from ipaddress import ip_address

from bpfvm import Hash, Ring, be16, bpf, char, comm, ktime, pid, struct, u8, u16, u32, u64
from bpfvm.vmlinux import enum, sock

AF_INET = 2
SYN_SENT = enum.TCP_SYN_SENT


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


start = Hash(u64, Info)
events = Ring(Event)


@bpf.fentry("tcp_v4_connect", "tcp_v6_connect")  # one function, attached twice
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
    e = events.reserve()
    if e is not None:
        e.delta_us = (ktime() - i.ts) // 1000
        e.pid, e.task = i.pid, i.task
        e.family = c.skc_family
        e.dport = be16(c.skc_dport)  # the kernel's __be16, in host order
        if c.skc_family == AF_INET:
            e.saddr[0:4] = c.skc_rcv_saddr.to_bytes(4, "little")
            e.daddr[0:4] = c.skc_daddr.to_bytes(4, "little")
        else:
            e.saddr[0:16] = c.skc_v6_rcv_saddr.in6_u.u6_addr8[0:16]
            e.daddr[0:16] = c.skc_v6_daddr.in6_u.u6_addr8[0:16]
        e.submit()
    del start[sk.addr]


if __name__ == "__main__":
    with bpf.attach(connect, established):
        print(f"{'PID':7} {'COMM':12} {'SADDR':24} {'DADDR':24} {'DPORT':5} LAT(ms)")
        for e in events:
            n = 4 if e.family == AF_INET else 16
            print(
                f"{e.pid:<7} {e.task.decode():12} {ip_address(bytes(e.saddr[:n]))!s:24} "
                f"{ip_address(bytes(e.daddr[:n]))!s:24} {e.dport:<5} {e.delta_us / 1000:.2f}"
            )
