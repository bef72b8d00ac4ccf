"""A queue gone over, and a map looked into."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, Hash, Queue, u32, u64

hits = Hash(u32, u64, 4)
jobs = Queue(u64, 4)


def program(ctx):
    for count in jobs:  #~ E063 a `for` cannot go over `jobs`, of type queue
        pass
    if "tcp" in hits:  #~ E020 key of `hits` must be `u32`
        return XDP_DROP
    return XDP_PASS
