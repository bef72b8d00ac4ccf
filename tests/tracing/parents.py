# mypy: disable-error-code="no-untyped-def"
"""Who opens files, and who started it: the current task by its own struct."""

from __future__ import annotations

from bpfvm import Array, UserPtr, bpf, char, comm, current, pid, tid, u64, uid

out = Array(u64, 8)


@bpf.syscall("openat")
def opened(filename: UserPtr[char]):
    task = current()
    out[0] = u64(task.real_parent.tgid)
    out[1] = pid() << 32 | tid()
    out[2] = uid()
    if task.comm.str(16) == comm() and filename.str(16) == "/etc/passwd":
        out[3] += 1
    if task:
        out[4] = task.start_time
