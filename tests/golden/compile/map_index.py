"""Indexes that are no numbers."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    hits["tcp"] += 1  #~ E020 key of `hits` must be `u32`
    hits[1.0] += 1  #~ E045 `1.0` is a float; BPF has no floating point
    hits[0, 1] = 5  #~ E020 key of `hits` must be `u32` (4 bytes), got a tuple
    return XDP_PASS
