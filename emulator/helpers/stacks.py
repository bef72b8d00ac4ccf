"""Helpers on call stacks: there are none offline, and what the kernel says where it cannot walk one is -EFAULT."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.stacks import StackTrace
from bpfvm.emulator.memory import Pointer

SKIP, USER, FAST_COMPARE, REUSE, BUILD_ID = 0xFF, 1 << 8, 1 << 9, 1 << 10, 1 << 11  # BPF_F_*
BUILD_ID_BYTES = 32  # struct bpf_stack_build_id


def get_stackid(caller: Caller, context: Context, store: MapStore, flags: int) -> int:
    """-EINVAL for unknown flags, else -EFAULT."""
    if not isinstance(store, StackTrace):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'get_stackid')}")
    return -errno.EINVAL if flags & ~(SKIP | USER | FAST_COMPARE | REUSE) else -errno.EFAULT


def get_stack(caller: Caller, context: Context, to: Pointer, size: int, flags: int) -> int:
    """-EINVAL for unknown flags and a size that holds no whole entries, else -EFAULT. The memory is zeros after it."""
    caller.write(to, bytes(size), "argument 2 of bpf_get_stack#67")
    if flags & ~(SKIP | USER | BUILD_ID) or (flags & BUILD_ID and not flags & USER):
        return -errno.EINVAL
    return -errno.EINVAL if size % (BUILD_ID_BYTES if flags & BUILD_ID else 8) else -errno.EFAULT


HELPERS: Mapping[str, Function] = {
    "get_stackid": get_stackid,
    "get_stack": get_stack,
}
