"""A firewall: drops IPv4 packets from denied networks and to denied ports, and counts what each rule drops.

bpfvm trace examples/xdp_firewall.py eth0 --deny 192.0.2.0/24 --deny-port tcp:23

$ bpfvm trace --packet flows.pcap examples/xdp_firewall.py eth0 --deny 10.0.0.4/31 --deny-port tcp:22 --deny-port udp:53
RULE         PACKETS  BYTES
passed            10    561
10.0.0.4/31        6    334
tcp:22             1     54
udp:53             2     84

$ bpfvm trace --packet flows.pcap examples/xdp_firewall.py eth0 --deny 10.0.0.0/8 --deny 10.0.0.4/31
RULE         PACKETS  BYTES
passed             1     60
10.0.0.0/8        12    639
10.0.0.4/31        6    334
"""

import argparse
import ipaddress
import socket

from bpfvm import XDP_DROP, XDP_PASS, Array, Hash, LpmTrie, bpf, ip4prefix, pkt, struct, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("interface")
ap.add_argument("--deny", action="append", default=[], type=ipaddress.IPv4Network, metavar="NETWORK")
ap.add_argument("--deny-port", action="append", default=[], metavar="PROTOCOL:PORT")
ap.add_argument("--mode", default="auto", choices=["auto", "native", "generic"])
ap.add_argument("--seconds", type=float, help="else until Ctrl-C")
args = ap.parse_args()


def port(text):
    proto, _, number = text.partition(":")
    return socket.getprotobyname(proto) << 16 | int(number)


@struct
class Count:
    packets: u64
    bytes: u64


networks = [
    (ip4prefix(length=one.prefixlen, address=int(one.network_address)), at) for at, one in enumerate(args.deny, 1)
]
ports = [(port(one), at) for at, one in enumerate(args.deny_port, 1 + len(networks))]
names = ["passed", *args.deny, *args.deny_port]

denied = LpmTrie(ip4prefix, u32, 1024, contents=networks)  # the longest prefix decides
closed = Hash(u32, u32, 1024, contents=ports)  # there from the start: no packet comes before the rules
counts = Array(Count, len(names))


def rule_of(ip):
    rule = denied.get(ip4prefix(address=ip.src))
    if rule is not None:
        return rule
    if ip.offset or not (ip.is_tcp or ip.is_udp):  # a later fragment has no ports
        return 0
    rule = closed.get(ip.proto << 16 | ip.udp.dport)  # TCP has its ports at the same place
    return rule if rule is not None else 0


@bpf.xdp(on_fault=XDP_DROP)  # a packet that is cut off
def firewall(ctx):
    rule = rule_of(pkt.ip) if pkt.is_ip else 0
    if rule < len(names):
        counts[rule].packets += 1
        counts[rule].bytes += len(pkt)
    return XDP_DROP if rule else XDP_PASS


if __name__ == "__main__":
    with firewall.attach(args.interface, mode=args.mode):
        bpf.wait(args.seconds)
    rows = [(str(name), counts[at].packets, counts[at].bytes) for at, name in enumerate(names)]
    print(bpf.table(rows, ["RULE", "PACKETS", "BYTES"]), end="")
