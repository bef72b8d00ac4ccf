"""A rate limiter: each IPv4 source may send so many packets a second, and some at once; what is more is dropped.

bpfvm trace examples/rate_limiter.py eth0 --rate 1000 --burst 100

$ bpfvm trace --packet flows.pcap examples/rate_limiter.py eth0 --rate 1 --burst 2
SOURCE    PASSED  DROPPED
10.0.0.1       3        2
10.0.0.2       3        1
10.0.0.3       3        0
10.0.0.4       3        0
10.0.0.5       3        0
"""

import argparse
import ipaddress

from bpfvm import XDP_DROP, XDP_PASS, Hash, bpf, ktime, pkt, struct, u32, u64

ap = argparse.ArgumentParser()
ap.add_argument("interface")
ap.add_argument("--rate", type=float, default=1000.0, help="packets a second")
ap.add_argument("--burst", type=int, default=100, help="packets at once")
ap.add_argument("--mode", default="auto", choices=["auto", "native", "generic"])
ap.add_argument("--seconds", type=float, help="else until Ctrl-C")
args = ap.parse_args()
COST = round(1e9 / args.rate)  # ns of waiting that a packet costs
MOST = COST * args.burst


@struct
class Source:
    credit: u64  # ns of waiting that it has saved up
    last: u64
    passed: u64
    dropped: u64


sources = Hash(u32, Source, 1 << 16, lru=True)


@bpf.xdp
def limit(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    now, address = ktime(), pkt.ip.src
    one = sources.get(address)
    if one is None:
        sources[address] = Source(credit=MOST - COST, last=now, passed=1)
        return XDP_PASS
    # packets of a source come by one queue, and so on one CPU: nothing is changed in between
    credit = min(one.credit + now - one.last, MOST)
    one.last = now
    if credit < COST:
        one.credit = credit
        one.dropped += 1
        return XDP_DROP
    one.credit = credit - COST
    one.passed += 1
    return XDP_PASS


if __name__ == "__main__":
    with limit.attach(args.interface, mode=args.mode):
        bpf.wait(args.seconds)
    rows = [(str(ipaddress.IPv4Address(address)), one.passed, one.dropped) for address, one in sorted(sources.items())]
    print(bpf.table(rows, ["SOURCE", "PASSED", "DROPPED"]), end="")
