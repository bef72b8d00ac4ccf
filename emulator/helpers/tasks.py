"""The task that a program runs in: the input's, else this process, as for BPF_PROG_TEST_RUN, which runs programs in who
asks for it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from bpfvm.core.bits import M64, signed
from bpfvm.core.machine import Task
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers.missing import why_missing
from bpfvm.emulator.memory import Pointer

_COMM = Path("/proc/thread-self/comm")
_NAME = 15  # bytes of a task's name, without its zero


def pid_tgid(caller: Caller) -> int:
    """The process's id above, the thread's below."""
    task = caller.system.task
    if task is not None:
        return task.pid << 32 | task.tid
    return os.getpid() << 32 | threading.get_native_id()


def uid_gid(caller: Caller) -> int:
    """The group's id above, the user's below: the real ones, in the namespace of the host."""
    task = caller.system.task
    if task is not None:
        return task.gid << 32 | task.uid
    return os.getgid() << 32 | os.getuid()


def comm(caller: Caller, to: Pointer, size: int) -> int:
    """The thread's name, cut to end in a zero; zeros fill the rest."""
    task = caller.system.task
    try:
        name = task.comm[:_NAME] if task is not None else _COMM.read_bytes().rstrip(b"\n")
    except OSError:
        return -errno.EINVAL
    caller.write(to, name[: size - 1].ljust(size, b"\0"), "argument 1 of bpf_get_current_comm#16")
    return 0


def _told(caller: Caller, helper: str) -> Task:
    """The input's task. Stop for a run without one, whose task nobody tells more of."""
    if caller.system.task is None:
        raise Stop("helper", why_missing(helper))
    return caller.system.task


def _object(helper: str) -> Function:
    def address(caller: Caller) -> int:
        return _told(caller, helper).address

    address.__doc__ = f"bpf_{helper}: where the task's struct is."
    return address


def cgroup_id(caller: Caller) -> int:
    """The id of the task's cgroup."""
    return _told(caller, "get_current_cgroup_id").cgroups[-1]


def ancestor_cgroup_id(caller: Caller, level: int) -> int:
    """The id of the cgroup of this level above the task's, 0 where there is none."""
    above = _told(caller, "get_current_ancestor_cgroup_id").cgroups
    number = signed(level, 32)
    return above[number] if 0 <= number < len(above) else 0


def find_vma(caller: Caller, task: Operand, address: int, function: int, context: Operand, flags: int) -> int:
    """0 where the function was called for the area that an address is in; -ENOENT where it is in none."""
    if flags:
        return -errno.EINVAL
    known = caller.system.task.areas if caller.system.task is not None else {}
    areas = known.get(caller.number(None, task))
    if areas is None:
        what = "is asked for the memory of a task of which nobody says what areas it has"
        raise Stop("helper", f"bpf_find_vma#180 {what}: Task(7, vmas=[(0x400000, 0x401000)])")
    for start, end, area in areas:
        if start <= address < end:
            caller.call(function, (task, area, context))
            return 0
    return -errno.ENOENT


def func_ip(caller: Caller, context: Context) -> int:
    """The address of the probed function."""
    if caller.system.function is None:
        raise Stop("helper", why_missing("get_func_ip"))
    return caller.system.function & M64


def attach_cookie(caller: Caller, context: Context) -> int:
    """What was given when the program was attached, 0 for nothing."""
    return caller.system.cookie & M64


HELPERS: Mapping[str, Function] = {
    "get_current_pid_tgid": pid_tgid,
    "get_current_uid_gid": uid_gid,
    "get_current_comm": comm,
    "get_current_task": _object("get_current_task"),
    "get_current_task_btf": _object("get_current_task_btf"),
    "get_current_cgroup_id": cgroup_id,
    "get_current_ancestor_cgroup_id": ancestor_cgroup_id,
    "find_vma": find_vma,
    "get_func_ip": func_ip,
    "get_attach_cookie": attach_cookie,
}
