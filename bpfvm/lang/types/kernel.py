"""The kernel's own types, as its BTF describes them: `task_struct.pid.offset`, `hasattr(task_struct, "__state")`.

A type is looked into when it is first asked for a field. Members of unnamed structs and unions count as those of what
they stand in, as in C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bpfvm.lang.types.scalars import Storage
from bpfvm.obj.btf.types import Fwd, Union
from bpfvm.obj.btf.view import TypeView


@dataclass(frozen=True, slots=True)
class Field:
    """A member. offset: bytes from the start of its struct. type: what lies there. bits, shift: of a bit-field, its
    part of the number that is stored. index: its place among the members of `inside`, the struct that declares it."""

    name: str
    offset: int
    type: Any
    bits: int = 0
    shift: int = 0

    def part(self, stored: int) -> int:
        """A bit-field's value in the number that is stored."""
        number = stored >> self.shift & ((1 << self.bits) - 1)
        signed = self.type.is_signed and number >> (self.bits - 1)
        return number - (1 << self.bits) if signed else number

    def __repr__(self) -> str:
        bits = f" ({self.bits} bits from {self.shift} on)" if self.bits else ""
        return f"{getattr(self.type, '__name__', self.type)} {self.name} at {self.offset}{bits}"


class Opaque:
    """Something of a known size, and nothing more: a float, a number of 16 bytes, a function."""

    def __init__(self, name: str, size: int) -> None:
        self.__name__, self.__size__ = name, size


class KernelArray:
    """An array of what cannot be a value of a program. __length__: 0 for one whose end nobody knows."""

    def __init__(self, element: Any, length: int) -> None:
        self.__element__, self.__length__ = element, length
        self.__name__ = f"{element.__name__}[{length or ''}]"
        self.__size__ = length * (element.size if isinstance(element, Storage) else element.__size__)


class KernelStruct:
    """A struct or a union of the kernel's. As an annotation it is a pointer to one.

    __types__, __id__: where it is described. __name__: its own, or "(unnamed)". __tell__: gives its fields.
    """

    def __init__(self, types: TypeView, number: int, tell: Callable[[TypeView, int], Mapping[str, Field]]) -> None:
        one = types[number]
        self.__types__, self.__id__, self.__tell__ = types, number, tell
        self.__name__ = getattr(one, "name", "") or "(unnamed)"
        self.__is_union__ = isinstance(one, Union)
        self.__whole__ = not isinstance(one, Fwd)

    def __repr__(self) -> str:
        return f"<{'union' if self.__is_union__ else 'struct'} {self.__name__} of the kernel>"

    @property
    def __size__(self) -> int:
        return self.__types__.size_of(self.__id__) if self.__whole__ else 0

    @property
    def sizeof(self) -> int:
        """Bytes of one."""
        return self.__size__

    @cached_property
    def fields(self) -> Mapping[str, Field]:
        """The members by name, those of unnamed structs and unions among them."""
        return self.__tell__(self.__types__, self.__id__) if self.__whole__ else {}

    def __getattr__(self, name: str) -> Any:
        return self[name]

    def __getitem__(self, name: str) -> Field:
        field = None if name.startswith("__") and name.endswith("__") else self.fields.get(name)
        if field is None:
            raise AttributeError(f"{self!r} has no field {name!r}")
        return field

    def __dir__(self) -> list[str]:
        return [*self.fields, "fields", "sizeof"]
