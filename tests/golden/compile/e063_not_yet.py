"""Constructs that this version does not compile."""

from bpfvm.lang.maps import Hash
from bpfvm.lang.packet import pkt
from bpfvm.lang.types import u32, u64

hits = Hash(u32, u64, 16)


def program(ctx):  # hook: xdp
    for i in hits:  #~ E063 a `for` over the hash `hits`
        i += 1
    a = c = 1
    hits.size = 3  #~ E063 cannot be assigned to
    x = f"{a}"  #~ E063 an f-string
    match c:
        case int(real=3):  #~ E063 this class pattern
            a = 2
    return 2
