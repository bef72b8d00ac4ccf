"""refused: what a KeyError names was asked of a packet after the run."""
from bpfvm import Hash, bpf, pkt, struct, u8, u32


@struct
class Pair:
    a: u32
    b: u32


addresses = Hash(u8[6], u32, 4)
pairs = Hash(Pair, u32, 4)


@bpf.xdp
def f(ctx) -> int:
    if pkt[0]:
        del pairs[pkt.at(Pair, 0)]
    if pkt[1]:
        return pairs.pop(pkt.at(Pair, 2))
    return addresses[pkt.eth.dst]


INPUTS = ((bytes(14),), (b"\x01" + bytes(13),), (b"\0\x01" + bytes(12),))
