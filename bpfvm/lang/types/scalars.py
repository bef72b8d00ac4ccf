"""Storage types and the two modular integers.

`u8 … s32`, `be16 be32 be64` and `le16 le32 le64` say how a number is stored; a value read from them is a plain exact
int, and calling one is a cast: `u32(x)` is x mod 2**32. `u64` and `s64` are also classes of values: their arithmetic
wraps. `char` is a byte of a text, `bool8` a byte that is read as a truth value. `u8[16]` is the type of an array
(arrays.py).
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from bpfvm.core.bits import signed, swapped
from bpfvm.lang.types.interval import BOOL, Interval, of_bits
from bpfvm.lang.types.operators import BINARY, UNARY


class Indexed(type):
    """The class of types that arrays are of."""

    array_of: ClassVar[Callable[[Any, int], Any]]  # set by arrays.py, which knows these types

    def __getitem__(cls, length: int) -> Any:
        """The type of an array of `length` of these."""
        return Indexed.array_of(cls, length)


class Storage(Indexed):
    """The class of storage types. bits: width in memory. is_signed, is_big: how the bytes are read."""

    bits: int
    is_signed: bool
    is_big: bool

    def __new__(
        mcs, name: str, bases: tuple[type, ...], space: dict[str, Any], bits: int = 0, is_signed: bool = False,
        is_big: bool = False,
    ) -> Storage:  # fmt: skip
        cls = super().__new__(mcs, name, bases, space)
        cls.bits, cls.is_signed, cls.is_big = bits, is_signed, is_big
        return cls

    def __init__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any], **_: Any) -> None:
        super().__init__(name, bases, space)

    def __call__(cls, value: Any = 0) -> Any:
        """`value` as this type holds it: cut to its bits; be16 and its like read the bits as big-endian."""
        return cls._made(cls.wrap(_integer(value, cls.__name__)))

    @property
    def plain(cls) -> str:
        """The name of the cast to a number of so many bits: u16 for be16 and le16."""
        return f"{'s' if cls.is_signed else 'u'}{cls.bits}"

    @property
    def is_modular(cls) -> bool:
        """Whether values of this type are instances of it, with arithmetic that wraps."""
        return issubclass(cls, int)

    @property
    def size(cls) -> int:
        """Bytes in memory."""
        return cls.bits // 8

    @property
    def range(cls) -> Interval:
        """The values that the type can hold."""
        return BOOL if cls is bool8 else of_bits(cls.bits, cls.is_signed)

    @property
    def either(cls) -> Interval:
        """The values of the type, and of the one of its width with the other sign: as many as have bits of their own
        for each of both types."""
        return cls.range if cls is bool8 else Interval(-(1 << (cls.bits - 1)), (1 << cls.bits) - 1)

    @property
    def max(cls) -> int:
        return cls.range.hi

    @property
    def min(cls) -> int:
        return cls.range.lo

    def wrap(cls, number: int) -> int:
        """`number` mod 2**bits, in the type's range; for big-endian types, with its bytes in the opposite order."""
        if cls is bool8:
            return int(number != 0)
        if cls.is_big:
            return swapped(number, cls.bits)
        return signed(number, cls.bits) if cls.is_signed else number & ((1 << cls.bits) - 1)

    def _made(cls, number: int) -> Any:
        """`number`, which is in range, as a value read from this storage."""
        if cls is bool8:
            return bool(number)
        return type.__call__(cls, number) if cls.is_modular else number

    def unpack(cls, data: bytes) -> Any:
        """The value stored in `data` (size bytes, little-endian unless the type is big-endian)."""
        return cls._made(int.from_bytes(data, "big" if cls.is_big else "little", signed=cls.is_signed))

    def pack(cls, value: Any) -> bytes:
        """`value` mod 2**bits as stored; of bool8 its truth; of be32 also an address."""
        number = _integer(addressed(cls, value), cls.__name__)
        cut = cls.wrap(number) if cls is bool8 else number & ((1 << cls.bits) - 1)
        return cut.to_bytes(cls.size, "big" if cls.is_big else "little")

    def __repr__(cls) -> str:
        return cls.__name__


def addressed(kind: Storage, value: Any) -> Any:
    """The number of what a be32 is given as an IPv4Address or its text, "10.0.0.1"; anything else as it is. ValueError
    for text of another form."""
    if kind is be32 and isinstance(value, str | ipaddress.IPv4Address):
        return int(ipaddress.IPv4Address(value))
    return value


def _integer(value: Any, target: str) -> int:
    if isinstance(value, int):
        return int(value)
    raise TypeError(f"{target} takes an integer, not {type(value).__name__}")


class u8(metaclass=Storage, bits=8): ...


