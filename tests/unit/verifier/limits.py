"""Programs at the limits of the verifier, too long to be written down: with its words, and a twin that is smaller."""

from __future__ import annotations

from collections.abc import Iterator

from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.testing.verdicts import VerdictCase

FUNCTIONS, BRANCHES, STACK = 256, 8192, 512


def functions(count: int) -> str:
    """A program of `count` functions, itself included, that calls each of the others."""
    calls = "".join(f"call f{number}\n" for number in range(1, count))
    return f"{calls}r0 = 0\nexit\n" + "".join(f"f{number}:\nr0 = 0\nexit\n" for number in range(1, count))


def branches(count: int) -> str:
    """A program with `count` branches on one path, none of which is walked before the path's end."""
    jumps = "".join(f"if r0 == {number} goto out\n" for number in range(count))
    return f"r0 = *(u32 *)(r1 +0)\n{jumps}out:\nr0 = 0\nexit"


def stack(size: int) -> str:
    """Two frames that take `size` bytes together, of which the outer one takes 256."""
    return f"*(u64 *)(r10 -256) = 0\ncall f\nr0 = 0\nexit\nf:\n*(u64 *)(r10 -{size - 256}) = 0\nr0 = 0\nexit"


def cases() -> Iterator[tuple[VerdictCase, VerdictCase]]:
    """A program behind each limit, and its twin at the limit."""
    many = "too many subprograms"
    yield _case(f"{FUNCTIONS + 1} functions", functions(FUNCTIONS + 1), many), _case("256", functions(FUNCTIONS))
    words = f"The sequence of {BRANCHES + 1} jumps is too complex."
    yield _case("branches", branches(BRANCHES + 1), words, BRANCHES + 1), _case("8192", branches(BRANCHES))
    words = f"combined stack size of 2 calls is {STACK + 16}. Too large"
    yield _case("stack", stack(STACK + 8), words), _case("512", stack(STACK))


def _case(name: str, text: str, words: str = "", insn: int | None = None) -> VerdictCase:
    code = encode(assemble(text))
    return VerdictCase(name, "socket_filter", code, {}, Location("limits", 0), (words,) if words else (), insn)
