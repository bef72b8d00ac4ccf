"""A second parameter beside the context."""

# hook: xdp
from bpfvm import XDP_PASS


def program(ctx, packet):  #~ E014 a program of type xdp takes one parameter, its
    return XDP_PASS
