"""Helper functions, by the names of their rows in bpfvm.tables.helpers."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.helpers import maps
from bpfvm.emulator.interp import Helper

IMPLEMENTED: Mapping[str, Helper] = {
    "map_lookup_elem": maps.map_lookup_elem,
    "map_update_elem": maps.map_update_elem,
    "map_delete_elem": maps.map_delete_elem,
}
