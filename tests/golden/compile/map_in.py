"""A map gone over and looked into."""

# hook: xdp
from bpfvm import XDP_DROP, XDP_PASS, Hash, u32, u64

hits = Hash(u32, u64, 4)


def program(ctx):
    for count in hits:  #~ E063 a `for` over the hash `hits`
        pass
    if "tcp" in hits:  #~ E020 key of `hits` must be `u32`
        return XDP_DROP
    return XDP_PASS
