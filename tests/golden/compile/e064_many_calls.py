"""Calls within calls: each is a copy."""

from bpfvm.lang.types.scalars import u8


def inc(x):
    return (x + 1) & 255


def four(x):
    return inc(inc(inc(inc(x))))


def sixteen(x):
    return four(four(four(four(x))))


def many(x):
    return sixteen(sixteen(sixteen(sixteen(x))))


def more(x):
    return many(many(many(many(x))))


def program(a: u8) -> u8:
    return u8(more(more(more(more(more(more(more(more(a)))))))))  #~ E064 more than 2000 calls
