"""An element of an array taken out."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    del hits[0]  #~ E062 `del` is not available in BPF programs
    return XDP_PASS
