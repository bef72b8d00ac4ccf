"""Packets of the loopback by IP protocol, every second.

bpfvm trace examples/sock_proto.py
bpfvm trace --packet traffic.pcap examples/sock_proto.py
"""

import time

from bpfvm import bpf, pkt

hits = bpf.map("array", 256)  # u32 -> u64, default 0


@bpf.socket("lo")
def proto(skb):
    hits[pkt.ip.proto] += 1  # atomic; short packets end the program


if __name__ == "__main__":
    with bpf.attach(proto):
        for _ in range(10):
            print(f"TCP {hits[6]} UDP {hits[17]} ICMP {hits[1]} packets")
            time.sleep(1)
