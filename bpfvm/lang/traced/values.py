"""Values of tests as programs find them: numbers, and pointers to texts, rows and objects that are laid out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from bpfvm.core.errors import UsageError
from bpfvm.lang.traced.memory import Block, at
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.kernel import KernelArray, KernelStruct
from bpfvm.lang.types.layout import View, size_of
from bpfvm.lang.types.pointers import Pointer, PointerType
from bpfvm.lang.types.scalars import Storage, char

Make: TypeAlias = "Callable[[str, bytes], Block]"  # Memory.made, or memory.lasting
_WORD, _WORDS = 8, (1 << 64) - 1
BLOCK = "__bpf_block__"  # the attribute of what stands for a block: objects of the kernel, tasks


def pointed(value: Any, target: Any, space: str, make: Make, what: str) -> tuple[int, Block | None]:
    """The address that a value of a pointer stands for, and the block that has to be laid out for it. target: the type
    that is pointed to, None for any.

    None is the null pointer, a number an address, a text is itself with its zero, a list a row: of pointers, which a
    null pointer ends, or of numbers of the target's type. UsageError names `what`.
    """
    if isinstance(getattr(value, BLOCK, None), Block):
        _same_types(value, target, what)
        return int(value), getattr(value, BLOCK)
    match value:
        case None:
            return 0, None
        case int():
            return int(value) & _WORDS, at(int(value))
        case Pointer():
            return value._address, at(value._address)
        case str():
            return _made(make(space, encoded(value, what) + b"\0"))
        case bytes() | bytearray():
            return _made(make(space, bytes(value) + b"\0"))
        case View():
            return _made(make(space, bytes(value)))
        case list() | tuple():
            return _made(_row(value, target, space, make, what))
    raise UsageError(f"{what}: a pointer takes an address, a text, a list, a struct or an object of the kernel, "
                     f"not {value!r:.60}")  # fmt: skip


def _same_types(value: Any, target: Any, what: str) -> None:
    """UsageError for an object whose struct lies otherwise in the types that the program has."""
    kind = getattr(value, "_kind", None) or getattr(getattr(value, "struct", None), "_kind", None)
    if isinstance(target, KernelStruct) and isinstance(kind, KernelStruct) and kind.__name__ == target.__name__ \
            and kind is not target and target.__whole__:  # fmt: skip
        raise UsageError(
            f"{what}: {value!r} is laid out by other types than the program's {target.__name__}: make objects after "
            "vmlinux.load(), with the types that the program was made with"
        )


def _made(block: Block) -> tuple[int, Block]:
    return block.address, block


def _row(values: Any, target: Any, space: str, make: Make, what: str) -> Block:
    if isinstance(target, ArrayType | KernelArray):
        target = target.__element__
    if isinstance(target, Storage) and not isinstance(target, PointerType) and target is not char:
        return make(space, b"".join(number(one, target, what) for one in values))
    inner = target.__target__ if isinstance(target, PointerType) else None
    of = target.__space__ if isinstance(target, PointerType) else space
    parts = [pointed(one, inner, of, make, f"{what}[{at}]") for at, one in enumerate(values)]
    row = make(space, b"".join(address.to_bytes(_WORD, "little") for address, _ in [*parts, (0, None)]))
    row.points.update({_WORD * at: block for at, (_, block) in enumerate(parts) if block is not None})
    return row


def number(value: Any, kind: Any, what: str) -> bytes:
    """The bytes of a number of a storage type. UsageError for what does not fit it."""
    if isinstance(value, bool | int) or hasattr(value, "__index__"):
        plain = int(value)
        bits = 8 * kind.size
        if not -(1 << bits - 1) <= plain < 1 << bits:
            raise UsageError(f"{what}: {plain} does not fit {kind.__name__}")
        data: bytes = (plain & (1 << bits) - 1).to_bytes(int(kind.size), "little")
        return data[::-1] if kind.is_big else data
    if kind is char and isinstance(value, bytes | str) and len(value) == 1:
        return value if isinstance(value, bytes) else value.encode()
    raise UsageError(f"{what}: {kind.__name__} takes a number, not {value!r:.60}")


def encoded(value: str | bytes | bytearray, what: str) -> bytes:
    """The bytes of a text. UsageError for one that is no text of UTF-8, nor of a file's name."""
    try:
        return value.encode(errors="surrogateescape") if isinstance(value, str) else bytes(value)
    except UnicodeEncodeError:
        raise UsageError(f"{what}: {value!r:.60} has no bytes in UTF-8") from None


def text(value: str | bytes | bytearray, size: int, what: str) -> bytes:
    """A text in `size` bytes, zeros behind it; one that is longer is cut, and of a str the last byte stays zero."""
    if isinstance(value, str):
        return encoded(value, what)[: size - 1].ljust(size, b"\0")
    return bytes(value)[:size].ljust(size, b"\0")


def elements(values: Any, element: Any, length: int, what: str) -> bytes:
    """The bytes of an array of numbers, zeros behind those that are given."""
    if not isinstance(values, list | tuple) or len(values) > length:
        raise UsageError(f"{what} takes a list of up to {length} numbers, not {values!r:.60}")
    given = b"".join(number(one, element, f"{what}[{at}]") for at, one in enumerate(values))
    return given.ljust(length * size_of(element), b"\0")
