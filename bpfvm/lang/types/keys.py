"""What a value is as a key: equal values have equal ones, and so equal hashes, in whichever form they are.

Of a struct that is its members by name, as an outcome's maps have them in their keys (`FrozenRecord`), so that both are
found by one another. A number is itself, an array of char its text up to the first NUL or, where that is not UTF-8, its
numbers, another array a tuple, a pointer its address.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cache
from typing import Any, TypeAlias

from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.scalars import Storage, bool8, char

# Of memory and a first byte: the key of the value that stands there
Reader: TypeAlias = "Callable[[Any, int], Hashable]"


@cache
def reader(kind: Any) -> Reader:
    """What reads the keys of values of a storage type, a struct or an array type."""
    if isinstance(kind, Storage):
        return _number(kind)
    if hasattr(kind, "__members__"):
        return _struct(kind)
    return _text(size_of(kind)) if kind.__element__ is char else _array(kind)


def _number(kind: Storage) -> Reader:
    size, order, signed = kind.size, "big" if kind.is_big else "little", kind.is_signed
    if kind is bool8:
        return lambda memory, at: bool(memory[at])
    return lambda memory, at: int.from_bytes(memory[at : at + size], order, signed=signed)  # type: ignore[arg-type]


def _text(size: int) -> Reader:
    def read(memory: Any, at: int) -> Hashable:
        data = bytes(memory[at : at + size])
        try:
            return data.partition(b"\0")[0].decode()
        except UnicodeDecodeError:
            return tuple(data)

    return read


def _array(kind: Any) -> Reader:
    each, places = reader(kind.__element__), [offset for offset, _ in kind.__parts__()]
    return lambda memory, at: tuple(each(memory, at + place) for place in places)


def _struct(kind: Any) -> Reader:
    members = [(one.name, one.offset, _part(one)) for one in kind.__members__.values()]
    return lambda memory, at: frozenset([(name, read(memory, at + offset)) for name, offset, read in members])


def _part(member: Any) -> Reader:
    """Of a member, which may be bits of the number that is stored."""
    whole = reader(member.type)
    return (lambda memory, at: member.part(whole(memory, at))) if member.bits else whole


__all__ = ["Reader", "reader"]
