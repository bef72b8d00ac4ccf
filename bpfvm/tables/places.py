"""Sets of program types in words, for columns of the tables: "sched_cls sched_act", "any -xdp", "xdp:xdp_devmap"."""

from __future__ import annotations

import functools
from collections.abc import Mapping

GROUPS: Mapping[str, str] = {
    "tc": "sched_cls sched_act",
    "lwt": "lwt_in lwt_out lwt_xmit lwt_seg6local",
    "trace": "kprobe tracepoint perf_event raw_tracepoint raw_tracepoint_writable",
}


@functools.cache
def expand(words: str, every: str) -> frozenset[str]:
    """The types, and "type:attach type" pairs, that `words` mean; read from left to right.

    every: what "any" stands for. "-word" takes away. Names of GROUPS stand for several types.
    """
    found: set[str] = set()
    for word in words.split():
        name = word.removeprefix("-")
        meant = every if name == "any" else GROUPS.get(name, name)
        if word.startswith("-"):
            found.difference_update(meant.split())
        else:
            found.update(meant.split())
    return frozenset(found)


def covers(places: frozenset[str], program_type: str, attach_type: str | None) -> bool:
    """Whether `places` has the type, or the type at this attach point; without one, the type at any."""
    if program_type in places or f"{program_type}:{attach_type}" in places:
        return True
    return attach_type is None and any(place.startswith(f"{program_type}:") for place in places)
