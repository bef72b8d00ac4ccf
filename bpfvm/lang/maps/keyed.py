"""Arrays and hashes: what `m[k]`, `m.get(k)`, `k in m`, `del m[k]` mean, as calls of the helpers that compiled code
makes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entry
from bpfvm.lang.active import Machine, active
from bpfvm.lang.faults import MapError
from bpfvm.lang.maps import timers
from bpfvm.lang.maps.base import NOEXIST, Contents, Map, checked, element, key_bytes, loaded, packed, pairs
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.scalars import Storage, u32, u64
from bpfvm.lang.userspace import UserSide
from bpfvm.lang.userspace.values import decoder
from bpfvm.tables.helpers.callbacks import WALKED

MOST = 10240  # entries of a map that says nothing of them
_NONE: Any = object()


def missing(key: Any) -> KeyError:
    """The error for a key that is not there. A view of memory has no meaning behind the run, and its bytes have."""
    return KeyError(bytes(key) if isinstance(key, View) else key)


class Keyed(Map):
    """A map with keys and values.

    m[k] is the number that stands there, or the struct or array itself: what is stored in that is in the map. default:
    what a missing key counts as, None where it is a KeyError. `m[k] += n` is one atomic operation. contents: what
    stands in it from the start, by key; with `percpu` a list of values under each.
    """

    key: Any
    value: Any
    default: int | None = None
    _address = 0  # of a map that was found in another one

    def __init__(
        self, key: Any, value: Any, max_entries: int, name: str | None = None, contents: Contents | None = None
    ) -> None:  # fmt: skip
        made = type(self).__name__
        self.key, self.value = element(made, "key", key), element(made, "value", value)
        super().__init__(max_entries, name)
        timers.check(self)
        self.given = pairs(contents)
        if self.given:
            checked(self)

    def entries(self) -> tuple[Entry, ...]:
        return tuple((self._key(key), self._given(value)) for key, value in self.given)

    def _given(self, value: Any) -> bytes | list[bytes]:
        """A value that stands there from the start."""
        if not self.is_per_cpu:
            return packed(self.value, value)
        if not isinstance(value, list | tuple):
            raise TypeError("each CPU has a value, and they stand in a list")
        return [packed(self.value, one) for one in value]

    def __getitem__(self, key: Any) -> Any:
        on, data = self._machine(), self._key(key)
        address = self._lookup(on, data)
        if address:
            return loaded(on, self.value, address)
        if self.default is None:
            raise missing(key)
        found = self.value.unpack(self.value.pack(self.default))
        return on.default(int(found)) if isinstance(on, UserSide) else found

    def __setitem__(self, key: Any, value: Any) -> None:
        on, data = self._machine(), self._key(key)
        if self.is_per_cpu and isinstance(on, UserSide):
            self._store_each(on, data, value)
            return
        self._store(on, data, packed(self.value, value), 0)

    def __contains__(self, key: Any) -> bool:
        return bool(self._lookup(self._machine(), self._key(key)))

    def get(self, key: Any, default: Any = None) -> Any:
        """What stands under `key`, `default` where nothing does."""
        on = self._machine()
        address = self._lookup(on, self._key(key))
        return loaded(on, self.value, address) if address else default

    def add(self, key: Any, number: int) -> None:
        """`m[key] += number`."""
        self[key] += number

    # user space

    def __iter__(self) -> Iterator[Any]:
        """Keys, in user space."""
        return super().__iter__() if active() is not None else (key for key, _ in self.items())

    def __len__(self) -> int:
        """How many elements there are, in user space; of arrays, indexes."""
        if active() is not None:
            return super().__len__()
        store = self._store_behind()
        return self.max_entries if self.type in ("array", "percpu_array") else sum(1 for _ in store.pairs())

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Keys and values, in user space. What others store and delete meanwhile is met at most once."""
        if active() is not None:
            return super().__iter__()  # type: ignore[no-any-return]
        store = self._store_behind()
        key, value = decoder(self.key), decoder(self.value)
        if self.is_per_cpu:
            return ((key(one, 0), [value(each, 0) for each in found]) for one, found in store.pairs())
        return ((key(one, 0), value(found, 0)) for one, found in store.pairs())

    def keys(self) -> Iterator[Any]:
        """Keys, in user space."""
        return iter(self)

    def values(self) -> Iterator[Any]:
        """Values, in user space."""
        return (value for _, value in self.items())

    def update(self, other: Mapping[Any, Any] | Iterable[tuple[Any, Any]]) -> None:
        """Store what a mapping holds, or pairs."""
        for key, value in other.items() if isinstance(other, Mapping) else other:
            self[key] = value

    def _store_each(self, on: UserSide, key: bytes, values: Any) -> None:
        """Store the values of all CPUs."""
        if not isinstance(values, list | tuple) or len(values) != on.store.cpus:
            raise UsageError(
                f"map {self.called} has a value for each CPU: store a list of {on.store.cpus}, not {values!r:.60}"
            )
        on.stored(on.store.sys_update(key, [packed(self.value, one) for one in values]), "stored to")

    def _handle(self, on: Machine) -> int:
        return self._address or on.handle(self)

    def _lookup(self, on: Machine, key: bytes) -> int:
        """The address of a value, 0 where there is none."""
        return on.helper("map_lookup_elem", self._handle(on), on.place(key))

    def _store(self, on: Machine, key: bytes, value: bytes, flags: int) -> None:
        if not self._stored(on, key, value, flags):
            raise self._full()

    def _stored(self, on: Machine, key: bytes, value: bytes, flags: int) -> bool:
        """Store a value, if there is room."""
        return not on.helper("map_update_elem", self._handle(on), on.place(key), on.place(value), flags)

    def _remove(self, on: Machine, key: bytes) -> bool:
        """Delete a value; True where there was none."""
        return bool(on.helper("map_delete_elem", self._handle(on), on.place(key)))

    def _full(self) -> MapError:
        return MapError(self.no_room(self.called))

    def _key(self, key: Any) -> bytes:
        """The bytes of a key."""
        return key_bytes(self, key)


