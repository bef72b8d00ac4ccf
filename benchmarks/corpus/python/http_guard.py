"""Requests of HTTP by method; what asks for /admin is dropped."""

from bpfvm import XDP_DROP, XDP_PASS, Counter, bpf, char, pkt

TCP = 6

methods = Counter(char[4], max_entries=64)


@bpf.xdp
def http_guard(ctx):
    ip = pkt.ip
    if not pkt.is_ip or ip.proto != TCP or ip.tcp.dport != 80:
        return XDP_PASS
    text = ip.tcp.data
    method = text[0:4]
    if method not in (b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE"):
        return XDP_PASS
    methods[method] += 1
    path = text[4:] if method in (b"GET ", b"PUT ") else text[5:]
    return XDP_DROP if path[0:6] == b"/admin" else XDP_PASS
