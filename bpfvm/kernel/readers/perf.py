"""perf_event_open(2) for what programs send: one event a CPU, and the buffer that the kernel writes its samples to.

struct perf_event_attr, struct perf_event_mmap_page and the records are those of include/uapi/linux/perf_event.h. A
sample's payload is as long as the kernel says, which is what the program gave with up to 7 bytes of padding: payload
and the word before it, which is its length, fill whole words of 8 bytes.
"""

from __future__ import annotations

import ctypes
import errno
import functools
import mmap
import os
import platform
import struct
from collections.abc import Callable

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.attach.calls import PERF_NUMBERS
from bpfvm.kernel.host import privilege
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.readers.memory import PAGE, WRITE, fence
from bpfvm.kernel.readers.span import Batch, Scattered, Span, Window
from bpfvm.kernel.sys import Fd, error_name, error_text

PAGES = 64  # of a CPU's buffer, a power of two
HEADER = 12  # bytes before a sample's payload: its record's header, its length

_SOFTWARE, _BPF_OUTPUT, _RAW, _FORMAT_LOST = 1, 10, 1 << 10, 1 << 4
SAMPLE, LOST = 9, 2  # PERF_RECORD_SAMPLE, PERF_RECORD_LOST
_CLOEXEC = 8
_ATTR = struct.Struct("=IIQQQQQI60x")  # type, size, config, sample_period, sample_type, read_format, flags, wakeup
HEAD, TAIL, _OFFSET, _SIZE = (at // 8 for at in (1024, 1032, 1040, 1048))  # words of the first page
RECORD = struct.Struct("=IHH")  # type, misc, size
_FEW = 4  # samples of one size that are worth a span of their own
_LOT = 64  # samples that are taken one by one before their room is given back


class PerfBuffer:
    """Records in a ring of which only the samples and the counts of the lost are looked at.

    told: the lost ones that LOST records spoke of until now; the kernel writes one when there is room again.
    """

    def __init__(self, control: memoryview, data: memoryview) -> None:
        """control: the first page as words of 8 bytes. data: a power of two of bytes."""
        self._control, self._data = control, data.toreadonly()
        self._headers = self._data.cast("Q")
        self._size = len(data)
        self._window = Window()
        self.told = 0

    @property
    def lost(self) -> int | None:
        return self.told

    @property
    def ends(self) -> tuple[int, int]:
        return self._control[TAIL], self._control[HEAD]

    def scan(self, most: int) -> Batch | None:
        at, end = self.ends
        fence()
        while at < end:
            kind, _, size = RECORD.unpack_from(self._data, at % self._size)
            if size < RECORD.size:
                return None  # no record: the kernel writes none
            if kind == SAMPLE:
                return self._run(at, end, size, most)
            self._note(kind, at, size)
            at += size
            self.commit(at)
        return None

    def commit(self, position: int) -> None:
        fence()
        self._control[TAIL] = position
        fence()

    def close(self) -> None:
        self._control = memoryview(bytes(PAGE)).cast("Q")
        self._data = self._headers = memoryview(b"")

    def _run(self, at: int, end: int, step: int, most: int) -> Batch:
        """The samples from `at` on, the first of which takes `step` bytes."""
        start = at % self._size
        count = min(self._window.size, most, (end - at) // step, (self._size - start) // step)
        if not count:  # over the end and on at the beginning
            return Scattered(at, [self._payload(at, step)], [at + step])
        alike = self._window.alike(self._headers[start >> 3 : (start + count * step) >> 3 : step >> 3], most)
        if alike < count and alike < _FEW:
            return self._one_by_one(at, end, min(most, _LOT))
        return Span(self._data[start : start + alike * step + HEADER], at, alike, step, HEADER, step - HEADER)

    def _one_by_one(self, at: int, end: int, most: int) -> Batch:
        found = Scattered(at)
        while at < end and found.count < most:
            kind, _, size = RECORD.unpack_from(self._data, at % self._size)
            if size < RECORD.size:
                break
            if kind == SAMPLE:
                found.payloads.append(self._payload(at, size))
                found.ends.append(at + size)
            else:  # the first is a sample
                self._note(kind, at, size)
                found.ends[-1] = at + size
            at += size
        return found

    def _payload(self, at: int, size: int) -> bytes:
        return self._at(at + HEADER, size - HEADER)

    def _note(self, kind: int, at: int, size: int) -> None:
        if kind == LOST:  # behind the header: id, count
            self.told += int.from_bytes(self._at(at + 16, 8), BYTE_ORDER)

    def _at(self, at: int, size: int) -> bytes:
        """Bytes at a position, which may run over the end of the buffer."""
        start = at % self._size
        first = min(size, self._size - start)
        return bytes(self._data[start : start + first]) + bytes(self._data[: size - first])


class Event(PerfBuffer):
    """The event of one CPU with its buffer. fd: what stands in a map."""

    def __init__(self, fd: Fd, cpu: int, pages: int, counts: bool) -> None:
        """counts: the descriptor tells what was lost; else only the buffer does, and later. Raises OSError."""
        self.fd, self.cpu, self._pages, self._counts = fd, cpu, pages, counts
        super().__init__(*self._mapped())

    @classmethod
    def open(cls, cpu: int, pages: int = PAGES, wakeup: int = 1) -> Event | None:
        """None for a CPU that is not online. wakeup: samples after which readers are woken.

        Raises Unavailable where the kernel or the host does not allow it.
        """
        for read_format in (_FORMAT_LOST, 0):  # which kernels before 6.0 do not have
            try:
                fd = Fd(_open(cpu, read_format, wakeup))
            except OSError as error:
                if error.errno == errno.ENODEV:
                    return None
                if error.errno == errno.EINVAL and read_format:
                    continue
                raise _refused(error.errno or 0) from None
            try:
                return cls(fd, cpu, pages, read_format != 0)
            except OSError as error:
                fd.close()
                raise _no_room(error.errno or 0, pages) from None
        raise AssertionError("the last try returns or raises")

    @property
    def lost(self) -> int | None:
        if not self._counts:
            return self.told
        return int.from_bytes(os.read(self.fd.number, 16)[8:], BYTE_ORDER)

    def renew(self) -> None:
        """Take a fresh buffer, all zeros: the kernel leaves in the padding of a sample what was there before.

        What stood in the old one is gone.
        """
        if self._control[HEAD] or any(self._data[: RECORD.size]):  # a sample of 64 KiB is written and does not count
            told = self.told
            super().close()  # a second mapping would be of the same memory
            super().__init__(*self._mapped())
            self.told = told

    def close(self) -> None:
        super().close()
        self.fd.close()

    def _mapped(self) -> tuple[memoryview, memoryview]:
        whole = memoryview(mmap.mmap(self.fd.number, (1 + self._pages) * PAGE, mmap.MAP_SHARED, WRITE))
        control = whole[:PAGE].cast("Q")
        start, size = control[_OFFSET], control[_SIZE]
        return control, whole[start : start + size]


def _open(cpu: int, read_format: int, wakeup: int) -> int:
    """A descriptor. Raises OSError."""
    attr = ctypes.create_string_buffer(
        _ATTR.pack(_SOFTWARE, _ATTR.size, _BPF_OUTPUT, 1, _RAW, read_format, 0, wakeup), _ATTR.size
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
    if machine not in PERF_NUMBERS or ctypes.sizeof(ctypes.c_void_p) != 8:
        raise Unavailable(f"the number of perf_event_open(2) is not known for {machine}")
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.argtypes = (ctypes.c_long, ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_ulong)
    call.restype = ctypes.c_long
    return functools.partial(call, PERF_NUMBERS[machine])


def _refused(number: int) -> Unavailable:
    if number in (errno.EPERM, errno.EACCES):
        return privilege.refusal("opening a perf event on a whole CPU", ("CAP_PERFMON",))
    return Unavailable(f"perf_event_open(2) for samples of programs: {error_text(number)} ({error_name(number)})")


def _no_room(number: int, pages: int) -> Unavailable:
    said = f"a perf buffer of {pages} pages a CPU: {error_text(number)} ({error_name(number)})"
    if number in (errno.EPERM, errno.ENOMEM):
        return Unavailable(f"{said}; take fewer pages, raise kernel.perf_event_mlock_kb or have CAP_IPC_LOCK")
    return Unavailable(said)
