"""Maps that the kernel does not go through, and what goes through one is not gone over beside another."""

# hook: xdp
from bpfvm import XDP_PASS, Array, ArrayOf, Hash, HashOf, LpmTrie, StackTrace, ip4prefix, u32, u64

hits = Hash(u32, u64, 4)
more = Hash(u32, u64, 4)
routes = LpmTrie(ip4prefix, u32, 4)
tables = HashOf(u32, Array(u64, 4), 4)
rows = ArrayOf(Array(u64, 4), 4)
stacks = StackTrace(4)


def program(ctx):
    for prefix, number in routes.items():  #~ E063 a `for` cannot go over `routes`, of type lpm_trie
        pass
    for key in tables:  #~ E063 a `for` cannot go over `tables`, of type hash_of_maps
        pass
    for key in rows:  #~ E063 a `for` cannot go over `rows`, of type array_of_maps
        pass
    for key in stacks:  #~ E063 a `for` cannot go over `stacks`, of type stack_trace
        pass
    for i, (j, key) in enumerate(enumerate(hits)):  #~ E063 `enumerate(hits)` is gone over by a `for` of its own
        pass
    for key, other in zip(hits.values(), more):  #~ E063 `hits.values()` is gone over by a `for` of its own
        pass
    for (i, key), j in zip(enumerate(hits), range(3)):  #~ E063 `enumerate(hits)` is gone over by a `for` of its own
        pass
    for i, (key, j) in enumerate(zip(hits, range(3))):  #~ E063 `zip(hits, range(3))` is gone over by a `for` of its own
        pass
    for (key,) in zip(hits):  #~ E063 `hits` is gone over by a `for` of its own
        pass
    for key, i in zip(hits, range(3), strict=True):  #~ E013 a `strict` zip of lengths that are not known
        pass
    for key in reversed(hits):  #~ E063 `hits` is gone over by a `for` of its own
        pass
    return XDP_PASS
