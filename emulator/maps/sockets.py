"""Maps of sockets: sockmap, sockhash, reuseport_sockarray. Layouts, in words of 8 bytes:

    sockmap, reuseport_sockarray    for each index: number of the socket, 0 for none
    sockhash                        elements of a table (table.py), whose values are such numbers

The machine has no sockets: any number but 0 that user space stores stands for one, and is its cookie, which user space
reads back where values have 8 bytes (-ENOSPC where they have 4). Errno are the kernel's, measured on 6.18. A socket
that a program looks up is struct bpf_sock with zeros, the same for the same number, and must be released; sock_ops
programs store that of their context.
"""

from __future__ import annotations

import errno
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.emulator.access import resolve
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.maps.array import next_index
from bpfvm.emulator.maps.slab import Slab
from bpfvm.emulator.maps.store import EXIST, NOEXIST, Answer, Store
from bpfvm.emulator.maps.table import Table
from bpfvm.emulator.memory import Pointer
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System


class SocketMap(Store, ABC):
    """What all have in common."""

    @abstractmethod
    def socket(self, key: bytes) -> int:
        """The number of the socket under a key, 0 for none."""

    @abstractmethod
    def keep(self, key: bytes, number: int, flags: int) -> int:
        """Store a socket: 0 or a negative errno."""

    def lookup(self, key: bytes) -> int:
        """The address of a socket, which the program owns from then on; 0 for none."""
        number = self.socket(key)
        if not number:
            return 0
        found = self.system.socket(number).base
        self.system.own(found, f"a socket of {self.spec.type} {self.spec.name}, never released")
        return found

    def element(self, address: int) -> Pointer:
        return resolve(self.system.arena, address)

    def update(self, key: bytes, value: bytes, flags: int) -> int:
        helper = "bpf_sock_hash_update" if self.spec.type == "sockhash" else "bpf_sock_map_update"
        raise Stop("helper", f"map {self.spec.name}: bpf_map_update_elem of a socket is not emulated; sock_ops "
                   f"programs store theirs by {helper}")  # fmt: skip

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        number = self.number_of(value)
        return number if number < 0 else self.keep(key, number, flags)

    def cookie(self, number: int) -> Answer:
        """What user space reads of a socket."""
        if self.spec.value_size != 8:
            return -errno.ENOSPC
        return number.to_bytes(8, "little") if number else -errno.ENOENT

    def number_of(self, value: bytes | list[bytes]) -> int:
        """What user space stores, or a negative errno."""
        assert isinstance(value, bytes), "checked by fill, and one value is all that user space can give"
        number = int.from_bytes(value, "little")
        return -errno.EINVAL if number >> 32 else number or -errno.ENOTSOCK


class SocketArray(SocketMap):
    """Sockets by index."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        place = system.arena.allocate(f"{spec.name} sockets", 8 * spec.max_entries, "map", False, False)
        self.numbers = place.data.cast("Q")

    def socket(self, key: bytes) -> int:
        """The number of the socket at an index, 0 for none."""
        index = int.from_bytes(key, "little")
        return self.numbers[index] if index < self.spec.max_entries else 0

    def user_lookup(self, key: bytes) -> Answer:
        return self.cookie(self.socket(key))

    def user_next(self, key: bytes | None) -> bytes | int:
        return next_index(key, self.spec.max_entries)


class SockMap(SocketArray):
    """A sockmap."""

    def keep(self, key: bytes, number: int, flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags > EXIST:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        if self.numbers[index] and flags == NOEXIST:
            return -errno.EEXIST
        if not self.numbers[index] and flags == EXIST:
            return -errno.ENOENT
        self.numbers[index] = number
        return 0

    def delete(self, key: bytes) -> int:
        if not self.socket(key):
            return -errno.EINVAL
        self.numbers[int.from_bytes(key, "little")] = 0
        return 0

    def user_delete(self, key: bytes) -> int:
        return self.delete(key)


class ReuseportSockArray(SocketArray):
    """Sockets that share a port. One that stands in such a map already is -EBUSY."""

    def user_update(self, key: bytes, value: bytes | list[bytes], flags: int) -> int:
        index = int.from_bytes(key, "little")
        if flags > EXIST:
            return -errno.EINVAL
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        number = self.number_of(value)
        return number if number < 0 else self.keep(key, number, flags)

    def keep(self, key: bytes, number: int, flags: int) -> int:
        index = int.from_bytes(key, "little")
        if self.numbers[index] and flags == NOEXIST:
            return -errno.EEXIST
        if not self.numbers[index] and flags == EXIST:
            return -errno.ENOENT
        if number in self.numbers:
            return -errno.EBUSY
        self.numbers[index] = number
        return 0

    def user_delete(self, key: bytes) -> int:
        index = int.from_bytes(key, "little")
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        there, self.numbers[index] = self.numbers[index], 0
        return 0 if there else -errno.ENOENT


class SockHash(SocketMap):
    """A sockhash."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, spec)
        shape = replace(spec, value_size=8)
        self._table = Table(system, shape, 0, 1, spec.max_entries)
        self._slab = Slab(system, spec.name, self._table.size, spec.max_entries, self.element)

    def socket(self, key: bytes) -> int:
        """The number of the socket under a key, 0 for none."""
        address = self._table.values.get(key, 0)
        return int.from_bytes(self.view[address : address + 8], "little") if address else 0

    def user_lookup(self, key: bytes) -> Answer:
        return self.cookie(self.socket(key))

    def reload(self) -> None:
        self._table.reload()

    def keep(self, key: bytes, number: int, flags: int) -> int:
        if flags > EXIST:
            return -errno.EINVAL
        address = self._table.values.get(key, 0)
        if address and flags == NOEXIST:
            return -errno.EEXIST
        if not address and flags == EXIST:
            return -errno.ENOENT
        element = self._table.find(key)
        if element:
            self._table.remove(element)  # what is stored again goes to the front, too
        else:
            element = self._slab.allocate()
        if not element:
            return -errno.E2BIG
        self._table.insert(element, key)
        address = self._table.values[key]
        self.view[address : address + 8] = number.to_bytes(8, "little")
        return 0

    def delete(self, key: bytes) -> int:
        element = self._table.find(key)
        if not element:
            return -errno.ENOENT
        self._table.remove(element)
        self._slab.free(element)
        return 0

    def user_delete(self, key: bytes) -> int:
        return self.delete(key)

    def user_next(self, key: bytes | None) -> bytes | int:
        return self._table.next_key(key)


TYPES: Mapping[str, MapClass] = {"reuseport_sockarray": ReuseportSockArray, "sockhash": SockHash, "sockmap": SockMap}
