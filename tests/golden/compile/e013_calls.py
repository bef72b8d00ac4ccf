"""Arguments that CPython would refuse at run time."""

from bpfvm.lang.types.scalars import u32


def scaled(value, by, *, plus=0):
    return value * by + plus


def spread(**values):
    return 0


def halved(value):
    return value / 2  #~ E042 makes a float


def program(a: u32) -> u32:
    b = scaled(a)  #~ E013 missing a required argument: 'by'
    c = scaled(a, 2, 3)  #~ E013 too many positional arguments
    d = scaled(a, by=2, minus=1)  #~ E013 got an unexpected keyword argument 'minus'
    e = scaled(a, **{"by": 2})  #~ E062 `**` in a call
    g = spread(b=a)   #~ E062 `**kwargs`
    h = halved(*a)  #~ E022 `a` is int, and `*` takes a tuple
    return u32(b + c + d + e + g + h + halved(a))
