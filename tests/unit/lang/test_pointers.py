# mypy: disable-error-code="type-arg, valid-type, index"
"""Pointers: what is read through them is the same on every machine, and zeros where nothing can be read."""

from __future__ import annotations

import struct as bytes_of
from collections.abc import Mapping
from typing import Any

import pytest

from bpfvm import KernelPtr, UserPtr, be16, bits, bpf, char, s8, struct, u8, u16, u32, u64
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.program import Program
from tests.engines import EMULATORS

MACHINES = ("cpython", *EMULATORS)
NAME, INNER, WORDS, KERNEL = 0x3000, 0x2000, 0x1000, 0xFFFF_8880_0000_1000


@struct
class Inner:
    """What pointers lead to."""

    a: u16
    port: be16
    name: UserPtr[char]
    text: char[12]
    numbers: u32[4]
    low: bits(u8, 3)
    high: bits(s8, 5)
    flag: bool


@struct
class Kept:
    """Pointers that a program keeps."""

    name: UserPtr[char]
    inner: UserPtr[Inner]
    text: char[10]
    all: Inner


MEMORY: Mapping[int, bytes] = {
    WORDS: bytes_of.pack("<4I", 3, 4, 5, 6),
    INNER: bytes_of.pack("<HH4xQ12s4IB?", 5, 0x5000, NAME, b"abcdefghijkl", 1, 2, 3, 4, 0xF5, True).ljust(128, b"\x11"),
    NAME: b"hello\0world\0",
    KERNEL: bytes_of.pack("<QQ", KERNEL + 8, 1 << 63 | 7),
}


@bpf.function
def elements(p: UserPtr[u32], i: u32) -> u64:
    return u64(p[0] + p[1] * 10 + p[i & 3] * 100)


@bpf.function
def fields(q: UserPtr[Inner], i: u32) -> u64:
    return u64(q.a + q.port + q.numbers[i & 3] * 1000 + len(q.numbers) + q.low * 7 + q.high + q.flag)


@bpf.function
def texts(q: UserPtr[Inner]) -> u32:
    found = 0
    if q.name.str(16) == "hello":
        found |= 1
    if q.name.str(3) == "he":
        found |= 2
    if q.text[0:4] == b"abcd":
        found |= 4
    if not q.name[5]:
        found |= 8
    return found


@bpf.function
def kept(q: UserPtr[Inner]) -> u64:
    one = Kept(name=q.name, inner=q, text=q.name, all=q)
    total = one.inner.numbers[1] + one.all.numbers[2] * 10
    if one.text == "hello":
        total += 100
    if one.name == q.name and one.inner != UserPtr[Inner](0):
        total += 1000
    whole = q.copy()
    one.text = q.text
    return u64(total + whole.a * 10000 + one.text[9])


@bpf.function
def chain(p: KernelPtr[KernelPtr[u64]]) -> u64:
    return p[0][0]


@bpf.function
def null(p: UserPtr[u32], q: UserPtr[u32]) -> u32:
    if not p:
        return 1
    if p.value == q.addr:
        return 2
    return 3 if bool(q) else 4


@bpf.function
def casts(at: u64) -> u64:
    p = UserPtr[u32](at)
    return u64(UserPtr[u16](p)[1] + p[0] + UserPtr[u8[4]](at)[2])


@bpf.function(probe="fault")
def faults(p: UserPtr[Inner]) -> u64:
    text = p.name.str(8)
    return u64(p.a + text[0] + p.numbers[0:2][1])


CASES: tuple[tuple[Program, tuple[int, ...], int], ...] = (
    (elements, (WORDS, 2), 543),
    (elements, (WORDS + 8, 0), 3065 - 3000 + 500),
    (elements, (1, 2), 0),
    (fields, (INNER, 1), 5 + 0x50 + 2000 + 4 + 35 - 2 + 1),
    (fields, (0, 1), 4),
    (texts, (INNER,), 15),
    (texts, (0,), 8),
    (kept, (INNER,), 2 + 30 + 100 + 1000 + 50000 + ord("j")),
    (kept, (8,), 0 + 1000),
    (chain, (KERNEL,), 1 << 63 | 7),
    (chain, (KERNEL + 1,), 0),
    (null, (0, 5), 1),
    (null, (5, 5), 2),
    (null, (5, 6), 3),
    (null, (5, 0), 4),
    (casts, (WORDS,), 3),
    (casts, (WORDS + 2,), 4 + 0x40000 + 4),
)


@pytest.mark.parametrize(("program", "given", "want"), CASES, ids=lambda one: getattr(one, "name", str(one)))
def test_reads(program: Program, given: tuple[int, ...], want: int) -> None:
    outcome = program.check(*given, memory=MEMORY)
    assert outcome.value == want
    assert set(MACHINES[:3]) <= set(outcome.engines)


@pytest.mark.parametrize(("given", "want"), [(INNER, 5 + ord("h") + 2), (0, None), (INNER + 8, None)])
def test_a_read_that_ends_the_program(given: int, want: int | None) -> None:
    outcome = faults.check(given, memory=MEMORY)
    assert len(outcome.engines) >= 3
    if want is not None:
        assert (outcome.value, outcome.fault) == (want, None)
        return
    assert outcome.fault is not None
    assert (outcome.value, outcome.fault.kind) == (0, "ProbeError")


def test_what_a_read_may_give() -> None:
    with pytest.raises(UsageError, match="probe='ones': there are 'zero', 'fault' in this version"):
        bpf.function(probe="ones")


def test_the_kernel_has_its_own_memory() -> None:
    with pytest.raises(Unavailable, match="kernel"):
        elements._run("kernel", elements.input((WORDS, 1), memory=MEMORY), None)


@pytest.mark.parametrize("given", [{-1: b""}, {1 << 64: b""}, {0: 5}, {"a": b""}, {0: object()}])
def test_what_is_no_memory(given: Any) -> None:
    with pytest.raises(UsageError, match="elements: memory"):
        elements.emulate(WORDS, 1, memory=given)


def test_registers_of_a_program_that_sees_none() -> None:
    with pytest.raises(UsageError, match="elements is a syscall program: it sees no registers"):
        elements.emulate(WORDS, 1, regs={"di": 1})


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda p: p == "text", "UserPtr.char. is compared with str"),
        (lambda p: iter(p), "is not iterated over"),
        (lambda p: setattr(p, "a", 1), "nothing is stored through a pointer"),
        (lambda p: len(p), "UserPtr.char. has no length"),
        (lambda p: UserPtr[char]("a"), "takes an address, not str"),
        (lambda p: p + 1, "unsupported operand"),
    ],
)
def test_what_python_cannot_do_with_one(use: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        use(UserPtr[char](5))


def test_types() -> None:
    assert UserPtr[char] is UserPtr[char]
    assert repr(UserPtr[UserPtr[char]]) == "UserPtr[UserPtr[char]]"
    assert repr(KernelPtr[u64](255)) == "KernelPtr[u64](0xff)"
    assert UserPtr[u32][4].sizeof == 32
    with pytest.raises(UsageError, match="name what it points to"):
        UserPtr[5]
    assert not hasattr(UserPtr[Inner](0), "nothing")
