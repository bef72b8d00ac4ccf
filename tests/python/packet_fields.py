"""Fields of a packet are big-endian in memory, and numbers in the program."""
from bpfvm import bpf, pkt


@bpf.xdp
def f(ctx) -> int:
    return (pkt.eth.type * 3 + pkt.ip.len * 5 + pkt.ip.src) & 0xFFFFFFFF


INPUTS = ((b"\x02\x00\x00\x00\x00\x01\x02\x00\x00\x00\x00\x02\x08\x00\x45\x00\x01\x23\x00\x00\x00\x00\x40\x06\x00\x00\x0a\x00\x00\x01\x0a\x00\x00\x02",),)
