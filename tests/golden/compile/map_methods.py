"""More ways of a dict, and a misspelled attribute."""

# hook: xdp
from bpfvm import Array, u64

hits = Array(u64, 4)


def program(ctx):
    hits.clear()  #~ E037 the map `hits` has no attribute `clear`
    hits.update(1, 2)  #~ E037 the map `hits` has no attribute `update`
    return hits.max_entry  #~ E037 the map `hits` has no attribute `max_entry`
