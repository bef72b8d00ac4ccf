"""BPF_MAP_TYPE_QUEUE and BPF_MAP_TYPE_STACK: a ring of values without keys. Layout, none of which a program can read:

    control: words of 4 bytes, the place of the next push | the place of the oldest value
    values:  max_entries + 1 of them, one behind the other; both places are equal when there is none

A pop clears nothing. Results are the kernel's, measured on 6.18: BPF_EXIST pushes the oldest value out of a full map,
of a stack too; another flag is -EINVAL, a push into a full map without it -E2BIG. A pop or peek of an empty map is
-ENOENT and gives zeros. There are no keys: user space's delete and next key are -EINVAL.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.core.machine import Entries
from bpfvm.emulator.maps.store import ANY, EXIST, Answer, Store
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

_HEAD, _TAIL = range(2)


class QueueMap(Store):
    """A queue: first in, first out."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        self._places = spec.max_entries + 1
        control = system.arena.allocate(f"{spec.name} control", 8, "map", writable=False, readable=False)
        size = self._places * spec.value_size
        values = system.arena.allocate(f"{spec.name} values", size, "map", writable=False, readable=False)
        self._control, self._values = control.data.cast("I"), values.data

    def push(self, value: bytes, flags: int) -> int:
        if flags not in (ANY, EXIST):
            return -errno.EINVAL
        control = self._control
        head = control[_HEAD]
        following = self._behind(head)
        if following == control[_TAIL]:
            if not flags:
                return -errno.E2BIG
            control[_TAIL] = self._behind(following)
        size = self.spec.value_size
        self._values[head * size : (head + 1) * size] = value
        control[_HEAD] = following
        return 0

    def pop(self) -> tuple[int, bytes]:
        return self._taken(remove=True)

    def peek(self) -> tuple[int, bytes]:
        return self._taken(remove=False)

    def _taken(self, remove: bool) -> tuple[int, bytes]:
        """The value that is next, with 0; -ENOENT and zeros where there is none."""
        control = self._control
        if control[_HEAD] == control[_TAIL]:
            return -errno.ENOENT, bytes(self.spec.value_size)
        place = self._next()
        if remove:
            self._remove(place)
        return 0, self._value(place)

    def _next(self) -> int:
        """The place of the value that leaves first."""
        return self._control[_TAIL]

    def _remove(self, place: int) -> None:
        """Let go of the value that leaves first, which is at `place`."""
        self._control[_TAIL] = self._behind(place)

    def _value(self, place: int) -> bytes:
        size = self.spec.value_size
        return bytes(self._values[place * size : (place + 1) * size])

    def _behind(self, place: int) -> int:
        return place + 1 if place + 1 < self._places else 0

    def _before(self, place: int) -> int:
        return (place or self._places) - 1

    # user space

    def user_lookup(self, key: bytes) -> Answer:
        result, value = self.peek()
        return result or value

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        return self.push(value, flags)

    def user_delete(self, key: bytes) -> int:
        return -errno.EINVAL

    def user_pop(self, key: bytes) -> Answer:
        result, value = self.pop()
        return result or value

    def user_next(self, key: bytes | None) -> bytes | int:
        return -errno.EINVAL

    def entries(self) -> Entries:
        found: Entries = []
        place = self._control[_TAIL]
        while place != self._control[_HEAD]:
            found.append((b"", self._value(place)))
            place = self._behind(place)
        return found


class StackMap(QueueMap):
    """A stack: last in, first out."""

    def _next(self) -> int:
        return self._before(self._control[_HEAD])

    def _remove(self, place: int) -> None:
        self._control[_HEAD] = place


TYPES: Mapping[str, MapClass] = {"queue": QueueMap, "stack": StackMap}
