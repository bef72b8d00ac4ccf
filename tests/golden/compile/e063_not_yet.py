"""Constructs that this version does not compile."""

from bpfvm.lang.maps import Array
from bpfvm.lang.packet import pkt
from bpfvm.lang.types import u32, u64

hits = Array(u64, 16)


def program(ctx):  # hook: xdp
    for i in hits:  #~ E063 goes over ranges and tuples
        i += 1
    a, *b = 1, 2  #~ E063 `*` before an operand
    pkt.ip.ttl = 3  #~ E063 cannot be assigned to
    print(f"{a}")  #~ E063 `print` #~ E063 an f-string
    c = 1
    if c in (1, 2):  #~ E063 `in`
        del c  #~ E063 `del`
    return 2
