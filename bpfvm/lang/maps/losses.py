"""Where an object counts the events of a map that found no room: a global variable of 8 bytes, called after the map.

    events_lost, in a section of its own, .bss.events_lost

Programs of this compiler count there where they are attached, or compiled to be read by `bpfvm trace --object`; those
of other compilers may do the same: `__u64 events_lost;` and `__sync_fetch_and_add(&events_lost, 1)`. A program that
finds a ring in a map of maps knows that one's name alone, and counts for all rings in it: `rings_lost`.
"""

from __future__ import annotations

from bpfvm.obj.elf.datasec import BSS

SIZE = 8  # bytes of a count


def variable(name: str) -> str:
    """That of the map `name`."""
    return f"{name}_lost"


def section(name: str) -> str:
    """Where this compiler puts that of the map `name`."""
    return f"{BSS}.{variable(name)}"


__all__ = ["SIZE", "section", "variable"]
