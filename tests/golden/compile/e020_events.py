"""Events of another type than the ring's."""

from bpfvm.lang.maps import PerfEvents, Ring
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import char, u8, u32


@struct
class Event:
    pid: u32
    name: char[16]


@struct
class Other:
    pid: u32


events = Ring(Event)
numbers = Ring(u32)


def program(ctx):  # hook: xdp
    events.submit(Other(pid=1))  #~ E020 the event must be `Event`
    events.submit(Event(pid=None))  #~ E020 field `pid` of Event must be `u32`
    events.submit(Event(size=1))  #~ E037 `Event` has no field `size`
    events.submit(Event(pid=1 << 40))  #~ W115 `1 << 40` may not fit u32
    events.submit(3)  #~ E020 the event must be `Event`
    events.submit()  #~ E013 `events.submit` takes one event
    numbers.submit(Event())  #~ E020 the event must be `u32`
    numbers.output(3)  #~ E022 `numbers.output` takes bytes, an array or a struct
    events[0] = 1  #~ E022 `events` is Ring, which has no items
    events.push(1)  #~ E037 the map `events` has no attribute `push`
    return 2
