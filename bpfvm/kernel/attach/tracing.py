"""Programs of the kernel's own functions and tracepoints by BTF, raw tracepoints, iterators."""

from __future__ import annotations

import ctypes
import errno
import struct
from typing import Any

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.kernel.attach import calls, tracefs
from bpfvm.kernel.attach.calls import failure
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place

_NEEDS = ("CAP_BPF", "CAP_PERFMON")
_WORDS = {"trace_raw_tp": "tp_btf", "trace_fentry": "fentry", "trace_fexit": "fexit", "modify_return": "fmod_ret",
          "lsm_mac": "lsm"}  # fmt: skip


def raw_tracepoint(place: Place, target: str, *, cookie: int) -> Link:
    """A raw tracepoint by its name, without a group."""
    try:
        made = calls.raw_open(place.program.number, target, cookie)
    except OSError as error:
        told = {errno.EINVAL: "the program reads more than its arguments, or this kernel takes no cookie (since 6.9)"}
        if error.errno == errno.ENOENT:
            near = tracefs.raw_like(target)
            hint = (f"did you mean {', '.join(near)}?" if near else
                    "names stand in /sys/kernel/tracing/available_events, behind the colon")  # fmt: skip
            raise LoadError(f"{place.name}: this kernel has no raw tracepoint {target!r}; {hint}") from None
        raise failure(f"{place.name}: attaching to raw tracepoint {target}", error, _NEEDS, told) from None
    return Link(place.name, [f"raw tracepoint {target}"], [made])


def by_types(place: Place, target: str | None, *, cookie: int) -> Link:
    """What the program was loaded for: fentry, fexit, fmod_ret, tp_btf, lsm."""
    loaded = place.section.target
    if target is not None and target != loaded:
        raise UsageError(
            f"{place.name}: it is loaded for {loaded}, and is attached to nothing else; change its section"
        )
    where = f"{_WORDS.get(place.section.attach_type or '', 'function')} {loaded}"
    program = place.program.number
    try:
        made = calls.link(program, 0, place.attach_type, 0, "I4xQ", 0, cookie) if cookie else calls.raw_open(program)
    except OSError as error:
        told = {
            errno.EBUSY: "something else rewrites the function (livepatch, ftrace)",
            errno.EINVAL: "this kernel does not take the cookie (since 6.0)" if cookie else "the kernel refuses it",
        }
        raise failure(f"{place.name}: attaching to {where}", error, _NEEDS, told) from None
    return Link(place.name, [where], [made])


def iterator(place: Place, target: Any) -> Link:
    """What an iterator goes over. target: of iterators over a map its elements, the map; of tasks {"pid": n} or
    {"tid": n}; of cgroups {"cgroup": descriptor, "order": 1}."""
    layout, words = "", tuple[int, ...]()
    if isinstance(target, dict):
        layout, words = _info(place, target)
    elif target is not None and not isinstance(target, str):
        layout, words = "I12x", (target if isinstance(target, int) else target.fd.number,)
    kept = None
    if layout:
        kept = ctypes.create_string_buffer(struct.pack(f"={layout}", *words), 16)
    try:
        address, size = (ctypes.addressof(kept), len(kept)) if kept is not None else (0, 0)
        made = calls.link(place.program.number, 0, place.attach_type, 0, "QI", address, size)
    except OSError as error:
        told = {errno.EINVAL: "this iterator wants a target, or another one: a map for bpf_map_elem",
                errno.EBADF: "the target is closed, or is no map"}  # fmt: skip
        raise failure(f"{place.name}: iterator {place.section.target}", error, _NEEDS, told) from None
    return Link(place.name, [f"iterator {place.section.target}"], [made])


def _info(place: Place, target: dict[str, int]) -> tuple[str, tuple[int, ...]]:
    """union bpf_iter_link_info of include/uapi/linux/bpf.h."""
    if target.keys() <= {"tid", "pid"}:
        return "III4x", (target.get("tid", 0), target.get("pid", 0), 0)
    if target.keys() <= {"cgroup", "order"}:
        return "IIQ", (target.get("order", 0), target.get("cgroup", 0), 0)
    raise UsageError(f"{place.name}: an iterator's target is a map, {{'pid': n}}, {{'tid': n}} or {{'cgroup': fd}}")
