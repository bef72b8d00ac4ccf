"""Numbers that grow on every turn of a loop, and wrap in none of the machines."""

from bpfvm.lang.types.scalars import u32, u64


def program(n: u32, big: u64) -> u64:  # hook: function
    x, total, last = 1, 0, n
    for i in range(n):
        x = x * 3  #~ E040 `x` may not fit in 64 bits after some turns of the loop
        last = i * i * i * i  # each turn makes it anew: nothing grows
        n = u32(last)
    while big:
        square = int(big) * int(big)
        total = total * square + 1  #~ E040 `total` may not fit in 64 bits after some turns of the loop
        big //= 2
    return u64(x) + u64(total) + n
