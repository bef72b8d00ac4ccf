"""What attaching asks of the kernel: BPF_LINK_CREATE and its like, perf_event_open(2), and their errors in words.

Structures are those of include/uapi/linux/bpf.h and perf_event.h.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import platform
import struct
from collections.abc import Callable

from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.kernel.host import privilege
from bpfvm.kernel.sys import Fd, bpf, error_name, error_text

# commands, enum bpf_cmd
PROG_ATTACH, PROG_DETACH, RAW_TRACEPOINT_OPEN, LINK_CREATE, LINK_UPDATE, ITER_CREATE = 8, 9, 17, 28, 29, 33

# perf_event_open(2) by architecture: asm/unistd.h; the generic table (241) serves every architecture since 2012
PERF_NUMBERS = {
    "x86_64": 298, "i386": 336, "i686": 336, "aarch64": 241, "riscv64": 241, "riscv32": 241, "loongarch64": 241,
    "armv7l": 364, "armv8l": 364, "s390x": 331, "ppc64": 319, "ppc64le": 319,
}  # fmt: skip
_CLOEXEC = 8  # PERF_FLAG_FD_CLOEXEC
_SET_BPF, _ENABLE = 0x40042408, 0x2400  # ioctls of perf_event.h
_ROOM = 48  # bytes of the union in BPF_LINK_CREATE that bpfvm uses
FREQUENCY = 1 << 10  # bit `freq` of struct perf_event_attr


class Attach(ctypes.Structure):
    """BPF_PROG_ATTACH and BPF_PROG_DETACH."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("target_fd", "prog_fd", "attach_type", "flags"))


class LinkCreate(ctypes.Structure):
    """BPF_LINK_CREATE; `rest` is the union, packed by who knows the kind."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("prog_fd", "target", "attach_type", "flags")),
        ("rest", ctypes.c_char * _ROOM),
    )


class RawOpen(ctypes.Structure):
    """BPF_RAW_TRACEPOINT_OPEN. name: an address, 0 for programs whose load told the target."""

    _fields_ = (("name", ctypes.c_uint64), ("prog_fd", ctypes.c_uint32), ("pad", ctypes.c_uint32),
                ("cookie", ctypes.c_uint64))  # fmt: skip


class Update(ctypes.Structure):
    """BPF_LINK_UPDATE, and BPF_ITER_CREATE (its first two)."""

    _fields_ = tuple((name, ctypes.c_uint32) for name in ("link_fd", "new_prog_fd", "flags", "old_prog_fd"))


class PerfEvent(ctypes.Structure):
    """struct perf_event_attr up to config2, in its first published size (PERF_ATTR_SIZE_VER1)."""

    _fields_ = (
        ("type", ctypes.c_uint32), ("size", ctypes.c_uint32), ("config", ctypes.c_uint64), ("period", ctypes.c_uint64),
        ("sample_type", ctypes.c_uint64), ("read_format", ctypes.c_uint64), ("flags", ctypes.c_uint64),
        ("wakeup", ctypes.c_uint32), ("bp_type", ctypes.c_uint32), ("config1", ctypes.c_uint64),
        ("config2", ctypes.c_uint64),
    )  # fmt: skip


def link(program: int, target: int, attach_type: int, flags: int = 0, layout: str = "", *words: int) -> Fd:
    """BPF_LINK_CREATE. layout, words: the union as struct packs it. Raises OSError."""
    rest = struct.pack(f"={layout}", *words)
    attr = LinkCreate(prog_fd=program, target=target, attach_type=attach_type, flags=flags)
    ctypes.memmove(ctypes.addressof(attr) + LinkCreate.rest.offset, rest, len(rest))
    return Fd(bpf(LINK_CREATE, attr))


def raw_open(program: int, name: str = "", cookie: int = 0) -> Fd:
    """BPF_RAW_TRACEPOINT_OPEN. Raises OSError."""
    text = ctypes.create_string_buffer(name.encode())
    where = ctypes.addressof(text) if name else 0
    return Fd(bpf(RAW_TRACEPOINT_OPEN, RawOpen(name=where, prog_fd=program, cookie=cookie)))


def perf_event(event: PerfEvent, pid: int = -1, cpu: int = -1) -> Fd:
    """perf_event_open(2). Raises OSError; Unavailable where its number is not known."""
    number = PERF_NUMBERS.get(platform.machine())
    if number is None:
        raise Unavailable(f"the number of perf_event_open(2) is not known for {platform.machine()}")
    event.size = ctypes.sizeof(event)
    fd = _syscall()(number, ctypes.byref(event), pid, cpu, -1, _CLOEXEC)
    if fd < 0:
        raise OSError(ctypes.get_errno(), error_text(ctypes.get_errno()))
    return Fd(fd)


def set_program(event: Fd, program: int) -> None:
    """Let the event run the program; for kernels whose events make no link. Raises OSError."""
    fcntl.ioctl(event.number, _SET_BPF, program)


def enable(event: Fd) -> None:
    """Let the event count. Raises OSError."""
    fcntl.ioctl(event.number, _ENABLE, 0)


def failure(what: str, error: OSError, needs: tuple[str, ...], told: dict[int, str] | None = None) -> BpfvmError:
    """The error that attaching `what` ended with. told: what an errno means there, with its remedy."""
    number = error.errno or 0
    if told and number in told:
        return UsageError(f"{what}: {told[number]} ({error_name(number)})")
    if number in (errno.EPERM, errno.EACCES):
        return privilege.refusal(what, needs)
    if number in (errno.EBUSY, errno.EEXIST):
        return UsageError(f"{what}: something is attached there already ({error_name(number)}); detach it first")
    return Unavailable(f"{what}: {error_text(number)} ({error_name(number)})")


@functools.cache
def _syscall() -> Callable[..., int]:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    return call
