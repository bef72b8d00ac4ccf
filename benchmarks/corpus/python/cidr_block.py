"""Sources by the longest prefix of a trie: its value is the verdict, and counted."""

from bpfvm import XDP_PASS, Array, LpmTrie, bpf, ip4prefix, pkt, u32, u64

networks = LpmTrie(ip4prefix, u32, 1024)
verdicts = Array(u64, 4)


@bpf.xdp
def cidr_block(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    verdict = networks.get(ip4prefix(address=pkt.ip.src), XDP_PASS)
    verdicts[verdict] += 1
    return verdict
