"""Probes of attaching and of commands, by targets that are none, so that nothing is ever attached.

Which errno says what was measured on 6.18 and is in kernel/bpf/syscall.c: a kernel looks at the attach type or the
command before it looks at the target, so EINVAL is of the former and the other errno is of the latter.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bpfvm.core.errors import BpfvmError
from bpfvm.kernel.attach.calls import (
    LINK_CREATE,
    PERF_NUMBERS,
    PROG_ATTACH,
    RAW_TRACEPOINT_OPEN,
    Attach,
    PerfEvent,
    RawOpen,
)
from bpfvm.kernel.probes.answers import YES, Answer, absent, refused, running, unknown
from bpfvm.kernel.probes.map import create
from bpfvm.kernel.sys import PROG_TEST_RUN, Fd, TestRun, address, bpf, error_name
from bpfvm.obj.btf.types import Enum
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.features import Feature

_NO_FD, _NO_DEVICE = (1 << 32) - 1, (1 << 31) - 1
_LOOPBACK, _HARDWARE_MODE = 1, 8  # ifindex of lo; XDP_FLAGS_HW_MODE, which lo never has
_NO_FAMILY = 99  # a protocol family without netfilter hooks
_MOST_BATCH = 256  # TEST_XDP_MAX_BATCH
_LIVE = 2  # BPF_F_TEST_XDP_LIVE_FRAMES
_NOTHING = ctypes.create_string_buffer(b"bpfvm_no_such_thing")
_ROOT = ctypes.create_string_buffer(b"/")  # a path that is no file to probe


class Link(ctypes.Structure):
    """BPF_LINK_CREATE, with what its kinds have in common; `words` are the union's eight-byte words."""

    _fields_ = (
        *((name, ctypes.c_uint32) for name in ("prog_fd", "target", "attach_type", "flags")),
        ("words", ctypes.c_uint64 * 6),
    )


class Counted(ctypes.Structure):
    """Two numbers of 32 bits in one word of a link's union: flags and cnt of kprobe_multi."""

    _fields_ = (("flags", ctypes.c_uint32), ("count", ctypes.c_uint32))


class Words(ctypes.Structure):
    """Commands that take descriptors and ids."""

    _fields_ = (("words", ctypes.c_uint32 * 6),)


_BY_CGROUP = ("cgroup_", "sk_skb", "sk_msg", "lirc")  # attach types that PROG_ATTACH looks a descriptor up for
_BY_LINK: Mapping[str, tuple[int, int, tuple[int, ...]]] = {
    # attach type -> target, flags, errnos that speak of the target
    "xdp": (_LOOPBACK, _HARDWARE_MODE, (errno.EOPNOTSUPP,)),
    **dict.fromkeys(("tcx_ingress", "tcx_egress", "netkit_primary", "netkit_peer"), (_NO_DEVICE, 0, (errno.ENODEV,))),
    **dict.fromkeys(("flow_dissector", "sk_lookup", "perf_event"), (_NO_FD, 0, (errno.EBADF,))),
    "netfilter": (0, 0, (errno.EAFNOSUPPORT,)),
    **dict.fromkeys(("trace_kprobe_multi", "trace_kprobe_session"), (0, 0, (errno.ESRCH, errno.ENOENT))),
    **dict.fromkeys(("trace_uprobe_multi", "trace_uprobe_session"), (0, 0, (errno.EBADF,))),
}


def accepted(program: int, attach_type: str, by_link: bool, feature: Feature) -> Answer:
    """Whether the kernel knows the attach type of a loaded program. by_link: whether it makes links of it.

    Yes where the load itself tells: tracing, lsm, struct_ops, sk_reuseport, and types without an attach type.
    """
    if not attach_type:
        return YES
    if attach_type in ("xdp_devmap", "xdp_cpumap"):
        return _program_in_map(attach_type.removeprefix("xdp_"), feature)
    number = ATTACH_TYPES[attach_type].number
    if attach_type in _BY_LINK:
        target, flags, wanted = _BY_LINK[attach_type]
        attr = Link(prog_fd=program, target=target, attach_type=number, flags=flags)
        with _targets(attach_type, attr):
            return _asked(LINK_CREATE, attr, wanted, feature)
    if not attach_type.startswith(_BY_CGROUP):
        return YES
    if by_link:
        return _asked(LINK_CREATE, Link(prog_fd=program, target=_NO_FD, attach_type=number), (errno.EBADF,), feature)
    attr_by_fd = Attach(target_fd=_NO_FD, prog_fd=program, attach_type=number)
    return _asked(PROG_ATTACH, attr_by_fd, (errno.EBADF,), feature)


@contextlib.contextmanager
def _targets(attach_type: str, attr: Link) -> Iterator[None]:
    """A function, a file or a family that is none, in `attr`; kept in memory meanwhile."""
    numbers = (ctypes.c_uint64 * 1)(0)
    if attach_type.startswith("trace_kprobe"):
        numbers[0] = ctypes.addressof(_NOTHING)
        counted = Counted(count=1)
        ctypes.memmove(attr.words, ctypes.byref(counted), ctypes.sizeof(counted))
        attr.words[1] = ctypes.addressof(numbers)  # syms
    elif attach_type.startswith("trace_uprobe"):
        attr.words[0], attr.words[1] = ctypes.addressof(_ROOT), ctypes.addressof(numbers)  # path, offsets
        counted = Counted(flags=1)  # cnt, which stands first there
        ctypes.memmove(ctypes.addressof(attr.words) + 32, ctypes.byref(counted), ctypes.sizeof(counted))
    elif attach_type == "netfilter":
        counted = Counted(flags=_NO_FAMILY)  # pf
        ctypes.memmove(attr.words, ctypes.byref(counted), ctypes.sizeof(counted))
    yield


