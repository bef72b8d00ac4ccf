"""A machine with a mistake in its map, for the fuzz of map operations to find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from bpfvm.core.machine import Entries
from bpfvm.emulator import Emulator
from bpfvm.emulator.machine import Loaded
from bpfvm.fuzz.maps.machine import BUDGET, CPUS
from bpfvm.fuzz.maps.operation import MAP
from bpfvm.obj.model import ObjectSpec

Plant: TypeAlias = Callable[[Loaded], None]


class Wrong:
    """The reference tier with a map that is changed after it was made."""

    name = "wrong"

    def __init__(self, plant: Plant) -> None:
        self._plant = plant

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        loaded = Emulator("interp", BUDGET, CPUS).load(spec, program, maps)
        self._plant(loaded)
        return loaded


def keeps_the_newest(loaded: Loaded) -> None:
    """BPF_EXIST on a full queue is refused, in place of pushing the oldest out."""
    store = loaded.system.maps[MAP]
    push = store.push
    store.push = lambda value, flags: push(value, 0 if flags == 2 else flags)  # type: ignore[method-assign]


def forgets_prefixes(loaded: Loaded) -> None:
    """A lookup in a trie finds prefixes of 3 bits or more only."""
    store = loaded.system.maps[MAP]
    lookup = store.lookup

    def short(key: bytes) -> int:
        found = lookup(key)
        return found if key[0] >= 3 or key[1] else 0

    store.lookup = short  # type: ignore[method-assign]
