"""The system calls that an ordinary glibc program makes until it is done, answered without touching the host.

Files of the host are read, never written; what goes to standard output and error is kept. Numbers, structures and
errors are those of x86-64 (uapi asm/unistd_64.h, asm-generic/errno-base.h). A call that is not here is -ENOSYS, which
programs are written to stand, and its number is noted.
"""

from __future__ import annotations

import errno
import stat
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from bpfvm.core.bits import signed
from bpfvm.core.errors import BpfvmError
from bpfvm.emulator.process.memory import PAGE, Memory, MemoryFault

PID = 1000  # of every emulated process
MOST_FILE = 1 << 28  # bytes of a file that is opened
MAP_FIXED, MAP_ANONYMOUS = 0x10, 0x20
ARCH_SET_FS, AT_EMPTY_PATH = 0x1002, 0x1000
TERMINAL = (0, 1, 2)


@dataclass(slots=True)
class File:
    """An open file of the host: its contents, and where reading goes on."""

    data: bytes
    inode: int
    at: int = 0


class Exit(Exception):
    """The process ended with a status."""


class Syscalls:
    """What one process asked for so far. output: standard output and error. unknown: numbers that were refused."""

    def __init__(self, memory: Memory, brk: int, top: int, set_fs: Callable[[int], None]) -> None:
        """brk: where the heap begins. top: where mappings begin. set_fs: sets the thread pointer."""
        self.memory, self.brk, self._brk, self._top, self._set_fs = memory, brk, brk, top, set_fs
        self.output = b""
        self.unknown: dict[int, int] = {}
        self.status: int | None = None
        self._files: dict[int, File] = {}
        self._now = 0

    def call(self, number: int, arguments: list[int]) -> int:
        """The result, a negative errno for an error. Exit when the process is done."""
        function = TABLE.get(number)
        if function is None:
            self.unknown[number] = self.unknown.get(number, 0) + 1
            return -errno.ENOSYS
        try:
            return function(self, arguments)
        except MemoryFault:
            return -errno.EFAULT
        except KeyError:
            return -errno.EBADF
        except BpfvmError:
            return -errno.ENOMEM

    def _file(self, number: int) -> File:
        return self._files[signed(number, 32)]

    def read(self, given: list[int]) -> int:
        if given[0] == 0:
            return 0  # standard input is empty
        file = self._file(given[0])
        data = file.data[file.at : file.at + given[2]]
        self.memory.write(given[1], data)
        file.at += len(data)
        return len(data)

    def pread(self, given: list[int]) -> int:
        data = self._file(given[0]).data[given[3] : given[3] + given[2]]
        self.memory.write(given[1], data)
        return len(data)

    def write(self, given: list[int]) -> int:
        if given[0] not in TERMINAL:
            return -errno.EBADF
        self.output += self.memory.read(given[1], given[2])
        return given[2]

    def writev(self, given: list[int]) -> int:
        if not 0 <= given[2] <= 1024:
            return -errno.EINVAL
        return sum(self.write([given[0], *self.memory.words(given[1] + 16 * one, 2)]) for one in range(given[2]))

    def openat(self, given: list[int]) -> int:
        path = Path(self.memory.text(given[1]).decode("utf-8", "surrogateescape"))
        if given[2] & 3:
            return -errno.EROFS
        try:
            if not path.is_absolute() or not path.is_file():
                return -errno.ENOENT
            if path.stat().st_size > MOST_FILE:
                return -errno.EFBIG
            data = path.read_bytes()
        except (OSError, ValueError) as error:
            return -(getattr(error, "errno", None) or errno.ENOENT)
        number = max(self._files, default=2) + 1
        self._files[number] = File(data, number)
        return number

    def close(self, given: list[int]) -> int:
        if given[0] not in TERMINAL:
            del self._files[signed(given[0], 32)]
        return 0

    def seek(self, given: list[int]) -> int:
        if given[0] in TERMINAL:
            return -errno.ESPIPE
        file = self._file(given[0])
        at = signed(given[1], 64) + (0, file.at, len(file.data))[min(given[2], 2)]
        if given[2] > 2 or at < 0:
            return -errno.EINVAL
        file.at = at
        return at

    def fstat(self, given: list[int]) -> int:
        return self._stat(given[0], given[1])

    def newfstatat(self, given: list[int]) -> int:
        if not given[3] & AT_EMPTY_PATH:
            return -errno.ENOENT
        return self._stat(given[0], given[2])

    def _stat(self, number: int, where: int) -> int:
        """struct stat of x86-64: a regular file, or a terminal."""
        if number in TERMINAL:
            device, inode, mode, size, rdev = 1, 3, stat.S_IFCHR | 0o620, 0, 0x8801
        else:
            file = self._file(number)
            device, inode, mode, size, rdev = 1, file.inode, stat.S_IFREG | 0o644, len(file.data), 0
        head = struct.pack("<QQQIIIIQQQQ", device, inode, 1, mode, 0, 0, 0, rdev, size, PAGE, -(-size // 512))
        self.memory.write(where, head.ljust(144, b"\0"))
        return 0

    def mmap(self, given: list[int]) -> int:
        address, size, _, flags, number, offset = given
        if not size:
            return -errno.EINVAL
        room = -(-size // PAGE) * PAGE
        data = b"" if flags & MAP_ANONYMOUS else self._file(number).data[offset : offset + size]
        if not flags & MAP_FIXED:
            address, self._top = self._top, self._top + room + PAGE
        self.memory.map(address, room)
        if data or flags & MAP_FIXED:
            self.memory.write(address, data.ljust(room, b"\0"))
        return address

    def set_brk(self, given: list[int]) -> int:
        if given[0] >= self._brk:
            self.memory.map(self.brk, max(given[0] - self.brk, 0))
            self.brk = given[0]
        return self.brk

    def arch_prctl(self, given: list[int]) -> int:
        if given[0] != ARCH_SET_FS:
            return -errno.EINVAL
        self._set_fs(given[1])
        return 0

    def getrandom(self, given: list[int]) -> int:
        """Always the same bytes: a run must be the same every time."""
        size = min(given[1], 256)
        self.memory.write(given[0], bytes(range(256))[:size])
        return size

    def clock_gettime(self, given: list[int]) -> int:
        """A microsecond at each reading."""
        self._now += 1000
        self.memory.write(given[1], struct.pack("<QQ", *divmod(self._now, 10**9)))
        return 0

    def uname(self, given: list[int]) -> int:
        words = (b"Linux", b"bpfvm", b"6.18.0", b"#1", b"x86_64", b"")
        self.memory.write(given[0], b"".join(one.ljust(65, b"\0") for one in words))
        return 0

    def exit(self, given: list[int]) -> int:
        self.status = given[0] & 0xFF
        raise Exit


Answer: TypeAlias = "Callable[[Syscalls, list[int]], int]"


def _always(result: int) -> Answer:
    return lambda calls, given: result


TABLE: Mapping[int, Answer] = {
    0: Syscalls.read, 1: Syscalls.write, 3: Syscalls.close, 5: Syscalls.fstat, 8: Syscalls.seek, 9: Syscalls.mmap,
    10: _always(0),  # mprotect
    11: _always(0),  # munmap: the memory stays
    12: Syscalls.set_brk,
    13: _always(0),  # rt_sigaction: no signal comes
    14: _always(0),  # rt_sigprocmask
    16: _always(-errno.ENOTTY),  # ioctl
    17: Syscalls.pread, 20: Syscalls.writev,
    21: _always(-errno.ENOENT),  # access: of /etc/ld.so.preload
    28: _always(0),  # madvise
    39: _always(PID), 60: Syscalls.exit, 63: Syscalls.uname,
    89: _always(-errno.EINVAL),  # readlink
    **dict.fromkeys((102, 104, 107, 108), _always(0)),  # getuid and its kin
    110: _always(1),  # getppid
    158: Syscalls.arch_prctl, 186: _always(PID),
    202: _always(0),  # futex: there is one thread
    218: _always(PID),  # set_tid_address
    228: Syscalls.clock_gettime, 231: Syscalls.exit, 257: Syscalls.openat, 262: Syscalls.newfstatat,
    273: _always(0),  # set_robust_list
    302: _always(-errno.ENOSYS),  # prlimit64
    318: Syscalls.getrandom,
    334: _always(-errno.ENOSYS),  # rseq
}  # fmt: skip
