"""A difference that is scaled twice."""

from bpfvm import u32


def program(now: u32, then: u32, scale: u32) -> bool:
    return (now - then) * scale * scale > 0  #~ E040 `(now - then) * scale * scale` may not fit in
