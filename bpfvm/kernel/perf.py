"""perf_event_open(2) for what programs send: one event a CPU, and the buffer that the kernel writes its samples to.

struct perf_event_attr, struct perf_event_mmap_page and the records are those of include/uapi/linux/perf_event.h.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import platform
import struct
from collections.abc import Callable, Iterator

from bpfvm.core.errors import Unavailable
from bpfvm.kernel import privilege
from bpfvm.kernel.elements import BYTE_ORDER
from bpfvm.kernel.sys import Fd, error_name, error_text

PAGES = 64  # of a CPU's buffer, a power of two

_SOFTWARE, _BPF_OUTPUT, _RAW, _FORMAT_LOST = 1, 10, 1 << 10, 1 << 4
_SAMPLE, _LOST = 9, 2  # PERF_RECORD_SAMPLE, PERF_RECORD_LOST
_CLOEXEC = 8
_ATTR = struct.Struct("=IIQQQQQI60x")  # type, size, config, sample_period, sample_type, read_format, flags, wakeup
_HEAD, _TAIL, _OFFSET, _SIZE = (at // 8 for at in (1024, 1032, 1040, 1048))  # words of the first page
_RECORD = struct.Struct("=IHH")  # type, misc, size

# __NR_perf_event_open of asm/unistd.h, by what uname says; the generic table has 241
_NUMBERS = {
    "x86_64": 298, "aarch64": 241, "riscv64": 241, "loongarch64": 241, "s390x": 331, "ppc64": 319, "ppc64le": 319,
}  # fmt: skip


class Event:
    """The event of one CPU, and its buffer. fd: what stands in a map. lost: samples that found no room until now."""

    def __init__(self, fd: Fd, counts: bool) -> None:
        """counts: the descriptor tells what was lost; else only the buffer does, and later. Raises OSError."""
        self.fd, self._counts, self._told = fd, counts, 0
        self._map()

    @classmethod
    def open(cls, cpu: int) -> Event | None:
        """None for a CPU that is not online. Raises Unavailable where the kernel or the host does not allow it."""
        for read_format in (_FORMAT_LOST, 0):  # which kernels before 6.0 do not have
            try:
                fd = Fd(_open(cpu, read_format))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return None
                if error.errno == errno.EINVAL and read_format:
                    continue
                raise _refused(error.errno or 0) from None
            try:
                return cls(fd, read_format != 0)
            except OSError as error:
                fd.close()
                raise _refused(error.errno or 0) from None
        raise AssertionError("the last try returns or raises")

    def read(self) -> list[bytes]:
        """The samples in the buffer, each as long as the kernel says, with the zeros behind it; they are taken out.

        The buffer is a fresh one after it: the kernel leaves in the padding of a sample what was there before, and
        user space cannot write there.
        """
        found = []
        for kind, body in self._records():
            if kind == _SAMPLE:
                size = int.from_bytes(body[:4], BYTE_ORDER)
                found.append(body[4 : 4 + size])
            elif kind == _LOST:
                self._told += int.from_bytes(body[8:16], BYTE_ORDER)
        if self._words[_HEAD] or any(self._data[: _RECORD.size]):  # a sample of 64 KiB is written and does not count
            self._unmap()
            self._map()
        return found

    @property
    def lost(self) -> int:
        if not self._counts:
            return self._told
        return int.from_bytes(os.read(self.fd.number, 16)[8:], BYTE_ORDER)

    def close(self) -> None:
        self._unmap()
        self.fd.close()

    def _map(self) -> None:
        size = (1 + PAGES) * mmap.PAGESIZE
        self._shared = mmap.mmap(self.fd.number, size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        self._words = memoryview(self._shared).cast("Q")
        start, self._size = self._words[_OFFSET], self._words[_SIZE]
        self._data = memoryview(self._shared)[start : start + self._size]

    def _unmap(self) -> None:
        self._data.release()
        self._words.release()
        self._shared.close()

    def _records(self) -> Iterator[tuple[int, bytes]]:
        """Kind and bytes behind the header."""
        at, end = self._words[_TAIL], self._words[_HEAD]
        while at < end:
            kind, _, size = _RECORD.unpack(self._at(at, _RECORD.size))
            if size < _RECORD.size:
                return  # no record: the kernel writes none
            yield kind, self._at(at + _RECORD.size, size - _RECORD.size)
            at += size

    def _at(self, at: int, size: int) -> bytes:
        """Bytes at a position, which may run over the end of the buffer."""
        start = at % self._size
        first = min(size, self._size - start)
        return bytes(self._data[start : start + first]) + bytes(self._data[: size - first])


def _open(cpu: int, read_format: int) -> int:
    """A descriptor. Raises OSError."""
    attr = ctypes.create_string_buffer(
        _ATTR.pack(_SOFTWARE, _ATTR.size, _BPF_OUTPUT, 1, _RAW, read_format, 0, 1), _ATTR.size
    )
    result: int = _syscall()(ctypes.addressof(attr), -1, cpu, -1, _CLOEXEC)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, error_text(number))
    return result


@functools.cache
def _syscall() -> Callable[..., int]:
    """syscall(2) with the first argument bound."""
    machine = platform.machine()
    if machine not in _NUMBERS or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise Unavailable(f"the number of perf_event_open(2) is not known for {machine}")
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.argtypes = (ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ulong)
    call.restype = ctypes.c_long
    return functools.partial(call, _NUMBERS[machine])


def _refused(number: int) -> Unavailable:
    if number in (errno.EPERM, errno.EACCES):
        return privilege.refusal("opening a perf event on a whole CPU", ("CAP_PERFMON",))
    return Unavailable(f"perf_event_open(2) for samples of programs: {error_text(number)} ({error_name(number)})")
