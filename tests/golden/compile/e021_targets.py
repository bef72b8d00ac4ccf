"""Maps of what is no data, used as they cannot be."""

from bpfvm.lang.maps import DevMap, ProgArray
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import u32

progs = ProgArray(4)
devs = DevMap(4)


def program(ctx):  # hook: xdp
    progs.call(1, 2)  #~ E022 `progs.call` takes the context first
    progs.call(ctx, pkt.ip.src << 4)  #~ E021 the index of a program is one from 0 to 4294967295
    progs[0] = 1  #~ E022 `progs` is ProgArray, which has no items
    if pkt.ip.ttl:
        return devs.redirect(1, 4)  #~ E021 the action without a target is one from 0 to 3
    return devs.redirect(ctx)  #~ E022 the index of a target is a number
