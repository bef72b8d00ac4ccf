"""The length of a map; a map that was found in another, in a subprogram."""

from bpfvm import bpf
from bpfvm.lang.maps import Array, ArrayOf, Hash
from bpfvm.lang.types.scalars import u32, u64

hits = Hash(u32, u64)
first = Array(u64, 4)
tables = ArrayOf(Array(u64, 4), 4, {0: first})


@bpf.func
def at(table, i: u32) -> u64:
    return table[i]


def program(a: u32) -> u64:  # hook: function
    n = len(hits)  #~ E033 `len(hits)` is not how many entries the map has
    n = at(first, a)
    return at(tables[1], a)  #~ E022 cannot take a map that was found in another