class Array(Keyed):
    """BPF_MAP_TYPE_ARRAY: `max_entries` values under the indexes from 0, all 0 at first.

    `m[i]` outside of them raises IndexError, a fault of the program. `m[i] += n` is one atomic operation. percpu: each
    CPU has values of its own, and a program sees those of the CPU that it runs on.
    """

    def __init__(
        self, value: Any, max_entries: int, name: str | None = None, *, percpu: bool = False,
        contents: Mapping[int, Any] | Sequence[Any] | None = None,
    ) -> None:  # fmt: skip
        self.type, self.is_per_cpu = "percpu_array" if percpu else "array", percpu
        numbered = contents if isinstance(contents, Mapping) else dict(enumerate(contents or ()))
        super().__init__(u32, value, max_entries, name, numbered)

    def entries(self) -> tuple[Entry, ...]:
        return tuple((self._key(self._index(key)), self._given(value)) for key, value in self.given)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._index(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(self._index(key), value)

    def __iter__(self) -> Iterator[int]:
        self._machine()
        return iter(range(self.max_entries))

    def items(self) -> Iterator[tuple[int, Any]]:
        """Each index with its value, read when its turn comes."""
        return super().items() if active() is None else ((index, self[index]) for index in self)

    def values(self) -> Iterator[Any]:
        """Each value, read when its turn comes."""
        return super().values() if active() is None else (self[index] for index in self)

    def _index(self, key: Any) -> int:
        if not isinstance(key, int):
            raise TypeError(f"the index of {self.name or 'an array'} must be an integer, not {type(key).__name__}")
        if not 0 <= key < self.max_entries:
            raise IndexError(f"index {int(key)} is outside of {self.name or 'the array'} ({self.max_entries} entries)")
        return int(key)


class Hashed(Keyed):
    """A map whose keys come and go."""

    def __iter__(self) -> Iterator[Any]:
        on = self._walked()
        return super().__iter__() if on is None else (self._copied(on, key) for key, _ in on.walk(self._handle(on)))

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Each key with its value, in the order of the kernel's, or of the emulator's, own."""
        on = self._walked()
        if on is None:
            return super().items()
        return ((self._copied(on, key), loaded(on, self.value, at)) for key, at in on.walk(self._handle(on)))

    def values(self) -> Iterator[Any]:
        """Each value, in the order of the keys."""
        on = self._walked()
        return super().values() if on is None else (loaded(on, self.value, at) for _, at in on.walk(self._handle(on)))

    def _walked(self) -> Machine | None:
        """The machine that runs, None outside of a run. UsageError for maps that the kernel does not go through."""
        on = active()
        if on is not None and self.type not in WALKED:
            raise UsageError(f"map {self.called}: the kernel does not go through maps of type {self.type} for programs")
        return on

    def _copied(self, on: Machine, address: int) -> Any:
        """The key at an address, or a copy of it."""
        found = loaded(on, self.key, address)
        return found.copy() if isinstance(found, View) else found

    def clear(self) -> None:
        """Delete every element, in user space."""
        on = self._outside()
        for key, _ in list(on.store.pairs()):
            on.helper("map_delete_elem", 0, on.place(key))

    def __delitem__(self, key: Any) -> None:
        on, data = self._machine(), self._key(key)
        if self._remove(on, data):
            raise missing(key)

    def pop(self, key: Any, default: Any = _NONE) -> Any:
        """A copy of what stands under `key`, which is deleted; `default` where nothing does, KeyError without one."""
        on, data = self._machine(), self._key(key)
        if isinstance(on, UserSide):
            return self._taken(on, key, data, default)
        address = self._lookup(on, data)
        if not address:
            if default is _NONE:
                raise missing(key)
            return default
        found = loaded(on, self.value, address)
        found = found.copy() if isinstance(found, View) else found
        self._remove(on, data)
        return found

    def _taken(self, on: UserSide, key: Any, data: bytes, default: Any) -> Any:
        """What user space takes out: in one step, where the map's type has it."""
        found = on.take(data)
        if found is None:
            if default is _NONE:
                raise missing(key)
            return default
        read = decoder(self.value)
        return [read(one, 0) for one in found] if isinstance(found, list) else read(found, 0)

    def setdefault(self, key: Any, default: Any) -> Any:
        """What stands under `key`, after `default` was stored where nothing did."""
        on, data = self._machine(), self._key(key)
        address = self._lookup(on, data)
        if not address:
            self._stored(on, data, packed(self.value, default), NOEXIST)
            address = self._lookup(on, data)
        if not address:
            raise self._full()
        return loaded(on, self.value, address)


class Hash(Hashed):
    """BPF_MAP_TYPE_HASH and its kin: values under keys that programs and user space store.

    lru: the least recently used entries make room for new ones. percpu: each CPU has a value of its own. default: of
    numbers, what a missing key counts as. What has no room is a MapError, a fault of the program.
    """

    def __init__(
        self, key: Any, value: Any, max_entries: int = MOST, name: str | None = None, *, lru: bool = False,
        percpu: bool = False, default: int | None = None, contents: Contents | None = None,
    ) -> None:  # fmt: skip
        self.type = f"{'lru_' * lru}{'percpu_' * percpu}hash"
        self.is_per_cpu, self.default = percpu, default
        super().__init__(key, value, max_entries, name, contents)
        if default is not None and not (isinstance(self.value, Storage) and isinstance(default, int)):
            raise UsageError(f"{type(self).__name__}: a default is a number, of a map of numbers")


class Counter(Hash):
    """A hash of numbers from 0: `c[k] += 1` counts, whether or not k was there."""

    def __init__(
        self, key: Any, value: Any = u64, max_entries: int = MOST, name: str | None = None, *, lru: bool = False,
        percpu: bool = False, contents: Contents | None = None,
    ) -> None:  # fmt: skip
        super().__init__(key, value, max_entries, name, lru=lru, percpu=percpu, default=0, contents=contents)

    def most_common(self, most: int | None = None) -> list[tuple[Any, int]]:
        """Keys with their counts, the largest first: `most` of them, else all. Those of all CPUs are added up."""
        pairs = [(key, sum(one) if isinstance(one, list) else one) for key, one in self.items()]
        pairs.sort(key=lambda pair: pair[1], reverse=True)
        return pairs[:most]

    def total(self) -> int:
        """All counts together."""
        return sum(count for _, count in self.most_common())


__all__ = ["MOST", "Array", "Counter", "Hash", "Hashed", "Keyed"]
