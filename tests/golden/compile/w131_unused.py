"""Lookups whose results nobody reads."""

from bpfvm.lang.maps import Array
from bpfvm.lang.types.scalars import u64

hits = Array(u64, 16)


def program(ctx):  # hook: xdp
    hits[3]  #~ W131 what `hits[3]` looks up is not used
    a = hits[4]
    return a + hits[5]
