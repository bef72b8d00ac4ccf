"""A store that may cut its value; one that cannot."""

from bpfvm.lang.maps import Array
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import u8, u32

small = Array(u8, 4)
wide = Array(u32, 4)


def program(ctx):  # hook: xdp
    small[0] = pkt.ip.len  #~ W115 `pkt.ip.len` may not fit u8
    small[1] = u8(pkt.ip.len)
    wide[0] = pkt.ip.len
    small[2] *= 3  #~ W115 may not fit u8
    small[3] **= 2  #~ W115 may not fit u8
    wide[1] += 1
    return 2
