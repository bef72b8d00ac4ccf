"""Map declarations: what a map is called, holds and can hold. What `m[k]` does is asked of the active machine."""

from __future__ import annotations

from bpfvm.lang.maps.base import MAX_ENTRIES, NOEXIST, Map, MapError
from bpfvm.lang.maps.keyed import Array, Counter, Hash, Hashed, Keyed

__all__ = ["MAX_ENTRIES", "NOEXIST", "Array", "Counter", "Hash", "Hashed", "Keyed", "Map", "MapError"]
