"""Messages of HTTP by their first word."""

from bpfvm import Counter, bpf, char, pkt

methods = Counter(char[4], max_entries=64)


@bpf.socket("lo")
def sock_http(skb):
    if skb.ingress_ifindex == 0:
        return
    h = pkt.ip.tcp.data[0:4]
    if h in (b"HTTP", b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE"):
        methods[h] += 1
