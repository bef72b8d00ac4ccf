"""Histograms by key: keys that do not fit, values without a slot."""

from bpfvm.lang.maps import Histograms
from bpfvm.lang.types.scalars import char
from bpfvm.lang.types.structs import struct
from bpfvm.lang.types.scalars import s32, u32, u64


@struct
class Job:
    id: u32


sizes = Histograms(u32, 12)
names = Histograms(char[4])
jobs = Histograms(Job)


def program(a: u64, b: s32) -> u64:  # hook: function
    sizes.add(a, 1)  #~ E021 `a` may not fit u32, the key of `sizes`
    sizes.add(3, b)  #~ E021 `b` may be negative
    sizes.add(3, Job())  #~ E022 `sizes.add` takes a number
    sizes.add(3)  #~ E013 `sizes.add` takes 2 arguments
    names.add(3, 4)  #~ E020 key of `names` must be
    jobs.add(3, 4)  #~ E020 key of `jobs` must be
    names.add(b"toolong", 4)  #~ E021 `b"toolong"` has 7 bytes, and a key of `names` has 4
    return 0
