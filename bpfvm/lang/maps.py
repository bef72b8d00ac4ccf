"""Map declarations: what a map is called, holds and can hold. What `m[k]` does is asked of the active machine."""

from __future__ import annotations

from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.active import machine
from bpfvm.lang.types import Storage, u32

MAX_ENTRIES = (1 << 32) - 1  # max_entries is a u32 (union bpf_attr)


class Map:
    """A declared map. name: given, or taken from the variable under which the first program finds it."""

    type: str  # a row of tables.maps

    def __init__(self, key: Storage, value: Any, max_entries: int, name: str | None = None) -> None:
        """value: a storage type, which to type checkers is int."""
        made = type(self).__name__
        for role, kind in (("key", key), ("value", value)):
            if not isinstance(kind, Storage) or kind.is_big:
                raise UsageError(
                    f"{made}: the {role} type must be a storage type such as u64, in host order, not {kind!r}"
                )
        if not isinstance(max_entries, int) or not 0 < max_entries <= MAX_ENTRIES:
            raise UsageError(f"{type(self).__name__}: max_entries must be from 1 to {MAX_ENTRIES}, not {max_entries!r}")
        assert isinstance(value, Storage), "checked above"
        self.key, self.value, self.max_entries, self.name = key, value, max_entries, name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r}, {self.max_entries}, name={self.name!r})"

    def __iter__(self) -> Any:
        raise UsageError(f"map {self.name or '?'}: a map is not iterated inside a program in this version")

    def __len__(self) -> int:
        raise UsageError(f"map {self.name or '?'}: len() of a map is its capacity in BPF: use .max_entries")

    def __bool__(self) -> bool:
        return True


class Array(Map):
    """BPF_MAP_TYPE_ARRAY: `max_entries` values under the indexes from 0, all 0 at first.

    `m[i]` outside of them raises IndexError, a fault of the program. `m[i] += n` is one atomic operation.
    """

    type = "array"

    def __init__(self, value: Any, max_entries: int, name: str | None = None) -> None:
        super().__init__(u32, value, max_entries, name)

    def _key(self, index: Any) -> bytes:
        if not isinstance(index, int):
            raise TypeError(f"the index of {self.name or 'an array'} must be an integer, not {type(index).__name__}")
        if not 0 <= index < self.max_entries:
            raise IndexError(
                f"index {int(index)} is outside of {self.name or 'the array'} ({self.max_entries} entries)"
            )
        return int(index).to_bytes(4, "little")

    def __getitem__(self, index: int) -> Any:
        key = self._key(index)
        on = machine(f"map {self.name or '?'}")
        address = on.helper("map_lookup_elem", on.handle(self), on.place(key))
        return self.value.unpack(on.load(address, self.value.size))

    def __setitem__(self, index: int, value: int) -> None:
        key = self._key(index)
        on = machine(f"map {self.name or '?'}")
        on.helper("map_update_elem", on.handle(self), on.place(key), on.place(self.value.pack(value)), 0)
