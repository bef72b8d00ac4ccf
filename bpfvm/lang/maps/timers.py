"""Timers in values of maps: `v.timer.start(tick, after=1_000_000)`, `v.timer.cancel()`.

A timer is a field of a map's value.
The kernel knows it by the name of its structure, and keeps to itself what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang.active import machine
from bpfvm.lang.faults import MapError
from bpfvm.lang.maps.base import Map, Memory, loaded
from bpfvm.lang.types.arrays import ArrayType, array_of
from bpfvm.lang.types.layout import View, view
from bpfvm.lang.types.scalars import Storage, u64
from bpfvm.lang.types.structs import StructType, struct

# Types of maps that have timers (measured on 6.18 by kernel_tests/maps/test_map_types_fields.py)
HOLDERS = frozenset({"array", "hash", "lru_hash"})
CLOCK_MONOTONIC = 1  # of timer_init


@struct
class bpf_timer:
    """A timer in a map's value: `class Value: timer: Timer`. The kernel knows it by its name."""

    opaque: u64[2]  # type: ignore[type-arg,valid-type]

    def start(self, callback: Callable[[Any, Any, Any], Any], after: int) -> None:
        """Let `callback(map, key, value)` run once, `after` nanoseconds from now; started anew where it was started.

        callback: a function of the module, which returns nothing; it may start the timer again. MapError where there is
        no memory for a timer, or nobody holds the map.
        """
        on = machine("a timer's start()")
        if not on.start_timer(_address(self), callback, after):
            raise MapError("the timer is not started")

    def cancel(self) -> bool:
        """Whether it was started: it does not fire then. In its own callback it does nothing, and gives False."""
        return machine("a timer's cancel()").helper("timer_cancel", _address(self)) == 1


Timer = bpf_timer


def _address(timer: Any) -> int:
    """Where a timer lies. TypeError for one that is in no map."""
    memory, at, _ = timer._bpf
    if not isinstance(memory, Memory):
        raise TypeError("a timer fires in the value of a map: this one is a copy, or lies on the stack")
    return int(at)


def fire(on: Any, callback: Callable[[Any, Any, Any], Any], owner: Map, key: int, value: int) -> None:
    """Call what a timer was started with. key, value: addresses in the element of `owner` that it stands in."""
    kind, element = owner.key, owner.value
    assert kind is not None, "a map with values has keys"
    assert element is not None, "and values"
    found = loaded(on, kind, key)
    there = array_of(element, 1) if isinstance(element, Storage) else element
    callback(owner, found.copy() if isinstance(found, View) else found, view(there, Memory(on), value))


def count(kind: Any, of: Any = Timer) -> int:
    """How many timers, or others of the kernel's structures, are in a value of a type."""
    if kind is of:
        return 1
    if isinstance(kind, ArrayType):
        return kind.__length__ * count(kind.__element__, of)
    if isinstance(kind, StructType):
        return sum(count(one.type, of) for one in kind.__members__.values())
    return 0


def check(owner: Map) -> None:
    """UsageError for a map whose values cannot have the timers that their type has."""
    made, timers = type(owner).__name__, count(owner.value)
    if not timers:
        return
    if owner.value is Timer:
        raise UsageError(f"{made}: a timer is a field of a value, and no value: class Value: timer: Timer")
    if owner.type not in HOLDERS:
        raise UsageError(
            f"{made}: values of a map of type {owner.type} hold no timers; those of Array, Hash and Hash(lru=True) do"
        )
    if timers > 1:
        raise UsageError(f"{made}: a value holds one timer, and {owner.value!r} has {timers}")


__all__ = ["CLOCK_MONOTONIC", "HOLDERS", "Timer", "bpf_timer", "check", "count", "fire"]
