"""A map that is counted as if it were a number."""

# hook: xdp
from bpfvm import Array, u64

hits = Array(u64, 4)


def program(ctx):
    hits += 1  #~ E050 `hits` is a name of this function, and has no
    return hits + 1
