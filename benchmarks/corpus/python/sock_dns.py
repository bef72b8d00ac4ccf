"""Questions of the DNS by type, behind names of up to 8 labels."""

import socket

from bpfvm import Array, bpf, pkt, u64

qtypes = Array(u64, 256)


@bpf.socket("lo")
def sock_dns(skb):
    ip = pkt.ip
    if ip.proto != socket.IPPROTO_UDP or ip.udp.length < 12:
        return
    q = ip.udp.data[12:]
    for _ in range(8):
        n = q[0]
        if n == 0:
            qtypes[q[2]] += 1
            return
        q = q[n + 1 :]