def _asked(number: int, attr: ctypes.Structure, wanted: tuple[int, ...], feature: Feature) -> Answer:
    """A command that must fail: yes where it fails as one that is known does."""
    try:
        Fd(bpf(number, attr)).close()
    except OSError as error:
        return YES if error.errno in wanted else refused(error, feature.config, feature.needs)
    return YES


def _program_in_map(type: str, feature: Feature) -> Answer:
    """Kernels that run programs from devmaps and cpumaps take values with room for a program."""
    try:
        Fd(create(type, value_size=8)).close()
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    return YES


def command(feature: Feature, number: str, wanted: str, places: str) -> Answer:
    """A command of bpf(2) on descriptors or ids that are none. places: the 32-bit words where they stand."""
    attr = Words()
    for place in places:
        attr.words[int(place)] = _NO_FD
    return _asked(int(number), attr, (getattr(errno, wanted),), feature)


def raw_open(feature: Feature, program: int) -> Answer:
    """A raw tracepoint that no kernel has."""
    attr = RawOpen(name=ctypes.addressof(_NOTHING), prog_fd=program)
    return _asked(RAW_TRACEPOINT_OPEN, attr, (errno.ENOENT,), feature)


def iterator(feature: Feature, program: int) -> Answer:
    """A link to an iterator: it runs only when it is read, and is closed at once."""
    return _asked(LINK_CREATE, Link(prog_fd=program, attach_type=ATTACH_TYPES["trace_iter"].number), (), feature)


def test_run(feature: Feature, program: int) -> Answer:
    """One run of a loaded program on an empty frame."""
    frame = bytes(64)
    return _asked(PROG_TEST_RUN, TestRun(prog_fd=program, data_in=address(frame), data_size_in=len(frame)), (), feature)


def live_frames(feature: Feature, program: int) -> Answer:
    """A batch larger than the kernel allows: who knows of live frames says E2BIG. No frame is made."""
    frame = bytes(64)
    attr = TestRun(
        prog_fd=program, data_in=address(frame), data_size_in=len(frame), repeat=1, flags=_LIVE,
        batch_size=_MOST_BATCH + 1,
    )  # fmt: skip
    return _asked(PROG_TEST_RUN, attr, (errno.E2BIG,), feature)


def named(feature: Feature, enum: str, name: str) -> Answer:
    """An enumerator of the kernel's BTF, for what cannot be used without an effect on the whole host."""
    try:
        types = running().types
        number = types.find(Enum, enum)
        found = types[number] if number else None
    except BpfvmError as error:
        return unknown(f"using it acts on the whole host, so it is looked up, and {error}")
    if isinstance(found, Enum) and any(one == name for one, _ in found.values):
        return YES
    return absent(f"the kernel's BTF has no {name} in enum {enum}", feature.config)


_DEVICES = Path("/sys/bus/event_source/devices")
_HARDWARE, _SOFTWARE, _TRACEPOINT = 0, 1, 2  # enum perf_type_id
_DISABLED, _NO_KERNEL = 1, 1 << 5 | 1 << 6  # bits of struct perf_event_attr: disabled; exclude_kernel, exclude_hv
_NO_TRACEPOINT = 1 << 30


def perf(feature: Feature, kind: str) -> Answer:
    """An event of this process alone, not enabled; or one of a probe on what is not there, which opens nothing."""
    if kind in ("kprobe", "uprobe"):
        return _probe_device(feature, kind)
    if kind == "tracepoint":
        return _event(feature, PerfEvent(type=_TRACEPOINT, config=_NO_TRACEPOINT), (errno.EINVAL,))
    if kind == "software":
        return _event(feature, PerfEvent(type=_SOFTWARE), ())
    answer = _event(feature, PerfEvent(type=_HARDWARE), ())
    if answer.have is False and answer.cause == "absent":
        return Answer(False, "no counters of a processor can be reached here, as in most virtual machines", "hardware")
    return answer


def _probe_device(feature: Feature, kind: str) -> Answer:
    try:
        number = int((_DEVICES / kind / "type").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return absent(f"{_DEVICES / kind} is not there", feature.config)
    target = _NOTHING if kind == "kprobe" else _ROOT
    attr = PerfEvent(type=number, config1=ctypes.addressof(target))
    return _event(feature, attr, (errno.EINVAL, errno.ENOENT))


def _event(feature: Feature, attr: PerfEvent, wanted: tuple[int, ...]) -> Answer:
    attr.size, attr.flags = ctypes.sizeof(attr), _DISABLED | _NO_KERNEL
    number = PERF_NUMBERS.get(platform.machine())
    if number is None:
        return unknown(f"the number of perf_event_open(2) is not known for {platform.machine()}")
    fd = _syscall()(number, ctypes.byref(attr), 0, -1, -1, 8)  # this process, any CPU; PERF_FLAG_FD_CLOEXEC
    if fd >= 0:
        Fd(fd).close()
        return YES
    error = OSError(ctypes.get_errno(), error_name(ctypes.get_errno()))
    return YES if error.errno in wanted else refused(error, feature.config, feature.needs)


@functools.cache
def _syscall() -> Callable[..., int]:
    call = ctypes.CDLL(None, use_errno=True).syscall
    call.restype = ctypes.c_long
    return call


def security_modules() -> tuple[int, ...] | None:
    """Numbers of the active LSMs by lsm_list_modules(2), None where the kernel has no such call (before 6.8)."""
    ids, size = (ctypes.c_uint64 * 64)(), ctypes.c_uint32(512)
    found = _syscall()(_LSM_LIST, ids, ctypes.byref(size), 0)
    return tuple(ids[:found]) if found >= 0 else None


_LSM_LIST = 461  # the same on all architectures of sys.call_number: numbers are shared since 5.1
