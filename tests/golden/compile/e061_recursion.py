"""Functions that call themselves, also by way of others."""

from bpfvm.lang.types.scalars import u32


def even(n):
    return True if n == 0 else odd(n - 1)  #~ E061 `odd` is called while it runs


def odd(n):
    return False if n == 0 else even(n - 1)


def program(a: u32) -> bool:
    return odd(a) or program(a)  #~ E061 `program` is called while it runs
