"""Bytes on the loopback by IP protocol, every second.

bpfvm trace examples/sock_protolen.py

$ bpfvm trace --packet web.pcap examples/sock_protolen.py | tail -1
TCP 343 UDP 213 ICMP 0 bytes
"""

import time

from bpfvm import Counter, bpf, pkt, u32

lengths = Counter(u32, max_entries=256)


@bpf.socket("lo")
def protolen(skb):
    lengths[pkt.ip.proto] += skb.len


if __name__ == "__main__":
    with bpf.attach(protolen):
        for _ in range(10):
            print(f"TCP {lengths[6]} UDP {lengths[17]} ICMP {lengths[1]} bytes")
            time.sleep(1)
