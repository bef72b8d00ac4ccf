"""Numbers and names of system calls."""

from __future__ import annotations

from bpfvm import bpf
from bpfvm.tables.syscall_numbers import NAMES
from bpfvm.tables.syscalls import ARGUMENTS

RENAMED = {"newstat", "newfstat", "newlstat", "newuname", "sendfile64", "umount"}  # by the kernel's tracepoints


def test_names_by_number() -> None:
    known = {0: "read", 1: "write", 59: "execve", 231: "exit_group", 257: "openat", 334: "rseq", 336: "uprobe",
             424: "pidfd_send_signal", 437: "openat2", 462: "mseal", 469: "file_setattr"}  # fmt: skip
    assert {number: bpf.syscall_name(number) for number in known} == known
    assert [bpf.syscall_name(number) for number in (-1, 400, 470)] == ["[-1]", "[400]", "[470]"]
    assert len(set(NAMES.values())) == len(NAMES)


def test_every_traced_call_has_a_number() -> None:
    assert set(ARGUMENTS) - set(NAMES.values()) == RENAMED
