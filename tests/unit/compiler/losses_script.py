# mypy: disable-error-code="type-arg, no-untyped-def, valid-type, arg-type, call-arg"
"""A program on a system call that sends more than its ring has room for."""

from __future__ import annotations

from bpfvm import Ring, UserPtr, bpf, char, struct


@struct
class Opened:
    path: char[1000]  # more than a stack has


opened = Ring(Opened, 4096)


@bpf.syscall("openat")
def openat(filename: UserPtr[char]):
    for _ in range(6):
        opened.submit(Opened(path=filename))
