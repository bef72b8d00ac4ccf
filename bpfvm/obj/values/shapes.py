"""What the bytes of a BTF type look like as Python values, and the way back.

    an integer, enum, pointer     a number                  a bool              True, False
    a float                       a number                  an array            a list
    an array of char              text, up to the first NUL (a list of numbers where that is not UTF-8)
    a struct or union             a dict; members of unnamed structs and unions stand in it themselves
    all else                      bytes, written as hex text

`shape_of` never fails: what BTF cannot tell, or tells in a way that has no end, is bytes. A shape is built once, its
size is checked against its members', and what it can grow to is bounded by the bytes it shows.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bpfvm.core.amounts import octets
from bpfvm.core.bits import mask, signed
from bpfvm.core.errors import LoadError

Order = Literal["little", "big"]
_FLOATS = {4: "f", 8: "d"}


class Shape(Protocol):
    """size: bytes. cost: values shown at most."""

    @property
    def size(self) -> int: ...

    @property
    def cost(self) -> int: ...

    def show(self, data: bytes) -> Any:
        """The value of exactly `size` bytes."""

    def parse(self, value: Any, where: str) -> bytes:
        """The bytes of a value; LoadError that names `where` for one that does not fit."""


def raw(value: Any, size: int, where: str) -> bytes | None:
    """The bytes that any shape takes: as such, as hex text, or of an instance of @struct. None for all else."""
    if isinstance(value, str):
        try:
            value = bytes.fromhex(value)
        except ValueError:
            raise LoadError(f"{where}: {value[:40]!r} is not hex text of {octets(size)}") from None
    if not isinstance(value, bytes | bytearray | memoryview):
        if not hasattr(type(value), "__bytes__"):
            return None
        value = bytes(value)
    if len(value) != size:
        raise LoadError(f"{where}: {octets(len(value))}, and it has {size}")
    return bytes(value)


def misfit(value: Any, wanted: str, where: str) -> LoadError:
    """`value` is not of the kind that is wanted."""
    huge = isinstance(value, int) and value.bit_length() > 256  # Python prints no integer of any length
    text = f"an integer of {value.bit_length()} bits" if huge else repr(value)
    return LoadError(f"{where}: {text if len(text) <= 60 else text[:57] + '...'} is not {wanted}")


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes of which nothing is known."""

    size: int
    cost: int = 1

    def show(self, data: bytes) -> bytes:
        return bytes(data)

    def parse(self, value: Any, where: str) -> bytes:
        found = raw(value, self.size, where)
        if found is None:
            raise misfit(value, f"hex text of {octets(self.size)}", where)
        return found


@dataclass(frozen=True, slots=True)
class Number:
    """An integer, an enum or a pointer."""

    size: int
    is_signed: bool
    order: Order
    cost: int = 1

    def show(self, data: bytes) -> int:
        return int.from_bytes(data, self.order, signed=self.is_signed)

    def parse(self, value: Any, where: str) -> bytes:
        if (found := raw(value, self.size, where)) is not None:
            return found
        return checked(value, self.size * 8, self.is_signed, where).to_bytes(
            self.size, self.order, signed=self.is_signed
        )


def checked(value: Any, bits: int, is_signed: bool, where: str) -> int:
    """`value` when it is an integer of this width."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise misfit(value, "an integer", where)
    low, high = (-(1 << bits - 1), mask(bits - 1)) if is_signed else (0, mask(bits))
    if not low <= value <= high:
        raise misfit(value, f"from {low} to {high}", where)
    return int(value)


@dataclass(frozen=True, slots=True)
class Truth:
    """A bool; bytes that are neither 0 nor 1 show as the number they are."""

    size: int
    order: Order
    cost: int = 1

    def show(self, data: bytes) -> bool | int:
        number = int.from_bytes(data, self.order)
        return bool(number) if number < 2 else number

    def parse(self, value: Any, where: str) -> bytes:
        if (found := raw(value, self.size, where)) is not None:
            return found
        number = int(value) if isinstance(value, bool) else checked(value, self.size * 8, False, where)
        return number.to_bytes(self.size, self.order)


@dataclass(frozen=True, slots=True)
class Real:
    """A float of 4 or 8 bytes. Infinities and NaNs show as bytes, which keep their bits and are valid JSON as text."""

    size: int
    order: Order
    cost: int = 1

    @property
    def _form(self) -> str:
        return (">" if self.order == "big" else "<") + _FLOATS[self.size]

    def show(self, data: bytes) -> float | bytes:
        number: float = struct.unpack(self._form, data)[0]
        return number if math.isfinite(number) else bytes(data)

    def parse(self, value: Any, where: str) -> bytes:
        if (found := raw(value, self.size, where)) is not None:
            return found
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise misfit(value, "a number", where)
        try:
            return struct.pack(self._form, value)
        except (OverflowError, struct.error):  # the second for integers too large for any float
            raise misfit(value, f"within a float of {octets(self.size)}", where) from None


@dataclass(frozen=True, slots=True)
class Text:
    """An array of char: what stands before its first NUL. What follows is not shown, and is 0 when written."""

    size: int
    cost: int = 1

    def show(self, data: bytes) -> str | list[int]:
        try:
            return bytes(data).partition(b"\0")[0].decode()
        except UnicodeDecodeError:
            return list(data)

    def parse(self, value: Any, where: str) -> bytes:
        if isinstance(value, str):
            try:
                text = value.encode()
            except UnicodeEncodeError:
                raise misfit(value, "text that UTF-8 can hold", where) from None
            if b"\0" in text or len(text) > self.size:
                raise misfit(value, f"text of at most {octets(self.size)} without NUL", where)
            return text.ljust(self.size, b"\0")
        if isinstance(value, bytes):
            return Raw(self.size).parse(value, where)
        if not isinstance(value, list | tuple) or len(value) != self.size:
            raise misfit(value, f"text, or a list of {self.size} numbers", where)
        return bytes(checked(one, 8, False, f"{where}[{at}]") for at, one in enumerate(value))


@dataclass(frozen=True, slots=True)
class Row:
    """An array of `count` elements."""

    element: Shape
    count: int
    size: int
    cost: int

    def show(self, data: bytes) -> list[Any]:
        step = self.element.size
        return [self.element.show(data[at * step : (at + 1) * step]) for at in range(self.count)]

    def parse(self, value: Any, where: str) -> bytes:
        if (found := raw(value, self.size, where)) is not None:
            return found
        if not isinstance(value, list | tuple) or len(value) != self.count:
            raise misfit(value, f"a list of {self.count} elements", where)
        return b"".join(self.element.parse(one, f"{where}[{at}]") for at, one in enumerate(value))


@dataclass(frozen=True, slots=True)
class Field:
    """A member at byte `offset`; without a name when it is a struct or union whose members stand in the parent."""

    name: str
    offset: int
    shape: Shape

    @property
    def names(self) -> tuple[str, ...]:
        """What it adds to the parent's dict."""
        if self.name:
            return (self.name,)
        return self.shape.names if isinstance(self.shape, Record) else ()

    @property
    def cost(self) -> int:
        return self.shape.cost

    def show(self, data: bytes, out: dict[str, Any]) -> None:
        value = self.shape.show(data[self.offset : self.offset + self.shape.size])
        if self.name:
            out[self.name] = value
        elif isinstance(value, dict):
            out.update(value)

    def put(self, given: Mapping[str, Any], where: str, out: bytearray) -> None:
        if self.name:
            data = self.shape.parse(given[self.name], f"{where}.{self.name}")
        else:
            data = self.shape.parse({name: given[name] for name in self.names if name in given}, where)
        out[self.offset : self.offset + len(data)] = data


