"""Maps that programs that may sleep cannot use."""

from bpfvm.lang.maps import Bloom, LpmTrie, ip4prefix
from bpfvm.lang.types.scalars import u32, u64

seen = Bloom(u32, 16)
routes = LpmTrie(ip4prefix, u32)


def program(a: u32) -> u64:  # hook: function
    if a in seen:  #~ E011 `seen` is Bloom, which a function of numbers cannot use
        return 1
    return routes.get(ip4prefix(address=a), 0)  #~ E011 `routes` is LpmTrie
