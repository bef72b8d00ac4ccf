"""One call of BPF_PROG_TEST_RUN: which program, how often, on which CPU, in which network namespace."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from bpfvm.core.bits import M32
from bpfvm.core.errors import BpfvmError, Unavailable, UsageError
from bpfvm.isa.insn import Insn
from bpfvm.kernel.host import privilege
from bpfvm.kernel.sys import PROG_TEST_RUN, Fd, TestRun, bpf, error_name, error_text
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.maps import BY_NAME as MAP_TYPES

T = TypeVar("T")

ONCE = ("syscall", "raw_tracepoint", "struct_ops")  # types that the kernel does not repeat (EINVAL)

_BY_CPU = ("perf_event_array", "lru_hash", "prog_array")  # a table of least use keeps free elements for each CPU
_CLONE_NEWNET = 0x4000_0000
_OF_CPU = {
    HELPERS[name].id for name in ("get_smp_processor_id", "get_numa_node_id", "per_cpu_ptr", "this_cpu_ptr")
}  # fmt: skip


class Call:
    """The program behind `fd`. times: runs in one call. duration: the mean of a run in the last call, ns, by the
    kernel's clock; 0 for types that it does not time."""

    def __init__(self, fd: Fd, times: int = 1) -> None:
        self._fd, self._times = fd, times
        self.duration = 0

    def __call__(self, attr: TestRun, always: bool = False) -> None:
        """always: the kernel is to be told how often, also where it is once.

        Raises OSError with the kernel's errno, Unavailable for several runs that a signal ended.
        """
        attr.prog_fd = self._fd.number
        attr.repeat = self._times if always or self._times > 1 else 0
        try:
            bpf(PROG_TEST_RUN, attr)
        except OSError as error:
            if error.errno == errno.EINTR:
                raise Unavailable(
                    f"a signal came before the last of {self._times} runs, and the kernel does not tell how many were "
                    "done (EINTR): ask for fewer at once, or block signals meanwhile"
                ) from None
            raise
        self.duration = attr.duration


def check_times(times: int, type: str) -> None:
    """UsageError for a count of runs that no call takes, Unavailable for a type that the kernel runs once a call."""
    if not 1 <= times <= M32 >> 1:
        raise UsageError(f"{times} runs in one call: there may be 1 to {M32 >> 1}")
    if times > 1 and type in ONCE:
        raise Unavailable(f"BPF_PROG_TEST_RUN runs a program of type {type} once a call: call run() {times} times")


def tells_cpus_apart(code: Iterable[Insn], maps: Collection[MapSpec]) -> bool:
    """Whether what a program does may depend on the CPU that it runs on. maps: of its object; programs in one of them
    may be called."""
    if any(MAP_TYPES[one.type].per_cpu or one.type in _BY_CPU for one in maps):
        return True
    return any((one.op.name == "call" and one.imm in _OF_CPU) or one.op.name == "call_kfunc" for one in code)


@contextmanager
def on_cpu(number: int) -> Iterator[None]:
    """Keep this thread on one CPU. Unavailable where it may not run there."""
    before = os.sched_getaffinity(0)
    if before == {number}:
        yield
        return
    try:
        os.sched_setaffinity(0, {number})
    except (OSError, OverflowError, ValueError) as error:
        number_of = error.errno if isinstance(error, OSError) else errno.EINVAL
        raise Unavailable(
            f"cpu = {number}: this process may not run there ({error_name(number_of or 0)}); it may on "
            f"{', '.join(map(str, sorted(before)))}"
        ) from None
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def in_network(path: str | None, action: Callable[[], T]) -> T:
    """What `action` gives in the network namespace of `path`, or else in a new one, which has but a loopback interface
    and ends with it. It goes to a thread of its own: a namespace is a thread's.

    Raises Unavailable where namespaces are not allowed, UsageError for a path of none.
    """
    found: list[T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _enter(path)
            found.append(action())
        except BaseException as error:  # told to the caller
            failed.append(error)

    thread = threading.Thread(target=run, name="bpfvm network namespace")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _enter(path: str | None) -> None:
    """Bring this thread into the namespace."""
    libc = ctypes.CDLL(None, use_errno=True)
    if path is None:
        if libc.unshare(_CLONE_NEWNET):
            raise _namespace_error("a network namespace of its own", ctypes.get_errno())
        _loopback_up()
        return
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"network {path!r}: {error.strerror}; `ip netns add NAME` makes /run/netns/NAME") from None
    with Fd(file) as fd:
        if libc.setns(fd.number, _CLONE_NEWNET):
            number = ctypes.get_errno()
            if number == errno.EINVAL:
                raise UsageError(f"network {path!r} is no network namespace; `ip netns add NAME` makes /run/netns/NAME")
            raise _namespace_error(f"entering the network namespace {path}", number)


def _namespace_error(action: str, number: int) -> BpfvmError:
    if number == errno.EPERM:
        return privilege.refusal(action, ("CAP_SYS_ADMIN",))
    return Unavailable(f"{action}: {error_text(number)} ({error_name(number)})")


def _loopback_up() -> None:
    """What comes in by an interface that is down is dropped."""
    import fcntl
    import socket
    import struct

    flags = struct.pack("16sh14x", b"lo", 0x41)  # struct ifreq: IFF_UP, IFF_RUNNING
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, flags)  # SIOCSIFFLAGS
