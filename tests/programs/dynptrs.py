"""Dynptrs of memory in maps: what is read and written through them, past their ends too."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, Ring, bpf, s64, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Store:
    before: u32
    data: u8[24]
    behind: u32


@struct
class Pair:
    a: u16
    b: u32


stores = Array(Store, 4, name="dynptr_stores")
records = Ring(u64, 4096, name="dynptr_records")


@case((0, 7), (1, 16), (2, 17), (3, 24), (0, 4000000000))
def dynptr_of_memory(k: u8, at: u32) -> u64:
    """Bytes of a value; what does not fit is not written."""
    store = stores[k & 3]
    d = bpf.dynptr(store.data)
    pair = Pair(a=k + 1, b=at)
    stored = d.write(pair, at)
    stored += d.write(b"\1\2\3", offset=2) * 100
    back = u32[2]()
    read = d.read(back)
    last = Pair()
    read += d.read(last, at) * 1000
    whole = bpf.dynptr(store)
    word = u32[1](9)
    whole.write(word)
    whole.write(data=word, offset=28)
    return u64(back[0]) + back[1] * 3 + last.a + last.b + store.before * 7 + store.behind + u64(stored + read)


def filled(d: Any, n: int) -> int:
    """A function that is given one, and a loop over it."""
    total = 0
    for i in range(4):
        total += d.write(u16[1](n + i), 2 * i)
    return total


@case((0, 1), (8, 2), (9, 3), (64, 0), (5000, 5), (16777216, 7))
def dynptr_of_record(size: u32, n: u8) -> s64:
    """A record of any size; one that has no room is a dynptr to nothing, and is given back all the same."""
    d = records.reserve_dynptr(size)
    result = filled(d, n)
    back = u16[1]()
    if n == 3:
        d.discard()
        return result
    assert n != 5, "five"
    result = result * 10 + d.read(back, 2)
    d.submit()
    return result * 100_000 + back[0]


@case((0, 0, 9), (1, 7, 300), (2, 16, 5), (3, 17, 5), (0, 23, 1), (0, 4000000000, 1))
def dynptr_data_of_memory(k: u8, at: u32, n: u16) -> u64:
    """A part of a value by its address; None where it does not fit, and what is stored is in the map."""
    d = bpf.dynptr(stores[k & 3].data)
    pair = d.data(Pair, at)
    if pair is None:
        return 1
    pair.a = n
    pair.b += n * 2
    again = d.data(u8[8], offset=at)
    first = d.data(u16[1])
    assert again is not None
    if first is None:
        return 2
    first[0] ^= 0x0102
    again[2:5] = b"xyz"
    back = u16[1]()
    d.read(back, at)
    copied = pair.copy()
    d.write(pair, 1)
    return u64(back[0]) * 1000 + again[4] + first[0] + pair.b + copied.b + stores[k & 3].data[at & 15]


@case((0, 1), (8, 2), (16, 3), (24, 4), (5000, 5))
def dynptr_data_of_record(size: u32, n: u8) -> u64:
    """A record that is filled by its address."""
    d = records.reserve_dynptr(size)
    words = d.data(u64[2])
    if words is None:
        d.discard()
        return 7
    for i in range(2):
        words[i] = n + i
    rest = d.data(u64[1], 16)
    if rest is not None:
        rest[0] = words[0] * words[1]
    elif n == 3:
        assert words[1] != 4, "four"
    total = words[0] + words[1]
    d.submit()
    return total


def summed(part: u8[4]) -> int:
    return part[0] + part[1] * 3 + part[2] * 5 + part[3] * 7


@case((0,), (3,), (200,))
def dynptr_data_in_loops(n: u8) -> u64:
    """Parts one behind another, given to a function, and helpers by their names."""
    total = u64(0)
    store = stores[n & 3]
    d = bpf.dynptr(store.data)
    for i in range(24):
        if i & 1:
            d.write(b"\5", i)
        else:
            bpf.helper.dynptr_write(d, i, u8[1](i + n), 1, 0)
    at = 0
    while at < 40:
        part = d.data(u8[4], at)
        if part is None:
            break
        total += summed(part)
        at += 3
    named = bpf.helper.dynptr_data(d, n, 4)
    if named is not None:
        total += named[3] * 1_000_000
    back = u8[4]()
    return total + u64(bpf.helper.dynptr_read(back, 4, d, n & 31, 0)) + back[3]


@case((1, 8), (2, 24), (3, 0), (0, 16))
def dynptr_by_name(k: u8, size: u8) -> s64:
    """What makes them gives them."""
    store = stores[k & 3]
    d = bpf.helper.dynptr_from_mem(store.data, min(size, 24), 0)
    result = d.write(b"abcdefgh", k)
    none = bpf.helper.dynptr_from_mem(store.data, 8, 1)
    result = result * 100 + none.write(b"x")
    e = bpf.helper.ringbuf_reserve_dynptr(records, size)
    bpf.helper.dynptr_write(e, 0, b"12345678", 8, 0)
    if k == 2:
        bpf.helper.ringbuf_discard_dynptr(e, 0)
    else:
        bpf.helper.ringbuf_submit_dynptr(e, 1)
    f = bpf.helper.ringbuf_reserve_dynptr(records, 8, 1)
    result = result * 100 + f.write(b"x")
    f.submit()
    return result * 100 + store.data[4]


@case((0, 8), (3, 24), (9, 5), (4, 25), (24, 24))
def dynptr_functions(start: u8, end: u8) -> s64:
    """Kernel functions on them."""
    d = bpf.dynptr(stores[1].data)
    result = bpf.kfunc.dynptr_adjust(d, start, end)
    result = result * 100 + bpf.kfunc.dynptr_size(d)
    result = result * 100 + bpf.kfunc.dynptr_memset(d, 1, 2, 7 + start)
    whole = bpf.dynptr(stores[1].data)
    result = result * 100 + bpf.kfunc.dynptr_copy(whole, 20, d, 0, 4)
    part = whole.data(u8[4], 20)
    if part is not None:
        result = result * 1000 + part[1] + part[2] + part[3]
    return result * 2 + bpf.kfunc.dynptr_is_null(d)


@case((3, 1), (40, 0))
def dynptr_in_loops(n: u8, k: u8) -> u64:
    """One made on each turn, on the same bytes of the stack."""
    total = 0
    for i in range(n):
        d = bpf.dynptr(stores[(i + k) & 3].data)
        total += d.write(u8[1](i), i)
        e = records.reserve_dynptr(i)
        e.write(b"ab")
        if i & 1:
            e.submit()
        else:
            e.discard()
    return u64(total) + stores[1].data[5]
