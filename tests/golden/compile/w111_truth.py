"""The truth of a number that may be None."""

from bpfvm.lang.types.scalars import u8, u32


def program(a: u32, b: u8) -> u32:  # hook: function
    found = a // b if b else None
    sure = a + 1 if b else None
    if sure:
        return sure
    return found or 7  #~ W111 `found` is false where it is None, and where it is 0
