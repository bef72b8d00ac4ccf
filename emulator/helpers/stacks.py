"""Helpers on call stacks: those of the input's task; without one, what the kernel says of a stack that it cannot walk.

Facts: helper texts of include/uapi/linux/bpf.h, and what 6.18 answers (kernel_tests/attach/test_tasks.py).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.machine import Task
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.stacks import BUILD_ID_BYTES, FRAME, StackTrace, cells
from bpfvm.emulator.memory import Pointer

SKIP, USER, FAST_COMPARE, REUSE, BUILD_ID = 0xFF, 1 << 8, 1 << 9, 1 << 10, 1 << 11  # BPF_F_*
DEEPEST = 127  # frames that the kernel walks (kernel.perf_event_max_stack)


def _frames(task: Task | None, flags: int, most: int) -> tuple[int, ...] | None:
    """A task's stack without the frames that flags say to skip, at most so many; None where it cannot be walked."""
    skip = flags & SKIP
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
    frames = _frames(caller.system.task, flags, store.depth)
    return store.keep(frames, bool(flags & FAST_COMPARE), bool(flags & REUSE)) if frames else -errno.EFAULT


def get_stack(caller: Caller, context: Context, to: Pointer, size: int, flags: int) -> int:
    """How many bytes of frames there are; -EINVAL for unknown flags and a size that holds no whole entries, -EFAULT
    without a stack. Zeros fill the rest."""
    return _written(caller, caller.system.task, to, size, flags, "argument 2 of bpf_get_stack#67")


def get_task_stack(caller: Caller, given: Operand, to: Pointer, size: int, flags: int) -> int:
    """The same of any task that was laid out; of another one's process -EOPNOTSUPP: only its own task walks that."""
    address, system = caller.number(None, given), caller.system
    known = {one.address: one for one in (*system.input.tasks, *((system.task,) if system.task is not None else ()))}
    task = known.get(address)
    if not address or task is None:
        raise Stop("helper", f"bpf_get_task_stack#141: no task was given whose struct is at {address:#x}; let an event "
                   "happen by a Task(kernel_stack=[…]), or give one as an argument")  # fmt: skip
    is_other = system.task is None or system.task.address != address
    return _written(caller, task, to, size, flags, "argument 2 of bpf_get_task_stack#141", is_other)


def _written(
    caller: Caller, task: Task | None, to: Pointer, size: int, flags: int, what: str, is_other: bool = False
) -> int:  # fmt: skip
    by_file = bool(flags & BUILD_ID)
    wrong = flags & ~(SKIP | USER | BUILD_ID) or (by_file and not flags & USER)
    wrong = wrong or size % (BUILD_ID_BYTES if by_file else FRAME)
    cannot = is_other and bool(flags & USER)
    frames = None if wrong or cannot else _frames(task, flags, size // (BUILD_ID_BYTES if by_file else FRAME))
    data = cells(frames or (), by_file)
    caller.write(to, data.ljust(size, b"\0"), what)
    if wrong or cannot:
        return -errno.EINVAL if wrong else -errno.EOPNOTSUPP
    return -errno.EFAULT if frames is None else len(data)


HELPERS: Mapping[str, Function] = {
    "get_stackid": get_stackid,
    "get_stack": get_stack,
    "get_task_stack": get_task_stack,
}
