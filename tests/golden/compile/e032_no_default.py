"""A counter on a map whose missing keys have no value."""

from bpfvm.lang.maps import Hash
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import u32, u64


@struct
class Total:
    size: u64 = 0


hits = Hash(u32, u64)
small = Hash(u32, u32)
totals = Hash(u32, Total)


def program(key: u32) -> u64:  # hook: function
    hits[key] += 1  #~ E032 `hits[key] += 1` needs the key to exist already
    small[key] |= 1  #~ E032 needs the key to exist already
    totals[key].size += 1
    if key in hits:
        hits[key] += 1
        small[key] = 1
        hits[key] |= 4  # a store to another map takes nothing away
    if key not in small:
        small[key] = 0
    small[key] += 1
    del small[key]
    small[key] += 1  #~ E032 needs the key to exist already
    return 0
