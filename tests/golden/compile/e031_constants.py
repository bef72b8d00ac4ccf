"""Stores into data that programs can only read, and into a global."""

from bpfvm import bpf
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u32, u64


@struct
class Limits:
    most: u32
    each: u32[4]


limits = bpf.const(Limits(most=10))
state = bpf.data(Limits)
total = 0


def program(a: u32) -> u64:  # hook: function
    global total
    limits.most = a  #~ E031 field `most` of Limits lies in memory that can only be read
    limits.each[1] += 1  #~ E031 lies in memory that can only be read
    state.most = a
    state.least = a  #~ E037 `Limits` has no field `least`
    total += a  #~ E051 cannot rebind `total`
    return state.most
