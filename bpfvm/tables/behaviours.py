"""What verifiers of different kernels deduce differently: for each a program that is taken only where it is deduced.

Both the running kernel and the model are asked (`bpfvm probe`); neither answer stands here.
"""

from __future__ import annotations

from dataclasses import dataclass

_LOAD = "r0 = *(u32 *)(r1 +0)\n"
_STORE = "r2 = r10\nr2 += r0\n*(u8 *)(r2 {off:+d}) = 0\nr0 = 0\nexit"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """name: what is deduced. text: of a socket filter; its map `m` is an array of 4 values of 8 bytes."""

    name: str
    text: str


def _within(name: str, text: str, off: int) -> Behaviour:
    """A number in r0 that is below -off."""
    return Behaviour(name, f"{_LOAD}{text}{_STORE.format(off=off)}")


BEHAVIOURS: tuple[Behaviour, ...] = (
    Behaviour("loops are walked turn by turn", "r0 = 0\nl:\nr0 += 1\nif r0 < 10 goto l\nr0 = 0\nexit"),
    Behaviour("stack that was never written may be read", "r0 = *(u64 *)(r10 -8)\nexit"),
    _within("a sum both ends of which wrap is a range", "r0 &= 7\nr0 -= 16\nr0 += 32\n", -24),
    _within("a negated number is a range", "r0 &= 7\nr0 = -r0\nr0 += 7\n", -8),
    _within("a remainder is below its divisor", "r0 %= 8\n", -8),
    _within("a quotient is not above its dividend", "r0 &= 7\nr0 /= 3\n", -8),
    _within("bytes that are exchanged keep their known bits", "r0 &= 0x700\nr0 = be16 r0\n", -8),
    _within("a sign that is extended is a range", "r0 = (s8)r0\n", -128),
    _within("a number that is -1 or 0 is walked as either",
            "r0 = (s32)r0\nr0 s>>= 63\nr0 &= 13\nif r0 != 5 goto l\nr0 = *(u8 *)(r7 +0)\nl:\n", -14),
    _within("what is learnt of a sum holds for its summand", "r3 = r0\nr3 += 5\nif r3 < 13 goto l\nr0 = 0\nl:\n"
            "if r0 < 0x80000000 goto m\nr0 = 0\nm:\nif r3 >= 13 goto out\nif r3 < 5 goto out\ngoto done\nout:\nr0 = 0\n"
            "done:\n", -8),
    _within("a signed range that crosses zero is cut by an unsigned one that does not end",
            "r0 = (s8)r0\nif r0 > 127 goto l\nr0 = -1\nl:\n", +0),
    _within("a number that is spilled keeps its range",
            "r0 &= 7\n*(u64 *)(r10 -16) = r0\nr0 = *(u64 *)(r10 -16)\n", -8),
    _within("4 bytes that are spilled keep their range",
            "r0 &= 7\n*(u32 *)(r10 -16) = r0\nr0 = *(u32 *)(r10 -16)\n", -8),
    _within("a constant that is stored to the stack is known", "*(u64 *)(r10 -16) = 7\nr0 = *(u64 *)(r10 -16)\n", -8),
    _within("a number loaded with its sign is taken for the one that was spilled",
            "*(u64 *)(r10 -16) = r0\nr3 = *(s32 *)(r10 -16)\nif r3 s< 0 goto l\nr0 = 0\ngoto done\nl:\n"
            "if r0 s< 0 goto m\ngoto done\nm:\nr0 = 0\ndone:\n", -1),
    Behaviour("a constant index in an array is there",
              "*(u32 *)(r10 -8) = 3\nr1 = map[m]\nr2 = r10\nr2 += -8\ncall 1\nr0 = *(u64 *)(r0 +0)\nexit"),
    Behaviour("a pointer less a pointer is a number", "r0 = r10\nr0 -= r1\nexit"),
    Behaviour("a pointer may be returned", "r0 = r10\nexit"),
    Behaviour("two pointers are compared", "r0 = 0\nif r1 == r10 goto l\nl:\nexit"),
)  # fmt: skip