class u16(metaclass=Storage, bits=16): ...


class u32(metaclass=Storage, bits=32): ...


class s8(metaclass=Storage, bits=8, is_signed=True): ...


class s16(metaclass=Storage, bits=16, is_signed=True): ...


class s32(metaclass=Storage, bits=32, is_signed=True): ...


class be16(metaclass=Storage, bits=16, is_big=True): ...


class be32(metaclass=Storage, bits=32, is_big=True): ...


class be64(metaclass=Storage, bits=64, is_big=True): ...


class le16(metaclass=Storage, bits=16): ...


class le32(metaclass=Storage, bits=32): ...


class le64(metaclass=Storage, bits=64): ...


class char(metaclass=Storage, bits=8): ...


class bool8(metaclass=Storage, bits=8): ...


# Counts from here on give 0 (or -1) at once: Python would first build a number of that many bits.
_WIDE_COUNT = 64


def _no_float(self: Any, other: Any) -> Any:
    raise TypeError("float division is not available: use //")


def _checked(cls: type, other: Any) -> bool:
    """Whether `other` is an integer that may stand beside `cls`."""
    if isinstance(other, (u64, s64)) and type(other) is not cls:
        raise TypeError(f"mixing {cls.__name__} and {type(other).__name__}: cast one of them")
    if isinstance(other, float):
        raise TypeError(f"{cls.__name__} and float in one operation: a BPF program has no floating point")
    return isinstance(other, int)


def _unsigned_division(cls: Storage, name: str, dividend: int, divisor: int) -> None:
    if not cls.is_signed and name in ("floordiv", "mod") and (dividend < 0 or divisor < 0):
        raise ValueError("unsigned division with a negative number")


def _binary(name: str, exact: Any) -> tuple[Any, Any]:
    def compute(cls: Any, a: int, b: int) -> Any:
        _unsigned_division(cls, name, a, b)
        if name == "lshift" and b >= _WIDE_COUNT:
            return cls(0)
        return cls(exact(a, b))

    def forward(self: Any, other: Any) -> Any:
        return compute(type(self), int(self), int(other)) if _checked(type(self), other) else NotImplemented

    def reverse(self: Any, other: Any) -> Any:
        return compute(type(self), int(other), int(self)) if _checked(type(self), other) else NotImplemented

    return forward, reverse


def _modular_methods() -> dict[str, Any]:
    """The special methods of u64 and s64, from the operator table."""
    methods: dict[str, Any] = {"__truediv__": _no_float, "__rtruediv__": _no_float}
    for row in BINARY:
        methods[f"__{row.name}__"], methods[f"__r{row.name}__"] = _binary(row.name, row.exact)
    for row in UNARY:
        methods[f"__{row.name}__"] = lambda self, exact=row.exact: type(self)(exact(int(self)))
    methods["__abs__"] = lambda self: type(self)(abs(int(self)))
    methods["__divmod__"] = lambda self, other: (self // other, self % other)
    methods["__rdivmod__"] = lambda self, other: (other // self, other % self)
    methods["__pow__"] = _power
    return methods


def _power(self: Any, exponent: Any, modulus: Any = None) -> Any:
    if not isinstance(exponent, int) or exponent < 0 or modulus is not None:
        raise TypeError("the exponent must be a constant of 0 or more")
    cls = type(self)
    return cls(pow(int(self), int(exponent), 1 << cls.bits))


class u64(int, metaclass=Storage, bits=64):
    """An unsigned 64-bit integer whose arithmetic wraps, in CPython as in a register."""

    __slots__ = ()


class s64(int, metaclass=Storage, bits=64, is_signed=True):
    """A signed 64-bit integer whose arithmetic wraps."""

    __slots__ = ()


for _cls in (u64, s64):
    for _name, _method in _modular_methods().items():
        setattr(_cls, _name, _method)

SCALARS: tuple[Storage, ...] = (u8, u16, u32, u64, s8, s16, s32, s64, be16, be32, be64, le16, le32, le64)

# The letters by which ctypes and struct name C's integers
_SIGNED, _UNSIGNED = "bhilq", "BHILQ"


def of_ctypes(kind: Any) -> Storage | None:
    """The storage type of a scalar of ctypes, such as c_uint32; None for anything else. It computes as a ctypes object
    does not, so it stands in annotations alone."""
    letter = getattr(kind, "_type_", None)
    if type(kind).__module__ != "_ctypes" or not isinstance(letter, str) or letter not in _SIGNED + _UNSIGNED:
        return None
    wanted = (struct.calcsize(letter), letter in _SIGNED, False)
    return next(one for one in SCALARS if (one.size, one.is_signed, one.is_big) == wanted)
