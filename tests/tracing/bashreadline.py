# mypy: disable-error-code="no-untyped-def, no-untyped-call, valid-type, type-arg, arg-type, call-arg, index"
"""What is typed into shells: the kernel half of a tool, at the return of a function of a process."""

from __future__ import annotations

from bpfvm import Ring, UserPtr, bpf, char, comm, pid, struct, u32


@struct
class Line:
    """One line."""

    pid: u32
    text: char[80]


lines = Ring(Line)


@bpf.uretprobe("/bin/bash:readline")
def readline(ret: UserPtr[char]):
    if ret and comm() == "bash":
        lines.submit(Line(pid=pid(), text=ret))
