"""Constructs that this version does not compile."""

from bpfvm.lang.maps import Hash, LpmTrie, ip4prefix
from bpfvm.lang.packets.packet import pkt
from bpfvm.lang.types.scalars import u32, u64

hits = Hash(u32, u64, 16)
routes = LpmTrie(ip4prefix, u64, 16)


def program(ctx):  # hook: xdp
    for i in routes:  #~ E063 a `for` cannot go over `routes`, of type lpm_trie
        i.data[0] += 1
    a = c = 1
    hits.size = 3  #~ E063 cannot be assigned to
    x = f"{a}"  #~ E063 an f-string
    match c:
        case int(real=3):  #~ E063 this class pattern
            a = 2
    return 2
