"""Bytes that are no copies: names and values of tuples behind stores to where they lie."""

from bpfvm import Array, pkt, struct, u8, u32

# hook: xdp


@struct
class Link:
    src: u8[6]
    dst: u8[6]
    count: u32


links = Array(Link, 4)


def bumped(link):
    link.src = b"abcdef"


def program(ctx):
    eth = pkt.eth
    eth.dst, eth.src = eth.src, eth.dst  #~ W116 `eth.dst` is field `dst` of eth, and shows what was stored there
    eth.dst, eth.src = eth.src, eth.dst.copy()
    pkt.ip.src, pkt.ip.dst = pkt.ip.dst, pkt.ip.src
    before = pkt.eth.dst
    kept = pkt.eth.dst.copy()
    pkt.eth.dst = b"\xff" * 6
    pkt.eth.src = before  #~ W116 `before` is field `dst` of eth, and shows what was stored there
    pkt.eth.src = kept
    pkt.eth.src = before
    link = Link(src=pkt.eth.src)
    old = link.src
    if ctx.rx_queue_index:
        link.src = kept
        before = pkt.eth.dst
    else:
        link.dst = old
    old[0] = 1  #~ W116 `old` is field `src` of Link, and shows what was stored there
    again = old
    third = link.src
    bumped(link)
    link.dst = third  #~ W116 `third` is field `src` of Link, and shows what was stored there
    buffer = u8[6]()
    buffer[0:6] = pkt.eth.src
    link.dst = buffer
    links[1].src = before
    links[2] = link
    return 2
