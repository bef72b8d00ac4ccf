"""Programs with frags have copies of bytes of the packet; metadata stands before it in xdp and tc alone."""

from bpfvm import pkt, struct, u16, u32


@struct
class Pair:
    a: u16
    b: u32


def program(ctx):  # hook: xdp with frags
    first = pkt[0:4]
    pair = pkt.at(Pair, 14)
    pair.a = 1  #~ E031 field `a` of Pair lies in memory that can only be read
    pkt.ip.ttl = 3
    note = pkt.meta.at(Pair)
    note.b = 5
    pkt.meta.at("udp", 0)  #~ E022 headers stand in the packet
    pkt.meta.proto  #~ E037 `pkt.meta` has no layer or field `proto`
    n = pair.b  #~ E034 `pair` is a struct Pair as it was before the packet was stored to
    return first[0] + n  #~ E034 `first` is an array u8[4] as it was before the packet was stored to
