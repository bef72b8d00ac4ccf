"""Named tuples of structs: made while a program runs, for members of any name.

They are what `collections.namedtuple` makes, but a member may be called `class` or `_pad`: `getattr` and `_asdict()`
give what no attribute can be written for. A member that is called as a method here stands in the tuple and in
`_asdict()` alone. They can be pickled.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

from bpfvm.core.errors import UsageError

_MOST_CLASSES = 4096
_factory: Callable[..., type[tuple[Any, ...]]] = collections.namedtuple


class RecordTuple(tuple[Any, ...]):
    """A struct's members in order. `_fields`: their names."""

    __slots__ = ()
    _fields: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def _make(cls, values: Iterable[Any]) -> Self:
        """Of as many values as there are members."""
        made = tuple.__new__(cls, values)
        if len(made) != len(cls._fields):
            raise UsageError(f"{cls.__name__} has {len(cls._fields)} members, and {len(made)} values were given")
        return made

    def _asdict(self) -> dict[str, Any]:
        """The members by name."""
        return dict(zip(self._fields, self, strict=True))

    def _replace(self, **changes: Any) -> Self:
        """The same with other values of some members."""
        for name in changes:
            if name not in self._fields:
                raise UsageError(f"{type(self).__name__} has no member {name!r}; it has {', '.join(self._fields)}")
        return self._make(changes.get(name, value) for name, value in zip(self._fields, self, strict=True))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{a}={b!r}' for a, b in zip(self._fields, self, strict=True))})"

    def __reduce__(self) -> tuple[Callable[..., RecordTuple], tuple[Any, ...]]:
        return _restored, (type(self).__name__, self._fields, tuple(self))


@functools.lru_cache(_MOST_CLASSES)
def record_class(name: str, fields: tuple[str, ...]) -> type[RecordTuple]:
    """The class of tuples called `name` with these members: the same one for the same names."""
    members = {
        one: getter
        for one, getter in zip(fields, _getters(len(fields)), strict=True)
        if not (one.startswith("_") and hasattr(RecordTuple, one))
    }
    return type(name, (RecordTuple,), {**members, "__slots__": (), "__match_args__": fields, "_fields": fields})


@functools.lru_cache(_MOST_CLASSES)
def _getters(count: int) -> tuple[Any, ...]:
    """What reads item 0, 1, … of a tuple as an attribute, as fast as `namedtuple` can."""
    names = [f"item{at}" for at in range(count)]
    made = _factory("Items", names)
    return tuple(vars(made)[one] for one in names)


def _restored(name: str, fields: tuple[str, ...], values: tuple[Any, ...]) -> RecordTuple:
    return record_class(name, fields)._make(values)
