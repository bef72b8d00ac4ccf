"""Ways of a dict that a map does not have."""

# hook: xdp
from bpfvm import XDP_PASS, Array, u64

hits = Array(u64, 4)


def program(ctx):
    seen = hits.has_key(0)  #~ E037 the map `hits` has no attribute `has_key`
    for key in hits.keys():  #~ E037 the map `hits` has no attribute `keys`
        pass
    return XDP_PASS
