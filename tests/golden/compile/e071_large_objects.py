"""Objects that the stack does not hold."""

from bpfvm import struct
from bpfvm.lang.types.scalars import u8, u32, u64


@struct
class Event:
    ts: u64
    comm: u8[400]


def program(a: u32) -> u64:
    e = Event(ts=a)  #~ E071 bytes of stack, the limit is 512
    names = u8[100]()
    counts = u64[4]()
    e.comm[a % 400] = 3
    names[a % 100] = 2
    counts[a % 4] = a
    return e.ts + e.comm[a % 399] + names[a % 99] + counts[a % 3]
