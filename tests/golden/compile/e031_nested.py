"""Maps in maps, used as what they are not."""

from bpfvm.lang.maps import Array, ArrayOf
from bpfvm.lang.types.scalars import u32, u64

first = Array(u64, 4)
tables = ArrayOf(Array(u64, 4), 4, {0: first})


def program(a: u32) -> u64:  # hook: function
    tables[a] = first  #~ E031 which maps stand in `tables` is for user space to say
    tables[a] += 1  #~ E022 `tables[a]` is a map
    n = tables.setdefault(a, first)  #~ E037 the map `tables` has no attribute `setdefault`
    m = tables[a]
    m["x"] = 1  #~ E020 key of `tables[...]` must be `u32`
    return m[1] + tables[a]  #~ E022 `+` takes numbers
