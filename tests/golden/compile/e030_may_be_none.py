"""A number that may be None has no operators; what tests have shown is known."""

from bpfvm.lang.types.scalars import u8, u32


def share(a, b):
    return a // b if b else None


def program(a: u32, b: u8) -> u32:  # hook: function
    found = share(a, b)
    x = found + 1  #~ E030 `found` may be None here
    y = -share(a, b)  #~ E030 `share(a, b)` may be None here
    if found > 5:  #~ E030 `found` may be None here
        return 1
    if found in (1, 2):  #~ E030 `found` may be None here
        return 2
    z = abs(found)  #~ E030 `found` may be None here
    for i in range(found):  #~ E030 `found` may be None here
        z += i
    if found is not None:
        return found + 1
    return found  #~ E024 returns nothing here
