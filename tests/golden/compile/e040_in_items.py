"""Items of `in` that may not fit, one of them behind the other."""

from bpfvm.lang.types.scalars import u8, u32


def program(a: u32, b: u8) -> int:
    far = a << 33
    return 1 if b in (far, 7, far + 1) else 2  #~ E040 `far` may not #~ E040 `far + 1` may not
