"""Server names that clients of TLS ask for (RFC 6066), by a hash of their first 32 bytes."""

from bpfvm import Counter, bpf, pkt, u32

TCP = 6
HANDSHAKE, CLIENT_HELLO, SERVER_NAME = 22, 1, 0

names = Counter(u32, max_entries=1024)


@bpf.socket("lo")
def tls_names(skb):
    if not pkt.is_ip or pkt.ip.proto != TCP:
        return
    hello = pkt.ip.tcp.data
    if hello[0] != HANDSHAKE or hello[5] != CLIENT_HELLO:
        return
    rest = hello[43:]  # the session
    rest = rest[rest[0] + 1 :]  # suites
    rest = rest[int.from_bytes(rest[0:2], "big") + 2 :]  # compressions
    rest = rest[rest[0] + 1 :]  # the size of all extensions
    rest = rest[2:]
    for _ in range(16):
        kind = int.from_bytes(rest[0:2], "big")
        size = int.from_bytes(rest[2:4], "big")
        if kind == SERVER_NAME:
            length = int.from_bytes(rest[7:9], "big")
            h = 2166136261
            for i in range(32):
                if i >= length:
                    break
                h = (h ^ rest[9 + i]) * 16777619 & 0xFFFFFFFF
            names[h] += 1
            return
        rest = rest[size + 4 :]
