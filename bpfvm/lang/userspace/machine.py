"""Operations on a declared map outside of programs: the helpers that they are made of, answered by a `Store`."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from bpfvm.core.bits import M64
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.layout import Layout
from bpfvm.lang.types.structs import StructType
from bpfvm.lang.userspace.store import Store
from bpfvm.lang.userspace.values import decoded, plain

_ROOM = 32  # bits of an address within one object
_FULL = (errno.E2BIG, errno.ENOMEM, errno.EBUSY)
ENOTSUPP = 524  # include/linux/errno.h


class UserSide:
    """What one operation on a map asks. It lives as long as the operation, and what it gave addresses to."""

    __slots__ = ("_called", "_objects", "store")

    def __init__(self, store: Store, called: str) -> None:
        """called: the map, in messages."""
        self.store, self._called = store, called
        self._objects: list[tuple[bytes | list[bytes], bytes | None]] = []  # what lies at addresses, and its key

    def handle(self, declared: Any) -> int:
        """The map is the one that this was made for."""
        return 0

    def place(self, data: bytes) -> int:
        """The address of these bytes."""
        return self._placed(data, None)

    def load(self, address: int, size: int) -> bytes:
        """Bytes of an object."""
        at, data = address & ((1 << _ROOM) - 1), self._object(address)
        return data[at : at + size]

    def helper(self, name: str, *arguments: int) -> int:
        """r0 of a helper of maps. UsageError for another, and for what the map does not do."""
        known = _HELPERS.get(name)
        if known is None:
            raise self._only_programs(name)
        return int(known(self, *arguments)) & M64

    def value(self, kind: Any, address: int) -> Any:
        """What stands at an address: of a per-CPU map the values of all CPUs; a struct writes through to the
        map."""
        data, key = self._objects[(address >> _ROOM) - 1]
        if isinstance(data, list):
            return [decoded(kind, one) for one in data]
        if isinstance(kind, StructType) and key is not None:
            made = object.__new__(plain(kind))
            object.__setattr__(made, "_bpf", (Cell(self, key, data), 0, False))
            return made
        return decoded(kind, data)

    def default(self, number: int) -> Any:
        """What a missing key counts as."""
        return [number] * self.store.cpus if "percpu" in self.store.spec.type else number

    def take(self, key: bytes) -> bytes | list[bytes] | None:
        """What stood at a key, which is deleted; None for nothing."""
        found = self.store.sys_lookup_and_delete(key)
        if found in (-ENOTSUPP, -errno.EINVAL):  # an LPM trie, hashes before 5.14
            found = self.store.sys_lookup(key)
            number = 0 if isinstance(found, int) else self.store.sys_delete(key)
            found = number or found
        if not isinstance(found, int):
            return found
        self._absent(found, "deleted from")
        return None

    def stored(self, number: int, done: str) -> None:
        """UsageError for an errno of an operation that was done for user space."""
        if number:
            raise self._failed(number, done)

    def _lookup(self, handle: int, key: int) -> int:
        data = self._object(key)
        found = self.store.sys_lookup(data)
        if isinstance(found, int):
            return self._absent(found, "read")
        return self._placed(found, data)

    def _update(self, handle: int, key: int, value: int, flags: int) -> int:
        data, _ = self._objects[(value >> _ROOM) - 1]
        return self._refused(self.store.sys_update(self._object(key), data, flags), (*_FULL, errno.EEXIST))

    def _delete(self, handle: int, key: int) -> int:
        return self._refused(self.store.sys_delete(self._object(key)), (errno.ENOENT,))

    def _push(self, handle: int, value: int, flags: int) -> int:
        return self._refused(self.store.sys_update(b"", self._object(value), flags), _FULL)

    def _pop(self, handle: int, place: int) -> int:
        return self._next(self.store.sys_lookup_and_delete(b""), place)

    def _peek(self, handle: int, place: int) -> int:
        if self.store.spec.type == "bloom_filter":
            found = self.store.sys_lookup(self._object(place))
            return self._refused(found if isinstance(found, int) else 0, (errno.ENOENT,))
        return self._next(self.store.sys_lookup(b""), place)

    def _next(self, found: bytes | list[bytes] | int, place: int) -> int:
        if isinstance(found, int):
            return self._refused(found, (errno.ENOENT,))
        self._objects[(place >> _ROOM) - 1] = (found, None)
        return 0

    def _absent(self, number: int, done: str) -> int:
        """0, the address of nothing, where there is nothing."""
        if number != -errno.ENOENT:
            raise self._failed(number, done)
        return 0

    def _refused(self, number: int, expected: tuple[int, ...]) -> int:
        if number and -number not in expected:
            raise self._failed(number, "stored to")
        return number

    def _failed(self, number: int, done: str) -> UsageError:
        if number == -errno.EROFS:
            return UsageError(
                f"map {self._called}: nothing that uses it is attached any more; its last contents can only be read"
            )
        name = "ENOTSUPP" if number == -ENOTSUPP else errno.errorcode.get(-number, str(-number))
        return UsageError(f"map {self._called} cannot be {done}: {os.strerror(-number)} ({name})")

    def _only_programs(self, what: str) -> UsageError:
        return UsageError(f"map {self._called}: {what} is for programs; user space reads the map as a dict")

    def _placed(self, data: bytes | list[bytes], key: bytes | None) -> int:
        self._objects.append((data, key))
        return len(self._objects) << _ROOM

    def _object(self, address: int) -> bytes:
        data, _ = self._objects[(address >> _ROOM) - 1]
        assert isinstance(data, bytes), "keys and parts of values are bytes"
        return data

    def __getattr__(self, name: str) -> NoReturn:
        raise self._only_programs(name.replace("_", " "))


class Cell(bytearray):
    """A value of a map: a copy, and what is stored in it is stored in the map."""

    def __init__(self, side: UserSide, key: bytes, data: bytes) -> None:
        super().__init__(data)
        self._side, self._key = side, key

    def __setitem__(self, part: Any, data: Any) -> None:
        super().__setitem__(part, data)
        self._side.stored(self._side.store.patch(self._key, part.start, bytes(data)), "stored to")


def value_of(kind: Layout, side: UserSide, address: int, fixed: bool) -> Any:
    """The struct of a data section: `fixed` can only be read."""
    found = side.value(kind, address)
    if fixed:
        memory, at, _ = found._bpf
        object.__setattr__(found, "_bpf", (bytes(memory), at, True))
    return found


_HELPERS: Mapping[str, Callable[..., int]] = {
    "map_lookup_elem": UserSide._lookup, "map_update_elem": UserSide._update, "map_delete_elem": UserSide._delete,
    "map_push_elem": UserSide._push, "map_pop_elem": UserSide._pop, "map_peek_elem": UserSide._peek,
}  # fmt: skip

__all__ = ["Cell", "UserSide", "value_of"]
