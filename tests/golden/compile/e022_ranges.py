"""What a `for` cannot go over, and ranges that are none."""

from bpfvm.lang.types.scalars import u32, u64


def program(n: u32, m: u32, big: u64) -> u32:  # hook: function
    for i in range(0, n, n):  #~ E022 the step of a range is a constant that is not 0
        n += i
    for i in range(0, 9, 0):  #~ E022 the step of a range is a constant that is not 0
        n += i
    for i in range():  #~ E013 `range` takes 1 to 3 arguments here
        n += i
    for i in range(None):  #~ E022 `range` takes numbers
        n += i
    for i in m:  #~ E063 a `for` goes over ranges and tuples, and `m` is int
        n += i
    for i in range(-1, big):  #~ E040 may go past 64 bits
        n += i
    for a, b in zip((1, None), range(m)):  #~ E063 `zip` of a tuple of other than constants
        n += a + b
    return 0
