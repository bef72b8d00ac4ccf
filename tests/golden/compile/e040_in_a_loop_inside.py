"""A number that grows, read in a loop inside whose body is looked at several times."""

from bpfvm.lang.types.scalars import u8, u32


def program(n: u32, few: u8) -> u32:  # hook: function
    kept, d = 0, 1
    for _ in range(n):
        turns, last = 0, None
        for i in range(few):
            kept = d & 7  #~ E040 `d` may not fit in 64 bits after some turns of the loop
            turns, last = turns + 1, i
        d = d * 3
        kept = kept if last is None else turns
    return u32(kept & 15)
