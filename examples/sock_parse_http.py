"""Messages of HTTP by their first word, on the loopback.

bpfvm trace examples/sock_parse_http.py

$ bpfvm trace --packet web.pcap --ctx ingress_ifindex=1 examples/sock_parse_http.py | tail -1
HTTP 2 GET 1 POST 1 messages
"""

import time

from bpfvm import Counter, bpf, char, pkt

methods = Counter(char[4])


@bpf.socket("lo")
def http(skb):
    if skb.ingress_ifindex == 0:  # on its way out: each packet of a loopback is counted once
        return
    h = pkt.ip.tcp.data[0:4]  # one load of 32 bits
    if h in (b"HTTP", b"GET ", b"POST", b"PUT ", b"HEAD", b"DELE"):
        methods[h] += 1


if __name__ == "__main__":
    with bpf.attach(http):
        for _ in range(10):
            print(" ".join(f"{m.decode().strip()} {n}" for m, n in methods.most_common()), "messages")
            time.sleep(1)
