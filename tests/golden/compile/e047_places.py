"""Arrays of one type in different memory."""

from bpfvm import Array, pkt, struct, u8

# hook: xdp


@struct
class Link:
    src: u8[6]


links = Array(Link, 4)


def program(ctx):
    kept = pkt.eth.dst.copy()
    pkt.eth.src = kept if len(pkt) > 20 else pkt.eth.dst  #~ E047 is an array u8[6] on the stack on one path and an array u8[6] in the packet on another
    if len(pkt) > 30:
        one = links[1].src
    else:
        one = kept
    pkt.eth.src = one  #~ E047 `one` is an array u8[6] in a map on one path to here and an array u8[6] on the stack on another
    return 2
