"""The task that a program runs in: this process, as for BPF_PROG_TEST_RUN, which runs programs in who asks for it."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.memory import Pointer

_COMM = Path("/proc/thread-self/comm")


def pid_tgid(caller: Caller) -> int:
    """The process's id above, the thread's below."""
    return os.getpid() << 32 | threading.get_native_id()


def uid_gid(caller: Caller) -> int:
    """The group's id above, the user's below: the real ones, in the namespace of the host."""
    return os.getgid() << 32 | os.getuid()


def comm(caller: Caller, to: Pointer, size: int) -> int:
    """The thread's name, cut to end in a zero; zeros fill the rest."""
    try:
        name = _COMM.read_bytes().rstrip(b"\n")
    except OSError:
        return -errno.EINVAL
    caller.write(to, name[: size - 1].ljust(size, b"\0"), "argument 1 of bpf_get_current_comm#16")
    return 0


HELPERS: Mapping[str, Function] = {
    "get_current_pid_tgid": pid_tgid,
    "get_current_uid_gid": uid_gid,
    "get_current_comm": comm,
}
