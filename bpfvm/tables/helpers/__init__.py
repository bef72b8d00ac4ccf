"""Helper functions by their uapi numbers (enum bpf_func_id): all 211; the kernel has added none since 6.2.

Rows stand by theme in the modules of this package; who may call which is in `allowed`. Kinds of arguments are those of
Linux 6.18.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.helpers import maps, packets, sockets, system, tracing
from bpfvm.tables.helpers.allowed import allowed, allowed_in_table
from bpfvm.tables.helpers.row import Arg, Helper, Ret

__all__ = ["BY_ID", "BY_NAME", "HELPERS", "THEMES", "Arg", "Helper", "Ret", "allowed", "allowed_in_table",
           "call_name"]  # fmt: skip

THEMES: Mapping[str, tuple[Helper, ...]] = {
    "maps": maps.ROWS,
    "system": system.ROWS,
    "tracing": tracing.ROWS,
    "packets": packets.ROWS,
    "sockets": sockets.ROWS,
}

HELPERS: tuple[Helper, ...] = tuple(sorted((row for rows in THEMES.values() for row in rows), key=lambda row: row.id))

BY_ID: Mapping[int, Helper] = {row.id: row for row in HELPERS}
BY_NAME: Mapping[str, Helper] = {row.name: row for row in HELPERS}


def call_name(number: int) -> str:
    """A helper as the kernel names it in its texts: "bpf_map_lookup_elem#1"; "unknown#212" for a number without one."""
    row = BY_ID.get(number)
    return row.called if row is not None else f"unknown#{number}"
