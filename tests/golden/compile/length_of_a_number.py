"""The length of what has none."""

from bpfvm import u32


def program(a: u32) -> u32:
    return len(a)  #~ E022 `len` is that of the packet, len(pkt), of
