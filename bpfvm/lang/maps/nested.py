"""Maps in maps: `tables[i][k]`."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entry
from bpfvm.lang.maps.keyed import Keyed, missing
from bpfvm.lang.maps.rings import Events
from bpfvm.lang.types.scalars import Storage, u32
from bpfvm.lang.userspace import UserSide
from bpfvm.lang.userspace.values import decoder
from bpfvm.obj.model import MapSpec


class Nested(Keyed):
    """A map whose values are maps, all of them like `inner`. contents: those that stand there from the start."""

    usage = "tables[i][k]"

    def __init__(
        self, key: Any, inner: Keyed, max_entries: int, contents: Mapping[int, Keyed] | None, name: str | None
    ) -> None:  # fmt: skip
        made = type(self).__name__
        if isinstance(inner, Events):
            raise UsageError(f"{made} holds maps with keys, not {type(inner).__name__}: what finds no room is counted "
                             "for a map that the program names, so each map of events has its name")  # fmt: skip
        if not isinstance(inner, Keyed) or isinstance(inner, Nested):
            raise UsageError(f"{made} holds maps with keys, such as Array(u64, 4), not {inner!r:.60}")
        super().__init__(key, u32, max_entries, name)
        self.inner, self.contents = inner, dict(contents or {})
        if len(self.contents) > max_entries:
            raise UsageError(f"{made}: {len(self.contents)} contents, and max_entries is {max_entries}")
        for index, one in self.contents.items():
            if _shape(one) != _shape(inner):
                raise UsageError(f"{made}: the map at {index!r} is {one!r}, and maps in it are like {inner!r}")
            if not isinstance(index, int) or not 0 <= index < (1 << 32):
                raise UsageError(f"{made}: {index!r} is no key that a map can stand at from the start")

    def __getitem__(self, key: Any) -> Any:
        on = self._machine()
        if isinstance(on, UserSide):
            return self._inside(on, key, self._key(key))
        address = self._lookup(on, self._key(key))
        if not address:
            raise missing(key)
        return self._found(address)

    def items(self) -> Iterator[tuple[Any, Any]]:
        """Keys and the maps that stand there, in user space."""
        on, read = self._outside(), decoder(self.key)
        keys = [(read(data, 0), data) for data, _ in on.store.pairs()]
        return ((key, self._inside(on, key, data)) for key, data in keys)

    def _inside(self, on: UserSide, key: Any, data: bytes) -> Any:
        """The map at a key, as user space has it."""
        behind = on.store.inner(data)
        if behind is None:
            raise missing(key)
        found: Any = copy.copy(self.inner)
        found._behind, found.name = behind, f"{self.called}[{key}]"
        return found

    def __setitem__(self, key: Any, value: Any) -> None:
        raise TypeError(f"{self.called}: which maps stand in it is for user space to say")

    def get(self, key: Any, default: Any = None) -> Any:
        on, data = self._machine(), self._key(key)
        if isinstance(on, UserSide):
            return self._inside(on, key, data) if on.store.inner(data) is not None else default
        address = self._lookup(on, data)
        return self._found(address) if address else default

    def _found(self, address: int) -> Any:
        found: Any = copy.copy(self.inner)
        found._address = address
        return found

    def entries(self) -> tuple[Entry, ...]:
        """None but maps, which have names."""
        return ()

    def spec(self, name: str) -> MapSpec:
        contents = tuple((index, one.name or f"{name}_{index}") for index, one in self.contents.items())
        return replace(super().spec(name), inner=self.inner.spec(f"{name}.inner"), contents=contents)


def _shape(one: Any) -> tuple[Any, ...]:
    """What the kernel compares of maps in maps (bpf_map_meta_equal)."""
    return (one.type, one.key, one.value, one.max_entries) if isinstance(one, Keyed) else ()


class ArrayOf(Nested):
    """BPF_MAP_TYPE_ARRAY_OF_MAPS: maps under the indexes from 0."""

    type = "array_of_maps"

    def __init__(
        self, inner: Keyed, max_entries: int, contents: Mapping[int, Keyed] | Sequence[Keyed] | None = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        by_index = contents if isinstance(contents, Mapping) else dict(enumerate(contents or ()))
        super().__init__(u32, inner, max_entries, by_index, name)


class HashOf(Nested):
    """BPF_MAP_TYPE_HASH_OF_MAPS: maps under keys of any type; from the start under numbers of 32 bits."""

    type = "hash_of_maps"

    def __init__(
        self, key: Any, inner: Keyed, max_entries: int, contents: Mapping[int, Keyed] | None = None,
        name: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(key, inner, max_entries, contents, name)
        if contents and (not isinstance(self.key, Storage) or self.key.bits != 32):
            raise UsageError("HashOf: maps stand from the start under keys of 32 bits, and these are "
                             f"{self.key.__name__}; user space stores the others")  # fmt: skip
