"""Loads and stores of typed values in memory that is sliced like a bytearray: what `e.pid = 1` does in CPython."""

from __future__ import annotations

from typing import Any

from bpfvm.core.articles import an
from bpfvm.lang.types.layout import Element, View, view
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
    if isinstance(value, View) and isinstance(value, kind):
        return bytes(value)
    behind = getattr(type(value), "_contents", None)  # of pointers
    found = kind.__take__(value) if behind is None else behind(value, kind)
    if found is None:
        raise TypeError(f"{kind.__name__} is stored from {an(type(value).__name__)}")
    return found  # type: ignore[no-any-return]
