"""Records that are not given back, or twice."""

from bpfvm.lang.maps import Ring
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u32


@struct
class Event:
    pid: u32


events = Ring(Event)
numbers = Ring(u32)


def program(ctx):  # hook: xdp
    e = events.reserve()
    e.pid = 1  #~ E030 `e` may be None here
    if e is not None:
        e.submit()
        e.pid = 2  #~ E036 the record of `e` was submitted or discarded before
    a = events.reserve()
    if a is not None:
        a.submit()
        a.submit()  #~ E036 the record of `a` was submitted or discarded before
    b = events.reserve()  #~ E035 is held on some of the ways
    if b is not None and ctx.ingress_ifindex:
        b.discard()
    c = events.reserve()  #~ E035 is still held where `program` ends
    if c is None:
        return 1
    d = numbers.reserve()  #~ E022 records of u32 are submitted whole
    return 2
