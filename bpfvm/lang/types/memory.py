"""Loads and stores of typed values in memory that is sliced like a bytearray: what `e.pid = 1` does in CPython."""

from __future__ import annotations

from typing import Any

from bpfvm.lang.types.layout import Element, View, size_of, view
from bpfvm.lang.types.scalars import Storage


def load(kind: Element, memory: Any, at: int, fixed: bool) -> Any:
    """The number at byte `at`, or a view of the struct or array there."""
    if isinstance(kind, Storage):
        return kind.unpack(bytes(memory[at : at + kind.size]))
    return view(kind, memory, at, fixed)


def store(kind: Element, memory: Any, at: int, value: Any) -> None:
    """Put a value there: a number mod 2**bits, a struct or array as its bytes."""
    data = kind.pack(value) if isinstance(kind, Storage) else contents(kind, value)
    memory[at : at + len(data)] = data


def contents(kind: Any, value: Any) -> bytes:
    """The bytes that a struct or an array of type `kind` gets from `value`. TypeError for one of another type.

    Arrays of bytes take others and constants: what is too long is cut, what is missing is zeros.
    """
    from bpfvm.lang.types.arrays import is_bytes
    from bpfvm.lang.types.pointers import Pointer

    if isinstance(value, View) and isinstance(value, kind):
        return bytes(value)
    if is_bytes(kind):
        data = value.encode() if isinstance(value, str) else value
        if isinstance(data, bytes) or is_bytes(type(data)):
            return bytes(data)[: size_of(kind)].ljust(size_of(kind), b"\0")
    if isinstance(value, Pointer) and (found := value._contents(kind)) is not None:
        return found
    raise TypeError(f"{kind.__name__} is stored from a {type(value).__name__}")
