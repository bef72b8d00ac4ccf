"""Constants of more than 64 bits."""

from bpfvm import u64

LIMIT = 10 ** 30


def program(a: u64) -> bool:
    return a > LIMIT or a == 1 << 70  #~ E045 `LIMIT` cannot be a constant of a BPF program #~ W130 `a == 1 << 70` is always False
