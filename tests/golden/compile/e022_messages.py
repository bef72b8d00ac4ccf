"""Messages are evaluated: what they hold must be there, and formats must fit."""

from bpfvm.lang.types.scalars import u8, u32


def program(a: u32, b: u8) -> u32:  # hook: function
    found = a // b if b else None
    assert a != 1, f"{a:x} {a:08x} {a:#b} {a!r:>20} {'x':>5}"
    assert a != 2, f"{a:s}"  #~ E022 the format `s` of `a` is not available here
    assert a != 3, f"{a:.3f}"  #~ E022 the format `.3f` of `a` is not available here
    assert a != 4, f"{found:d}"  #~ E030 `found` may be None here
    if a == 5:
        raise ValueError(f"{nothing}")  #~ E010 `nothing` is not defined
    if a == 6:
        raise ValueError("six") from None
    if a == 7:
        raise ValueError("seven") from KeyError()  #~ E062 `raise ... from ...`
    return a
