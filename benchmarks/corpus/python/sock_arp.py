"""Lets a socket see ARP alone, at most 42 bytes of it, and counts by operation and what was kept from it."""

from bpfvm import Array, Counter, bpf, pkt, u16, u64

ETH_ARP = 0x0806

operations = Counter(u16, max_entries=64)
others = Array(u64, 1, percpu=True)


@bpf.socket("lo")
def sock_arp(skb):
    if pkt.eth.type != ETH_ARP:
        others[0] += 1
        return 0
    operations[pkt.arp.op] += 1
    return 42
