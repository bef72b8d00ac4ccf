"""Annotations of parameters, results and local names in all their forms; results cut to what they are declared as."""

import ctypes
from collections.abc import Callable
from typing import Annotated, Any, Literal, NewType, TypeAlias

from bpfvm import Range, be16, be32, be64, s8, s16, s32, s64, u8, u16, u32, u64
from tests.contract.inputs import Corpus

case = Corpus()
CASES = case.cases
Port = NewType("Port", int)
Small = Annotated[u16, Range(0, 1000), "for people"]


@case()
def result_of_u64(a: u32, b: u32, c: u32) -> u64:
    """A product past 64 bits, mod 2**64."""
    return a * b * c


@case()
def result_of_s16(a: u32, b: s32) -> s16:
    """Cut to 16 bits, signed."""
    return a * b - 7


@case()
def result_of_u8(a: u64) -> u8:
    """Cut to 8 bits."""
    return a


@case()
def result_of_s8(a: s64) -> s8:
    """Cut to 8 bits, signed."""
    return a >> 3


@case()
def result_of_s32(a: u64) -> s32:
    """A u64 as a signed number of 32 bits."""
    return a


@case()
def result_of_s64(a: u64, b: u64) -> s64:
    """A u64 as an s64."""
    return a * 3 + b


@case()
def result_of_int(a: s32, b: s32) -> int:
    """An exact result, which fits."""
    return a * b


@case()
def result_of_bool(a: s64) -> bool:
    """The truth of a number."""
    return a  # type: ignore[return-value]


@case()
def parameters_of_int(a: int, b: int) -> int:
    """Exact ints of 64 bits."""
    return a // 3 - b // 5


@case()
def parameters_of_bool(a: bool, b: bool) -> u8:
    """True and False."""
    return (a and b) + (a or b) * 2 + (a ^ b) * 4 + (not a) * 8


@case()
def big_endian_u16(a: be16, b: be32) -> be16:
    """A parameter of a big-endian type is the number that its field holds."""
    return a + b


@case()
def big_endian_u64(a: be64, b: be32) -> be64:
    """As plain ints: nothing wraps before the result."""
    return a // 3 + b * 5


@case()
def big_endian_u32(a: be32) -> be32:
    """Cut to 32 bits."""
    return a * a


@case()
def of_ctypes(a: ctypes.c_uint32, b: ctypes.c_int8, c: ctypes.c_ulong) -> ctypes.c_int64:
    """Scalars of ctypes stand for the same storage."""
    return a + b + c  # type: ignore[operator, no-any-return]


@case((1,), (2,), (3,))
def of_literals(a: Literal[1, 2, 3]) -> u8:
    """What it can be is known."""
    return (10, 20, 30)[0] if a == 1 else a << 62 >> 61


@case((0, 0), (1000, 63), (500, 7))
def of_ranges(a: Small, b: Annotated[u8, Range(0, 63)]) -> u64:
    """Bounds of an annotation: the shift is exact."""
    return a << b if b < 54 else a


@case()
def of_new_types(a: Port) -> Port:
    """NewType stands for what it is made of."""
    return Port(a) if False else a


@case()
def of_texts(a: "u32", b: "s64") -> "u64":
    """Annotations as texts."""
    c: u32 = a
    return c + u64(b)


@case()
def of_locals(a: u32, b: u64) -> u64:
    """Claims on local names, which are checked."""
    x: u32 = a
    y: u64 = b
    z: Annotated[int, Range(0, 10)] = 7
    w: u32 | None = None
    if a > 5:
        w = a
    v: bool = a > 3
    t: int
    t = 5
    return x + y + z + v + t + (0 if w is None else w)


def _made() -> Callable[..., Any]:
    Word: TypeAlias = u32

    def of_closures(a: Word, b: "Word") -> "u64":
        """Names of the function around."""
        x: Word = a
        return x + b

    return of_closures


case()(_made())
