"""A filter that makes a process unable to reach the kernel's BPF or the network, and kills it when it tries.

Installed by tests/conftest.py when BPFVM_KERNEL=off, and inherited by every process that a test starts. bpf(2),
perf_event_open(2), socket(2) and every call by another ABI's numbers (32 bits, x32) raise SIGSYS. Free are sockets of
AF_NETLINK (scapy reads routes there) and socketpair(2); AF_UNIX gets an errno, because glibc asks nscd for names and
does without it.

Facts: seccomp(2), linux/seccomp.h, linux/filter.h, asm/unistd.h.
"""

from __future__ import annotations

import ctypes
import faulthandler
import os
import platform
import signal
import struct

# AUDIT_ARCH number, and the system call numbers of bpf, perf_event_open and socket
ARCHITECTURES = {
    "x86_64": (0xC000003E, 321, 298, 41),
    "aarch64": (0xC00000B7, 280, 241, 198),
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, TRAP, ERRNO = 0x7FFF0000, 0x00030000, 0x00050000
EAFNOSUPPORT, AF_UNIX, AF_NETLINK = 97, 1, 16
LOAD, EQUAL, ABOVE, RETURN = 0x20, 0x15, 0x25, 0x06  # classic BPF: ld abs word, jeq, jgt, ret
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data
LAST_NUMBER = 0x3FFFFFFF  # x32 numbers have __X32_SYSCALL_BIT, 0x40000000


def program(machine: str) -> bytes:
    """The filter for a machine of ARCHITECTURES, as struct sock_filter[]."""
    arch, bpf, perf, socket = ARCHITECTURES[machine]
    steps = [
        (LOAD, 0, 0, ARCH),
        (EQUAL, 0, 9, arch),  # to TRAP
        (LOAD, 0, 0, NUMBER),
        (ABOVE, 7, 0, LAST_NUMBER),
        (EQUAL, 6, 0, bpf),
        (EQUAL, 5, 0, perf),
        (EQUAL, 1, 0, socket),
        (RETURN, 0, 0, ALLOW),
        (LOAD, 0, 0, FIRST_ARGUMENT),
        (EQUAL, 3, 0, AF_NETLINK),  # to the last ALLOW
        (EQUAL, 1, 0, AF_UNIX),
        (RETURN, 0, 0, TRAP),
        (RETURN, 0, 0, ERRNO | EAFNOSUPPORT),
        (RETURN, 0, 0, ALLOW),
    ]
    return b"".join(struct.pack("<HBBI", *step) for step in steps)


def show_trapped_calls() -> None:
    """From now on a trapped call shows the Python line that made it, on what is standard error now."""
    faulthandler.register(signal.SIGSYS, file=os.dup(2), all_threads=False, chain=True)  # chain: then it kills


def install() -> str | None:
    """Put the filter on this process for good. The reason in one line where it cannot be, else None."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        return f"no system call numbers for {machine} in tests/offline.py"
    show_trapped_calls()
    code = program(machine)
    filters = ctypes.create_string_buffer(code, len(code))
    header = struct.pack("H6xQ", len(code) // 8, ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return f"prctl(PR_SET_NO_NEW_PRIVS) gave errno {ctypes.get_errno()}"
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        return f"prctl(PR_SET_SECCOMP) gave errno {ctypes.get_errno()}"
    return None
