"""Kernel functions on dynptrs: to packets, parts of them in place, parts made dynptrs of their own."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers.dynptrs import (
    LARGEST,
    SKB,
    XDP,
    Dynptr,
    frame_of,
    make,
    memory,
    opened,
    read,
    within,
    write,
)
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.kfuncs import BY_NAME

WRITES_SKB = ("sched_cls", "sched_act", "sk_skb", "lwt_xmit")  # others see packets that they may only read


def _opened(caller: Caller, at: Pointer, name: str, number: int = 1) -> Dynptr:
    return opened(caller, at, f"argument {number} of {BY_NAME[name].called}")


def _from_packet(caller: Caller, context: Context, flags: int, at: Pointer, kind: int) -> int:
    frame = context.frame
    if frame is None:  # of programs on a kernel's functions, which get packets of its own
        raise Stop("helper", "there are no packets of a kernel here, and this program's context has none")
    size = frame.size
    result = -errno.EINVAL if flags else -errno.E2BIG if size > LARGEST else 0
    kind_of = context.access.program_type if context.access is not None else ""
    make(caller, at, 0 if result else kind, context.region.base, size, kind == SKB and kind_of not in WRITES_SKB)
    return result


def dynptr_from_skb(caller: Caller, context: Context, flags: int, at: Pointer) -> int:
    """0 or -EINVAL."""
    return _from_packet(caller, context, flags, at, SKB)


def dynptr_from_xdp(caller: Caller, context: Context, flags: int, at: Pointer) -> int:
    """0 or -EINVAL."""
    return _from_packet(caller, context, flags, at, XDP)


def _slice(caller: Caller, one: Dynptr, offset: int, buffer: Pointer | None, size: int) -> Operand:
    if not one.kind or not within(one.size, offset, size):
        return 0
    if not one.is_packet:
        return memory(caller, one, offset, size)
    found = frame_of(caller).piece(one.offset + offset, size)
    if found is not None:
        return found
    data = read(caller, one, offset, size)
    if buffer is None or isinstance(data, int):
        return 0
    caller.write(buffer, data, "the buffer of a slice")
    return buffer


def dynptr_slice(caller: Caller, at: Pointer, offset: int, buffer: Pointer | None, size: int) -> Operand:
    """The bytes, in place or in the buffer, or 0."""
    return _slice(caller, _opened(caller, at, "bpf_dynptr_slice"), offset & M32, buffer, size)


def dynptr_slice_rdwr(caller: Caller, at: Pointer, offset: int, buffer: Pointer | None, size: int) -> Operand:
    """The same, 0 for what may only be read."""
    one = _opened(caller, at, "bpf_dynptr_slice_rdwr")
    return 0 if one.read_only else _slice(caller, one, offset & M32, buffer, size)


def dynptr_adjust(caller: Caller, at: Pointer, start: int, end: int) -> int:
    """0, -EINVAL or -ERANGE."""
    one, start, end = _opened(caller, at, "bpf_dynptr_adjust"), start & M32, end & M32
    if not one.kind or start > end:
        return -errno.EINVAL
    if end > one.size:
        return -errno.ERANGE
    make(caller, at, one.kind, one.data, end - start, one.read_only, one.offset + start)
    return 0


def dynptr_is_null(caller: Caller, at: Pointer) -> int:
    """1 or 0."""
    return int(not _opened(caller, at, "bpf_dynptr_is_null").kind)


def dynptr_is_rdonly(caller: Caller, at: Pointer) -> int:
    """1 or 0."""
    return int(_opened(caller, at, "bpf_dynptr_is_rdonly").read_only)


def dynptr_size(caller: Caller, at: Pointer) -> int:
    """A number of 32 bits."""
    one = _opened(caller, at, "bpf_dynptr_size")
    return one.size if one.kind else -errno.EINVAL & M32


def dynptr_clone(caller: Caller, at: Pointer, clone: Pointer) -> int:
    """0 or -EINVAL. What a ring buffer's record is given back by is the dynptr that it was reserved by."""
    one = _opened(caller, at, "bpf_dynptr_clone")
    make(caller, clone, one.kind, one.data, one.size, one.read_only, one.offset)
    return 0 if one.kind else -errno.EINVAL


def dynptr_copy(caller: Caller, to: Pointer, to_offset: int, source: Pointer, offset: int, size: int) -> int:
    """0, -E2BIG or -EINVAL."""
    target, one = _opened(caller, to, "bpf_dynptr_copy"), _opened(caller, source, "bpf_dynptr_copy", 3)
    to_offset, offset, size = to_offset & M32, offset & M32, size & M32
    is_inside, is_target_inside = within(one.size, offset, size), within(target.size, to_offset, size)
    if not (one.kind and is_inside) and not (target.kind and not target.read_only and is_target_inside):
        return (-errno.EINVAL if size else 0) if is_inside and is_target_inside else -errno.E2BIG
    data = read(caller, one, offset, size)
    return data if isinstance(data, int) else write(caller, target, to_offset, data, 0)


def dynptr_memset(caller: Caller, at: Pointer, offset: int, size: int, value: int) -> int:
    """0, -E2BIG or -EINVAL."""
    one, offset, size = _opened(caller, at, "bpf_dynptr_memset"), offset & M32, size & M32
    if one.read_only:
        return -errno.EINVAL
    if not within(one.size, offset, size):
        return -errno.E2BIG
    return write(caller, one, offset, bytes([value & 0xFF]) * size, 0) if one.kind else 0


FUNCTIONS: Mapping[str, Function] = {
    "bpf_dynptr_from_skb": dynptr_from_skb,
    "bpf_dynptr_from_xdp": dynptr_from_xdp,
    "bpf_dynptr_slice": dynptr_slice,
    "bpf_dynptr_slice_rdwr": dynptr_slice_rdwr,
    "bpf_dynptr_adjust": dynptr_adjust,
    "bpf_dynptr_is_null": dynptr_is_null,
    "bpf_dynptr_is_rdonly": dynptr_is_rdonly,
    "bpf_dynptr_size": dynptr_size,
    "bpf_dynptr_clone": dynptr_clone,
    "bpf_dynptr_copy": dynptr_copy,
    "bpf_dynptr_memset": dynptr_memset,
}
