"""Names that a loop may leave without a value."""

from bpfvm.lang.types.scalars import u32


def program(n: u32) -> u32:  # hook: function
    for i in range(n):
        found = i
    n += found  #~ E050 `found` has a value on some paths to here only
    while n > 3:
        n -= step  #~ E050 `step` has a value on some paths to here only
        step = 2
    for j in range(1, 5):  # at least once, so j has a value
        n += j
    return n + j
