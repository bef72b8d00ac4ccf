"""A number that is never a byte, looked for in bytes: CPython raises ValueError."""
from bpfvm import bpf, s16


@bpf.function
def f(a: s16) -> bool:
    if a > 5:
        return 4294967296 in b"GET /"
    return a in b"GET /"


INPUTS = ((6,), (5,), (-1,))
