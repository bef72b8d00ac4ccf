"""Sources by the longest prefix of a trie: its value is the verdict, and counted."""

from bpfvm import XDP_PASS, Array, LpmTrie, be32, bpf, pkt, struct, u32, u64


@struct
class Prefix:
    bits: u32
    address: be32


networks = LpmTrie(Prefix, u32, 1024)
verdicts = Array(u64, 4)


@bpf.xdp
def cidr_block(ctx):
    if not pkt.is_ip:
        return XDP_PASS
    verdict = networks.get(Prefix(bits=32, address=pkt.ip.src), XDP_PASS)
    verdicts[verdict] += 1
    return verdict
