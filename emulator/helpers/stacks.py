"""Helpers on call stacks: those of the input's task; without one, what the kernel says of a stack that it cannot walk.

Facts: helper texts of include/uapi/linux/bpf.h, and what 6.18 answers (kernel_tests/attach/test_tasks.py).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.stacks import BUILD_ID_BYTES, FRAME, StackTrace, cells
from bpfvm.emulator.memory import Pointer

SKIP, USER, FAST_COMPARE, REUSE, BUILD_ID = 0xFF, 1 << 8, 1 << 9, 1 << 10, 1 << 11  # BPF_F_*
DEEPEST = 127  # frames that the kernel walks (kernel.perf_event_max_stack)


def _frames(caller: Caller, flags: int, most: int) -> tuple[int, ...] | None:
    """The present stack without the frames that flags say to skip, at most so many; None where it cannot be walked."""
    task, skip = caller.system.task, flags & SKIP
    stack = None if task is None else task.user if flags & USER else task.kernel
    if stack is None or len(stack[:DEEPEST]) < skip:
        return None
    return stack[: min(most + skip, DEEPEST)][skip:]


def get_stackid(caller: Caller, context: Context, store: MapStore, flags: int) -> int:
    """The stack's number; -EINVAL for unknown flags, -EFAULT where there is no frame, -EEXIST where another stack has
    that number."""
    if not isinstance(store, StackTrace):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'get_stackid')}")
    if flags & ~(SKIP | USER | FAST_COMPARE | REUSE):
        return -errno.EINVAL
    frames = _frames(caller, flags, store.depth)
    return store.keep(frames, bool(flags & FAST_COMPARE), bool(flags & REUSE)) if frames else -errno.EFAULT


def get_stack(caller: Caller, context: Context, to: Pointer, size: int, flags: int) -> int:
    """How many bytes of frames there are; -EINVAL for unknown flags and a size that holds no whole entries, -EFAULT
    without a stack. Zeros fill the rest."""
    by_file = bool(flags & BUILD_ID)
    wrong = flags & ~(SKIP | USER | BUILD_ID) or (by_file and not flags & USER)
    wrong = wrong or size % (BUILD_ID_BYTES if by_file else FRAME)
    frames = None if wrong else _frames(caller, flags, size // (BUILD_ID_BYTES if by_file else FRAME))
    data = cells(frames or (), by_file)
    caller.write(to, data.ljust(size, b"\0"), "argument 2 of bpf_get_stack#67")
    return -errno.EINVAL if wrong else -errno.EFAULT if frames is None else len(data)


HELPERS: Mapping[str, Function] = {
    "get_stackid": get_stackid,
    "get_stack": get_stack,
}
