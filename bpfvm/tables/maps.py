"""Map types: their uapi numbers (enum bpf_map_type) and what a key and a value may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MapType:
    """name: the uapi name in lower case without BPF_MAP_TYPE_. key_size: bytes, or None where the user chooses."""

    name: str
    number: int
    key_size: int | None
    per_cpu: bool = False
    since: str = "3.19"


MAP_TYPES: tuple[MapType, ...] = (MapType("array", 2, key_size=4),)

BY_NAME: Mapping[str, MapType] = {row.name: row for row in MAP_TYPES}
BY_NUMBER: Mapping[int, MapType] = {row.number: row for row in MAP_TYPES}
