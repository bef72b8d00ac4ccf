"""Indexes that are no numbers."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    hits["tcp"] += 1  #~ E022 `hits` takes a number as its index, `"tcp"` is
    hits[1.0] += 1  #~ E045 `1.0` is a float; BPF has no floating point
    hits[0, 1] = 5  #~ E022 `hits` takes a number as its index, `0, 1` is a
    return XDP_PASS
