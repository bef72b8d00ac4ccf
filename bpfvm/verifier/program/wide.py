"""Wide instructions before the walk: what they name has to be there."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.verifier.domain.regs import MapInfo
from bpfvm.verifier.domain.stack import FAR
from bpfvm.verifier.errors import Rejected, Undecided
from bpfvm.verifier.paths.walk import Setting
from bpfvm.verifier.program.code import Code
from bpfvm.verifier.structures.fields import LIST_HEAD, ROOT

_TRACING = ("kprobe", "tracepoint", "perf_event", "raw_tracepoint", "raw_tracepoint_writable")
_LOCKLESS = {"socket_filter": "socket filter", **dict.fromkeys(_TRACING, "tracing")}
_VALUES = ("lddw_map_value", "lddw_map_idx_value")


def check_kernel_calls(code: Code, setting: Setting) -> None:
    """Calls of kernel functions: Rejected for a program of another license, Undecided for one that is only a number."""
    for _, one in code.each():
        if one.op.name != "call_kfunc":
            continue
        if one.symbol is None:
            raise Undecided("calls a kernel function by its number")
        if not setting.gpl:
            raise Rejected("cannot call kernel function from non-GPL compatible program")


def _check_fields(one: MapInfo, setting: Setting) -> None:
    """Tracing programs do not take maps with some of the kernel's fields."""
    name = setting.row.name
    if name in _TRACING and any(one.record.find(kind) is not None for kind in (LIST_HEAD, ROOT)):
        raise Rejected("tracing progs cannot use bpf_{list_head,rb_root} yet")
    if one.lock is not None and name in _LOCKLESS:
        raise Rejected(f"{_LOCKLESS[name]} progs cannot use bpf_spin_lock yet")
    if one.record.find("bpf_timer") is not None and name in _TRACING:
        raise Rejected("tracing progs cannot use bpf_timer yet")


def check_wide(code: Code, setting: Setting, early: Mapping[int, str]) -> None:
    """early: words for slots that are no instructions. Rejected for the first, or for a map value that is not there."""
    for slot, one in code.each():
        if slot in early:
            raise Rejected(early[slot])
        if slot in setting.maps:
            _check_fields(setting.maps[slot], setting)
        if one.op.name not in _VALUES or slot not in setting.maps:
            continue
        spec, off = setting.maps[slot].spec, one.imm >> 32
        if off >= FAR:
            raise Rejected(f"direct value offset of {off} is not allowed")
        if spec.type != "array" or spec.max_entries != 1 or off >= spec.value_size:
            raise Rejected(f"invalid access to map value pointer, value_size={spec.value_size} off={off}")
