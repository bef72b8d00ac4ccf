"""Maps without keys: queues, stacks and bloom filters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpfvm.core.machine import Entry
from bpfvm.lang.active import Machine
from bpfvm.lang.maps.base import Map, MapError, checked, element, loaded, packed
from bpfvm.lang.types.layout import View, size_of


class Pushed(Map):
    """A map of values alone. contents: those that were pushed before the first run, in order."""

    value: Any

    def __init__(
        self, value: Any, max_entries: int, name: str | None = None, *, contents: Sequence[Any] = ()
    ) -> None:  # fmt: skip
        self.value = element(type(self).__name__, "value", value)
        super().__init__(max_entries, name)
        self.contents = tuple(contents)
        checked(self)

    def entries(self) -> tuple[Entry, ...]:
        return tuple((b"", packed(self.value, one)) for one in self.contents)

    def _push(self, value: Any) -> None:
        on = self._machine()
        if on.helper("map_push_elem", on.handle(self), on.place(packed(self.value, value)), 0):
            raise MapError(self.no_room(self.called))


class Queue(Pushed):
    """BPF_MAP_TYPE_QUEUE: first in, first out. `push` into a full one is a MapError, `pop` of an empty one None."""

    type = "queue"
    usage = "q.push(v), q.pop(), q.peek()"

    def push(self, value: Any) -> None:
        """Add a value."""
        self._push(value)

    def pop(self) -> Any:
        """Take the next value out: a copy, or None."""
        return self._next("map_pop_elem")

    def peek(self) -> Any:
        """A copy of the next value, or None."""
        return self._next("map_peek_elem")

    def _next(self, helper: str) -> Any:
        on: Machine = self._machine()
        place = on.place(bytes(size_of(self.value)))
        if on.helper(helper, on.handle(self), place):
            return None
        found = loaded(on, self.value, place)
        return found.copy() if isinstance(found, View) else found


class Stack(Queue):
    """BPF_MAP_TYPE_STACK: last in, first out."""

    type = "stack"


class Bloom(Pushed):
    """BPF_MAP_TYPE_BLOOM_FILTER: `v in b` is true of what was added, and seldom of anything else."""

    type = "bloom_filter"
    usage = "b.add(v), v in b"

    def add(self, value: Any) -> None:
        """Add a value."""
        self._push(value)

    def __contains__(self, value: Any) -> bool:
        on = self._machine()
        return not on.helper("map_peek_elem", on.handle(self), on.place(packed(self.value, value)))
