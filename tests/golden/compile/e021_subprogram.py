"""What subprograms take and return: what their annotations say, which convert nothing."""

from bpfvm import bpf
from bpfvm.lang.types.scalars import u8, u16, u32, u64


@bpf.func
def narrow(a: u8) -> u16:
    return a * 256


@bpf.func
def modular(a: u64) -> u64:
    return a * a


@bpf.func
def truth(a: bool) -> u8:
    return 1 if a else 2


@bpf.func
def wide(a: u32) -> u32:  #~ E021 the result of `wide` is declared u32, and lies in [1, 4294967296] here
    return a + 1


@bpf.func
def plain(a: u32) -> u64:  #~ E049 the result of `plain` is declared u64, and is int here
    return a


def program(a: u32, b: u64) -> u64:
    x = narrow(a)  #~ E021 `a` of `narrow` is declared u8, and lies in [0, 4294967295] here
    x += modular(a)  #~ E049 `a` of `modular` is declared u64, and is int here
    x += truth(a)  #~ E021 `a` of `truth` is declared bool, and is int here
    x += wide(a) + plain(a)
    return u64(narrow(a & 255)) + modular(b) + truth(a == 1)
