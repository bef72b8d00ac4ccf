"""Wide instructions before the walk: what they name has to be there."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.verifier.code import Code
from bpfvm.verifier.errors import Rejected
from bpfvm.verifier.stack import FAR
from bpfvm.verifier.walk import Setting

_TRACING = ("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable")
_LOCKLESS = {"socket_filter": "socket filter", **dict.fromkeys(_TRACING, "tracing")}
_VALUES = ("lddw_map_value", "lddw_map_idx_value")


def check_wide(code: Code, setting: Setting, early: Mapping[int, str]) -> None:
    """early: words for slots that are no instructions. Rejected for the first, or for a map value that is not there."""
    for slot, one in code.each():
        if slot in early:
            raise Rejected(early[slot])
        if slot in setting.maps and setting.maps[slot].lock is not None and setting.row.name in _LOCKLESS:
            raise Rejected(f"{_LOCKLESS[setting.row.name]} progs cannot use bpf_spin_lock yet")
        if one.op.name not in _VALUES or slot not in setting.maps:
            continue
        spec, off = setting.maps[slot].spec, one.imm >> 32
        if off >= FAR:
            raise Rejected(f"direct value offset of {off} is not allowed")
        if spec.type != "array" or spec.max_entries != 1 or off >= spec.value_size:
            raise Rejected(f"invalid access to map value pointer, value_size={spec.value_size} off={off}")
