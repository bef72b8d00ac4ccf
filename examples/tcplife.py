"""TCP sessions, a line for each when it ends: who, between which ends, how much was sent and received, how long.

bpfvm trace examples/tcplife.py -D 443
"""

import argparse
import time
from ipaddress import ip_address

from bpfvm import Hash, KernelPtr, Ring, be16, bpf, char, comm, ktime, pid, struct, u8, u16, u32, u64
from bpfvm.vmlinux import enum, sock, tcp_sock


def port(text):
    """A number that a port may have."""
    if not 0 < int(text) < 1 << 16:
        raise argparse.ArgumentTypeError(f"there is no port {text}")
    return int(text)


ap = argparse.ArgumentParser()
ap.add_argument("-T", "--time", action="store_true", help="with the time of the day")
ap.add_argument("-t", "--timestamp", action="store_true", help="with seconds since the first")
ap.add_argument("-w", "--wide", action="store_true", help="with room for addresses of IPv6")
ap.add_argument("-s", "--csv", action="store_true", help="with commas between")
ap.add_argument("-p", "--pid", type=int)
ap.add_argument("-L", "--localport", type=port, action="append")
ap.add_argument("-D", "--remoteport", type=port, action="append")
args = ap.parse_args()

AF_INET, TCP = 2, enum.IPPROTO_TCP
SYN_SENT, FIN_WAIT1, CLOSE, LAST_ACK = 2, 4, 7, 9  # of include/net/tcp_states.h
LOCAL, REMOTE = tuple(args.localport or ()), tuple(args.remoteport or ())


@struct
class Who:
    pid: u32
    task: char[16]


@struct
class Session:
    ts: u64
    took: u64
    rx: u64
    tx: u64
    pid: u32
    family: u16
    lport: u16
    dport: u16
    saddr: u8[16]
    daddr: u8[16]
    task: char[16]


born = Hash(u64, u64, 10240)  # a socket's address -> ns
owner = Hash(u64, Who, 10240)
sessions = Ring(Session, 1 << 18)


@bpf.tp_btf("inet_sock_set_state")
def changed(sk: sock, newstate: int):
    if sk.sk_protocol != TCP:
        return
    if newstate < FIN_WAIT1:
        born[sk.addr] = ktime()
    if newstate in (SYN_SENT, LAST_ACK) and (not args.pid or pid() == args.pid):
        owner[sk.addr] = Who(pid=pid(), task=comm())  # in other states it may be whatever task is interrupted
    if newstate != CLOSE:
        return
    began, who = born.pop(sk.addr, None), owner.pop(sk.addr, None)
    if began is None or (args.pid and who is None):
        return
    c, tp = sk.__sk_common, KernelPtr[tcp_sock](sk.addr)
    lport, dport = be16(tp.inet_conn.icsk_inet.inet_sport), be16(c.skc_dport)  # skc_num is taken away already
    if (LOCAL and lport not in LOCAL) or (REMOTE and dport not in REMOTE):  # not there without the options
        return
    e = sessions.reserve()
    if e is None:
        return
    e.ts, e.took = ktime(), ktime() - began
    e.rx, e.tx = tp.bytes_received, tp.bytes_acked
    e.pid = who.pid if who is not None else pid()
    e.task = who.task if who is not None else comm()
    e.family, e.lport, e.dport = c.skc_family, lport, dport
    if c.skc_family == AF_INET:
        e.saddr[0:4] = c.skc_rcv_saddr.to_bytes(4, "little")
        e.daddr[0:4] = c.skc_daddr.to_bytes(4, "little")
    else:
        e.saddr[0:16] = c.skc_v6_rcv_saddr.in6_u.u6_addr8[0:16]
        e.daddr[0:16] = c.skc_v6_daddr.in6_u.u6_addr8[0:16]
    e.submit()


def shown(columns):
    """A line of them: text, width, whether it stands to the right."""
    if args.csv:
        return ",".join(text for text, _, _ in columns)
    return " ".join(f"{text:>{width}}" if right else f"{text:{width}}" for text, width, right in columns).rstrip()


def row(when, since, who, task, ip, source, lport, dest, dport, tx, rx, took):
    place = 26 if args.wide else 15
    before = [(when, 8, False)] if args.time else []
    before += [(since, 9, False)] if args.timestamp else []
    kind = [(ip, 2, False)] if args.wide or args.csv else []
    ends = [(source, place, False), (lport, 5, False), (dest, place, False), (dport, 5, False)]
    return shown([*before, (who, 5, False), (task, 16 if args.wide else 10, False), *kind, *ends, (tx, 5, True),
                  (rx, 5, True), (took, 0, False)])  # fmt: skip


if __name__ == "__main__":
    with bpf.attach(changed):
        print(row("TIME", "TIME(s)", "PID", "COMM", "IP", "LADDR", "LPORT", "RADDR", "RPORT", "TX_KB", "RX_KB", "MS"))
        first = None
        for e in sessions:
            first = e.ts if first is None else first
            n, ip = (4, "4") if e.family == AF_INET else (16, "6")
            ends = [str(ip_address(bytes(one[:n]))) for one in (e.saddr, e.daddr)]
            print(
                row(time.strftime("%H:%M:%S"), f"{(e.ts - first) / 1e9:.6f}", str(e.pid), e.task.decode(), ip, ends[0],
                    str(e.lport), ends[1], str(e.dport), str(e.tx // 1024), str(e.rx // 1024), f"{e.took / 1e6:.2f}")
            )  # fmt: skip
