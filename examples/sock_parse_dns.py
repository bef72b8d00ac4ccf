"""Questions of the DNS by type, on the loopback: names of up to 8 labels are gone through.

bpfvm trace examples/sock_parse_dns.py

$ bpfvm trace --packet web.pcap examples/sock_parse_dns.py | tail -2
TYPE1: 2
TYPE28: 1
"""

import socket
import time

from bpfvm import Array, bpf, pkt, u64

qtypes = Array(u64, 256)


@bpf.socket("lo")
def dns(skb):
    ip = pkt.ip
    if ip.proto != socket.IPPROTO_UDP or ip.udp.length < 12:
        return
    q = ip.udp.data[12:]  # a view: the packet from a place on that is known when it runs
    for _ in range(8):  # labels
        n = q[0]
        if n == 0:
            qtypes[q[2]] += 1
            return
        q = q[n + 1 :]


if __name__ == "__main__":
    with bpf.attach(dns):
        for _ in range(10):
            time.sleep(1)
            for kind, count in qtypes.items():
                if count:
                    print(f"TYPE{kind}: {count}")
