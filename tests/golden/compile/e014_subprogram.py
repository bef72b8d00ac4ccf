"""Subprograms that cannot be made: without types, with more than fits, returning what has no register."""

from bpfvm import bpf, pkt
from bpfvm.lang.types.scalars import u32, u64


@bpf.func
def bare(a):
    return a + 1


@bpf.func
def result(a: u32) -> str:
    return a


@bpf.func
def six(a: u32, b: u32, c: u32, d: u32, e: u32, f: u32) -> u32:
    return a


@bpf.func
def five_and_a_fault(a: u32, b: u32, c: u32, d: u32, e: u32) -> u32:
    return a // (b + c + d + e)


@bpf.func
def pair(a: u32):  #~ E024 the subprogram `pair` returns a tuple of 2, and can return numbers only
    return a, 1


@bpf.func
def sometimes(a: u32):  #~ E024 the subprogram `sometimes` returns a number, and None on some path
    if a:
        return a


@bpf.func
def grows(a: u64):
    return int(a) * 5


@bpf.global_func
def header(a: u32) -> u32:
    return pkt.ip.proto


@bpf.func
def itself(a: u32) -> u32:
    return 0 if a == 0 else itself(a - 1)  #~ E061 `itself` is called while it runs


def program(a: u32) -> u64:
    x = bare(a)  #~ E014 parameter `a` of the subprogram `bare` needs the type of a number
    y = result(a)  #~ E014 the result of the subprogram `result` needs the type of a number
    z = six(a, a, a, a, a, a)  #~ E013 the subprogram `six` would take 6 numbers; a call passes 5 words
    w = five_and_a_fault(a, a, a, a, a)  #~ E013 would take 5 numbers and the address of its status
    pair(a)
    sometimes(a)
    bare((a, 1))  #~ E022 `bare` is a subprogram, and cannot take a tuple of 2 as `a`
    itself(a)
    return u64(x + y + z + w)
