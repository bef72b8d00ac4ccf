"""Operands, indexes and stored values must be numbers."""

from bpfvm.lang.maps import Array
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import u64

hits = Array(u64, 256)


def program(ctx):  # hook: xdp
    a = pkt.ip + 1  #~ E022 `+` takes numbers
    b = None * 2  #~ E022 `None` is None
    c = -hits  #~ E022 `-` takes a number
    if pkt.ip < 5:  #~ E022 `<` compares numbers
        hits[None] = 1  #~ E020 key of `hits` must be `u32`
    hits[0] = pkt  #~ E020 the element must be `u64`
    x, y = ctx.ingress_ifindex  #~ E022 cannot be unpacked
    z = len(ctx)  #~ E022 `ctx` is the program's context
    return a + b + c + x + y + z + u64(hits) + ctx[3]  #~ E022 `u64` takes numbers #~ E022 context has no items
