"""What `in`, `isinstance` and reducers cannot look at."""

from bpfvm.lang.types.scalars import s64, u32, u64

THING = object()


def program(a: u32, b: u64, c: s64) -> u64:  # hook: function
    x = b if a else 3
    if b in range(1 << 40):  #~ E022 `b` is u64, for which CPython walks through the whole range
        a += 1
    if a in THING:  #~ E022 `in` looks into tuples, ranges and constants
        a += 1
    if isinstance(x, u64):  #~ E022 has no answer when the program is compiled
        a += 1
    if isinstance(a, 3):  #~ E022 `isinstance` takes a type
        a += 1
    d = max((1, None))  #~ E022 `max` compares numbers
    d = max(k for k in (1, None))  #~ E022 `max` compares numbers
    d = min((a, 2), key=abs)  #~ E062 `key` of `min` is not available
    d = sum((b, c))  #~ E041 `+` has a u64 on its left and an s64 on its right
    d = PAIRS[a]  #~ E022 the index of a tuple of 2 must be a constant
    d = a[0]  #~ E022 int has no items
    return sum((k for k in range(3)), start=3, end=4)  #~ E013 `sum` takes other arguments


PAIRS = ((1, 2), (3, 4))
