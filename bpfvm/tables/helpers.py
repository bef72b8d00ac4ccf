"""Helper functions by their uapi numbers (enum bpf_func_id), with the kinds of their arguments."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass


class Arg(enum.Enum):
    """What an argument must be."""

    MAP = "a map"
    KEY = "memory of the map's key size"
    VALUE = "memory of the map's value size"
    ANY = "a number"


class Ret(enum.Enum):
    """What r0 is after the call."""

    NUMBER = "a number"
    VALUE_OR_NULL = "a pointer to a map value, or null"


@dataclass(frozen=True, slots=True)
class Helper:
    """One helper. args: at most five, in r1 to r5."""

    id: int
    name: str
    args: tuple[Arg, ...]
    ret: Ret
    since: str
    doc: str


HELPERS: tuple[Helper, ...] = (
    Helper(1, "map_lookup_elem", (Arg.MAP, Arg.KEY), Ret.VALUE_OR_NULL, "3.19",
           "Pointer to the value stored under *key, or null."),
    Helper(2, "map_update_elem", (Arg.MAP, Arg.KEY, Arg.VALUE, Arg.ANY), Ret.NUMBER, "3.19",
           "Store *value under *key; flags: 0 any, 1 only a new key, 2 only an existing one. 0 or a negative errno."),
    Helper(3, "map_delete_elem", (Arg.MAP, Arg.KEY), Ret.NUMBER, "3.19",
           "Remove *key. 0 or a negative errno; arrays refuse with -EINVAL."),
)  # fmt: skip

BY_ID: Mapping[int, Helper] = {row.id: row for row in HELPERS}
BY_NAME: Mapping[str, Helper] = {row.name: row for row in HELPERS}