@dataclass(frozen=True, slots=True)
class BitField:
    """`width` bits from bit `offset` on; a big-endian machine counts them from the highest bit of the first byte."""

    name: str
    offset: int
    width: int
    is_signed: bool
    is_bool: bool
    order: Order
    cost: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name,) if self.name else ()

    def _place(self) -> tuple[int, int, int]:
        """First byte, byte behind the last, and the shift of the lowest bit in them."""
        first, end = self.offset // 8, (self.offset + self.width + 7) // 8
        low = self.offset % 8
        return first, end, low if self.order == "little" else (end - first) * 8 - low - self.width

    def show(self, data: bytes, out: dict[str, Any]) -> None:
        if not self.name:
            return
        first, end, shift = self._place()
        bits = int.from_bytes(data[first:end], self.order) >> shift & mask(self.width)
        out[self.name] = (
            bool(bits) if self.is_bool and bits < 2 else signed(bits, self.width) if self.is_signed else bits
        )

    def put(self, given: Mapping[str, Any], where: str, out: bytearray) -> None:
        value = given[self.name]
        number = int(value) if isinstance(value, bool) else value
        bits = checked(number, self.width, self.is_signed, f"{where}.{self.name}") & mask(self.width)
        first, end, shift = self._place()
        old = int.from_bytes(out[first:end], self.order) & ~(mask(self.width) << shift)
        out[first:end] = (old | bits << shift).to_bytes(end - first, self.order)


class Members(dict[str, Any]):
    """The members of a struct by name. They are attributes too, as of the values of maps that are attached, but for
    those that are called as methods of dicts are."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        if name not in self:
            raise AttributeError(f"there is no member {name}, but {' '.join(self)}", name=name, obj=self)
        return self[name]


@dataclass(frozen=True, slots=True)
class Record:
    """A struct or a union. names: of all members, those of unnamed ones among them."""

    size: int
    members: Sequence[Field | BitField]
    names: tuple[str, ...]
    is_union: bool
    cost: int

    def show(self, data: bytes) -> Members:
        out = Members()
        for member in self.members:
            member.show(data, out)
        return out

    def parse(self, value: Any, where: str) -> bytes:
        if (found := raw(value, self.size, where)) is not None:
            return found
        if not isinstance(value, Mapping):
            raise misfit(value, f"an object with {', '.join(self.names) or 'no members'}", where)
        for name in value:
            if name not in self.names:
                raise LoadError(
                    f"{where}: there is no member {name!r}; the members are {', '.join(self.names) or 'none'}"
                )
        out = bytearray(self.size)
        for member in self._in_order():
            if any(name in value for name in member.names):
                member.put(value, where, out)
        if self.is_union:
            self._check_agreement(value, bytes(out), where)
        return bytes(out)

    def _in_order(self) -> Sequence[Field | BitField]:
        """Of a union, the widest member last: it says most about the bytes."""
        if not self.is_union:
            return self.members
        return sorted(
            self.members, key=lambda one: (_width(one), not (isinstance(one, Field) and isinstance(one.shape, Text)))
        )

    def _check_agreement(self, value: Mapping[str, Any], data: bytes, where: str) -> None:
        """Members of a union are one memory: each that was given must be in it as it was given."""
        for member in self.members:
            if any(name in value for name in member.names):
                again = bytearray(data)
                member.put(value, where, again)
                shown: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
                member.show(data, shown[0])
                member.show(bytes(again), shown[1])
                if any(shown[0][name] != shown[1][name] for name in member.names if name in value):
                    raise LoadError(
                        f"{where}: {', '.join(member.names)} and another member of one union say different bytes"
                    )


def _width(one: Field | BitField) -> int:
    return one.shape.size * 8 if isinstance(one, Field) else one.width
