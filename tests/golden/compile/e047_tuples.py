"""Tuples that a loop leaves as something else; one whose items change alone."""

from bpfvm.lang.types.scalars import u8, u32


def program(a: u32, n: u8) -> u32:  # hook: function
    item, longer, none, word = (1, a), (1, 2), (1, 2), ("x", a)
    for i in range(n):
        item = (item[1], i)
        word = ("x" if i > 3 else "x", i)
        if i == 3:
            longer = (1, 2, 3)
            none = None
    a += longer[0]  #~ E047 `longer` is a tuple of 3 on one path
    a += 1 if none is None else 2  #~ E047 `none` is None on one path
    return item[0] + word[1] + a
