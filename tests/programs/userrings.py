"""Rings that user space writes and programs drain: records, messages of any size, what ends it."""

from __future__ import annotations

from typing import Any

from bpfvm import Array, UserRing, bpf, s64, struct, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases


@struct
class Job:
    id: u32 = 0
    size: u16 = 0


@struct
class Place:
    data: u8[16]


places = Array(Place, 1, name="drained_places")
jobs = UserRing(Job, 4096, name="drained_jobs", contents=[Job(id=n, size=n * 7) for n in range(40)])
short = UserRing(Job, 4096, name="drained_short", contents=[Job(id=1), Job(id=2), b"abc", Job(id=3), b""])
numbers = UserRing(u64, 4096, name="drained_numbers", contents=[1, 1 << 63, b"12345678tail", 5])
_GIVEN = [b"", b"a", b"message", b"x" * 100, bytes(3000), b"z"]
messages = UserRing(None, 4096, name="drained_messages", contents=_GIVEN)
words = UserRing(None, 4096, name="drained_words", contents=[bytes(range(n, n + 40)) for n in range(20)])
done = Array(u64, 4, name="drained_done")


@case((3,), (0,), (200,), (255,), (1,))
def drained_until(n: u8) -> s64:
    """A function inside of this one: how many it got, and where it stopped."""
    total = 0
    last = 0

    def body(job: Job) -> int:
        nonlocal total, last
        total += job.size
        last = job.id
        job.size = 9
        return job.id % 16 == n

    got = jobs.drain(body)
    return got * 1_000_000 + total * 100 + last


def kept(job: Any, state: Any) -> None:
    state.id += job.id
    state.size += 1
    done[job.id] += job.size + 1


@case((), (), ())
def drained_with_context() -> s64:
    """One of the module, with its context; a message that is shorter than a record ends the program."""
    state = Job()
    return short.drain(kept, state) * 100 + state.id * 10 + state.size


@case((2,), (9,))
def drained_numbers_(n: u8) -> s64:
    """Records that are numbers, and a lambda."""
    some = numbers.drain(lambda one: one == 5 or n == 2)
    return some * 10 + numbers.drain(lambda one: 0)


@case((4,), (9,), (1,))
def drained_messages_(n: u8) -> u64:
    """Messages as dynptrs: parts of them, past their ends too; and a ring that is drained within itself."""
    total = u64(0)

    def body(message: Any) -> int:
        nonlocal total
        head = message.data(u8[4])
        first = u8[1]()
        found = message.read(first)
        if head is not None:
            head[0] ^= 1
            total += head[0] + head[3]
        total = total * 7 + u64(message.write(b"q", 2)) + first[0] + u64(found)
        total += u64(messages.drain(lambda _: 0))
        return 0

    got = bpf.helper.user_ringbuf_drain(messages, body, None, n)
    return total * 100 + u64(got)


@case((1, 2), (3, 4), (5, 6))
def drained_under_pressure(n: u8, m: u8) -> u64:
    """More at once than there are registers: what a helper passes stays in one."""
    a, b, c, d = u64(n), u64(m), u64(n * m), u64(7)

    def body(message: Any) -> int:
        nonlocal a, b, c, d
        one = u64[1]()
        message.read(one)
        first = one[0] * 3
        message.read(one, 8)
        second = one[0] * 5 + first
        message.read(one, 16)
        third = one[0] * 7 + second
        message.write(b"zz", 1)
        part = message.data(u8[8], n)
        for i in range(4):
            message.read(one, i)
            a += one[0] * first
            b ^= second + one[0]
            c += third * one[0]
            d -= first * third + i
            if part is not None:
                d += part[i]
        return b & 7 == n

    got = words.drain(body)
    return a + b * 3 + c * 5 + d * 7 + u64(got)


@case((1,), (2,))
def drained_into_a_dynptr(n: u8) -> u64:
    """A dynptr of memory around a loop that a helper makes."""
    part = places[0].data
    d = bpf.dynptr(part)
    there = d.data(u8[4], n)
    at = 0

    def body(index: int) -> int:
        nonlocal at
        at += d.write(u8[1](index + n), index)
        if there is not None:
            there[3] += 1
        return 0

    bpf.helper.loop(20, body)
    back = u64[2]()
    d.read(back)
    return back[0] * 3 + back[1] + u64(at)
