"""What a subprogram returns has one register; a global one has no packet. # hook: xdp"""

from bpfvm import bpf, pkt
from bpfvm.lang.types.scalars import u32


@bpf.func
def grows(a: u32):  #~ E040 what `grows` returns may not fit in 64 bits
    return a * a * a


@bpf.global_func
def header(a: u32) -> u32:
    return pkt.ip.proto + a % 7


def program(ctx):
    grows(ctx.ingress_ifindex)
    return header(1)  #~ E063 the global function `header` uses the packet or the context
