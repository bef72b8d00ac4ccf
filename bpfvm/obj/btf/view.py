"""Asking BTF: what every holder of types answers, be it a list (Btf) or a file that is read when asked (BtfIndex)."""

from __future__ import annotations

import abc
from collections.abc import Sequence

from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.types import (
    Array,
    Const,
    DataSec,
    Enum,
    Enum64,
    Float,
    FuncProto,
    Fwd,
    Int,
    Ptr,
    Restrict,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Volatile,
)

MAX_DEPTH = 64  # of typedefs, qualifiers and arrays in one another; the kernel resolves 32 (kernel/bpf/btf.c)
POINTER_SIZE = 8


class TypeView(abc.ABC):
    """Types by id, from 1; id 0 is void."""

    endian = ""  # byte order of the machine that the types are of, where known

    @property
    def pointer_size(self) -> int:
        """Bytes of a pointer on the machine that the types are of."""
        return POINTER_SIZE

    @abc.abstractmethod
    def __len__(self) -> int:
        """The highest id."""

    @abc.abstractmethod
    def __getitem__(self, number: int) -> Type:
        """The type of id `number`; LoadError for void and for ids that are not there."""

    @abc.abstractmethod
    def named(self, essential: str) -> Sequence[int]:
        """The ids of all types whose name without its flavour is `essential`, in order."""

    def beginning(self, start: str) -> list[str]:
        """Names that begin so, of whatever they are."""
        names = {getattr(self[number], "name", "") for number in range(1, len(self) + 1)}
        return sorted(one for one in names if one.startswith(start))

    def find(self, kind: type[Type], name: str) -> int | None:
        """The id of the first type of this kind and whole name, or None."""
        for number in self.named(essential_name(name)):
            one = self[number]
            if type(one) is kind and getattr(one, "name", "") == name:
                return number
        return None

    def strip(self, number: int) -> int:
        """The id behind typedefs, qualifiers and type tags; 0 where that is void."""
        for _ in range(MAX_DEPTH):
            if not number:
                return 0
            match self[number]:
                case Typedef(type=inner) | Const(inner) | Volatile(inner) | Restrict(inner) | TypeTag(type=inner):
                    number = inner
                case _:
                    return number
        raise LoadError(f"BTF type {number} is behind more than {MAX_DEPTH} typedefs and qualifiers")

    def size_of(self, number: int) -> int:
        """Bytes of a value of type `number`; LoadError where it has no size."""
        count = 1
        for _ in range(MAX_DEPTH):
            number = self.strip(number)
            if not number:
                raise LoadError("a BTF type is void where a size is needed")
            one = self[number]
            if not isinstance(one, Array):
                return count * self._size(number, one)
            count *= one.count
            number = one.type
        raise LoadError(f"BTF type {number} is in more than {MAX_DEPTH} arrays of arrays")

    def _size(self, number: int, one: Type) -> int:
        match one:
            case Int(size=size) | Struct(size=size) | Union(size=size) | Enum(size=size) | Enum64(size=size):
                return size
            case Float(size=size) | DataSec(size=size):
                return size
            case Ptr():
                return self.pointer_size
            case _:
                raise LoadError(f"BTF type {number} ({_c_name(one)}) has no size")

    def name_of(self, number: int) -> str:
        """Type `number` as C names it in a message: "struct stats", "u64", "char[16]", "struct xdp_md *"."""
        suffixes: list[str] = []
        for _ in range(MAX_DEPTH):
            if not number:
                return "void" + _declarator(suffixes)
            match self[number]:
                case Ptr(inner):
                    number = inner
                    suffixes.insert(0, "*")
                case Array(inner, _, count):
                    number = inner
                    behind = next((at for at, one in enumerate(suffixes) if one == "*"), len(suffixes))
                    suffixes.insert(behind, f"[{count}]")
                case Const(inner) | Volatile(inner) | Restrict(inner) | TypeTag(type=inner):
                    number = inner
                case one:
                    return _c_name(one) + _declarator(suffixes)
        return "…" + _declarator(suffixes)


def essential_name(name: str) -> str:
    """`name` without its flavour: what stands behind the last "___" that has other characters on both sides.

    "task_struct___old" and "task_struct" are one type to CO-RE; "a____b" and "___c" are names without a flavour.
    """
    at = len(name)
    while (at := name.rfind("___", 0, at)) > 0:
        if name[at - 1] != "_" and name[at + 3 : at + 4] not in ("", "_"):
            return name[:at]
        at += 2  # the next search may overlap this place
    return name


def _declarator(suffixes: Sequence[str]) -> str:
    """ "*" and "[3]" from the inside out, as text behind a name: " *[3]" is an array of pointers."""
    text = "".join(suffixes)
    return f" {text}" if text.startswith("*") else text.replace("*", " *", 1)


_TAGS: Sequence[tuple[type[Type], str]] = (
    (Struct, "struct"),
    (Union, "union"),
    (Enum, "enum"),
    (Enum64, "enum"),
)


def _c_name(one: Type) -> str:
    name = getattr(one, "name", "") or "(anonymous)"
    if isinstance(one, Fwd):
        return f"{'union' if one.is_union else 'struct'} {name}"
    if isinstance(one, FuncProto):
        return "function"
    return next((f"{tag} {name}" for kind, tag in _TAGS if isinstance(one, kind)), name)
