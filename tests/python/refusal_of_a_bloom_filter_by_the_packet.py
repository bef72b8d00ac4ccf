"""refused: a bloom filter is asked by a helper that might store: bytes of the packet are copied first."""
from bpfvm import Bloom, bpf, pkt, struct, u8, u16


@struct
class Head:
    kind: u16 = 0
    size: u16 = 0


seen = Bloom(u8[6], 64)
heads = Bloom(Head, 64)


@bpf.xdp
def f(ctx) -> int:
    if pkt.eth.dst in seen or b"\1\2\3\4\5\6" in seen:
        return 1
    if pkt.at(Head, 12) in heads:
        return 3
    seen.add(pkt.eth.dst)
    heads.add(pkt.at(Head, 12))
    return 2


INPUTS = ((bytes(range(20)),), (bytes(range(20)),), (bytes(20),))
