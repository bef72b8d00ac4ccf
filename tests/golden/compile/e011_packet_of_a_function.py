"""A function of scalars sees no packet."""

from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import u32


def program(a: u32) -> u32:
    return a + pkt.ip.proto  #~ E011 has no packet here
