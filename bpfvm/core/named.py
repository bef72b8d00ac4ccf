"""Things by name, where a name that is not there is told of with those that are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

_T = TypeVar("_T")


class Named(dict[str, _T]):
    """A dict of maps or programs by name: KeyError says what there is."""

    __slots__ = ("_what",)

    def __init__(self, what: str, given: Mapping[str, _T] | Iterable[tuple[str, _T]] = ()) -> None:
        """what: they are, one of them in a word."""
        super().__init__(given)
        self._what = what

    def __missing__(self, name: object) -> NoReturn:
        raise KeyError(f"there is no {self._what} {name!r}; the {self._what}s are {', '.join(self) or 'none'}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Named, (self._what, dict(self))


__all__ = ["Named"]
