"""BPF_MAP_TYPE_PROG_ARRAY: what tail calls choose from. Layout, in words of 4 bytes, none of which a program can read:

    a program that was stored, 0 before | for each index, the program that stands there, 0 for none

Programs are numbers from 1 on, in the order of the object.

In contents a program stands by its name. The first one decides of which type all others are; another one is -EINVAL,
after BPF_ANY as the only flag (-EINVAL) and the index (-E2BIG).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TYPE_CHECKING

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.store import Answer, Store
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.code import Code
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System


class ProgArrayMap(Store):
    """One array of programs."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        size = 4 * (1 + spec.max_entries)
        self._words = system.arena.allocate(
            f"{spec.name} programs", size, "map", writable=False, readable=False
        ).data.cast("I")
        self._names = list(system.spec.programs)
        for index, name in spec.contents:
            key = index.to_bytes(4, "little")
            number = -self.user_update(key, name.encode(), 0)
            if number:
                raise LoadError(f"map {spec.name}: {self.why(number, key, name.encode())}")

    def code(self, index: int) -> Code | None:
        """The program at an index, ready to run; None for none. LoadError or Unavailable for what cannot run."""
        number = self._words[1 + index] if index < self.spec.max_entries else 0
        return self.system.code(self._names[number - 1]) if number else None

    def user_lookup(self, key: bytes) -> Answer:
        index = int.from_bytes(key, "little")
        number = self._words[1 + index] if index < self.spec.max_entries else 0
        return self._names[number - 1].encode() if number else -errno.ENOENT

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        number = self._number(value)
        if not number:
            return -errno.EBADF
        if self._words[0] and self._type(self._words[0]) != self._type(number):
            return -errno.EINVAL
        self._words[0] = self._words[0] or number
        self._words[1 + index] = number
        return 0

    def user_delete(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        if not self._words[1 + index]:
            return -errno.ENOENT
        self._words[1 + index] = 0
        return 0

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)

    def check_value(self, value: bytes | list[bytes]) -> None:
        if not isinstance(value, bytes):
            raise LoadError(f"map {self.spec.name}: an entry is the name of a program")

    def why(self, number: int, key: bytes, value: bytes | list[bytes]) -> str:
        name = value.decode(errors="replace") if isinstance(value, bytes) else ""
        if number == errno.EBADF:
            return f"there is no program {name!r} to put there; programs are {', '.join(self._names) or 'none'}"
        if number == errno.EINVAL:
            here, there = self._type(self._words[0]), self._type(self._number(value))
            return f"{name} is a program of type {there}, and those that stand there are {here} (EINVAL)"
        return super().why(number, key, value)

    def _number(self, value: bytes | list[bytes]) -> int:
        """Of the program with this name, 0 where there is none."""
        name = value.decode(errors="replace") if isinstance(value, bytes) else ""
        return self._names.index(name) + 1 if name in self._names else 0

    def _type(self, number: int) -> str:
        return self.system.spec.programs[self._names[number - 1]].type


TYPES: Mapping[str, MapClass] = {"prog_array": ProgArrayMap}
