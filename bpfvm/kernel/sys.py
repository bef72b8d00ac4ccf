"""bpf(2) by ctypes: the call's number, its attribute structures, its errors by name, and who closes its descriptors.

One structure a command, with the fields of include/uapi/linux/bpf.h up to the last that bpfvm uses. The kernel takes
shorter and longer structures than its own as long as the tail that it does not know is zero, so one definition serves
every version; padding is spelled out, so that one definition serves every architecture.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import functools
import os
import platform
import warnings
from collections.abc import Callable
from types import TracebackType

from bpfvm.core.errors import Unavailable, UsageError

# commands, enum bpf_cmd
MAP_CREATE, MAP_LOOKUP_ELEM, MAP_UPDATE_ELEM, MAP_DELETE_ELEM, MAP_GET_NEXT_KEY, PROG_LOAD = range(6)
PROG_TEST_RUN, OBJ_GET_INFO_BY_FD, BTF_LOAD, MAP_LOOKUP_AND_DELETE, MAP_FREEZE, MAP_LOOKUP_BATCH = (
    10,
    15,
    18,
    21,
    22,
    24,
)
MAP_LOOKUP_AND_DELETE_BATCH, MAP_UPDATE_BATCH, MAP_DELETE_BATCH = 25, 26, 27

NAME_LENGTH = 16  # BPF_OBJ_NAME_LEN, with its closing zero
ENOTSUPP = 524  # include/linux/errno.h: the kernel's own "not supported", which leaks to user space without a uapi name

# __NR_bpf of asm/unistd.h, by what uname says; the generic table (280) serves every architecture added since 2012
_NUMBERS = {
    "x86_64": 321, "i386": 357, "i486": 357, "i586": 357, "i686": 357,
    "aarch64": 280, "riscv64": 280, "riscv32": 280, "loongarch64": 280,
    "armv6l": 386, "armv7l": 386, "armv8l": 386, "s390x": 351, "ppc": 361, "ppc64": 361, "ppc64le": 361,
}  # fmt: skip
_NUMBERS_OF_32_BIT_PROCESSES = {"x86_64": 357, "aarch64": 386, "s390x": 351, "ppc64": 361, "ppc64le": 361}


class MapCreate(ctypes.Structure):
    """BPF_MAP_CREATE."""

    _fields_ = (
        ("map_type", ctypes.c_uint32),
        ("key_size", ctypes.c_uint32),
        ("value_size", ctypes.c_uint32),
        ("max_entries", ctypes.c_uint32),
        ("map_flags", ctypes.c_uint32),
        ("inner_map_fd", ctypes.c_uint32),
        ("numa_node", ctypes.c_uint32),
        ("map_name", ctypes.c_char * NAME_LENGTH),
        ("map_ifindex", ctypes.c_uint32),
        ("btf_fd", ctypes.c_uint32),
        ("btf_key_type_id", ctypes.c_uint32),
        ("btf_value_type_id", ctypes.c_uint32),
        ("btf_vmlinux_value_type_id", ctypes.c_uint32),
        ("map_extra", ctypes.c_uint64),
        ("value_type_btf_obj_fd", ctypes.c_int32),
        ("map_token_fd", ctypes.c_int32),
    )


class MapElement(ctypes.Structure):
    """BPF_MAP_LOOKUP_ELEM and the other commands on one element; BPF_MAP_FREEZE uses map_fd alone.

    key, value: addresses; BPF_MAP_GET_NEXT_KEY writes the next key to `value`.
    """

    _fields_ = (
        ("map_fd", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
        ("key", ctypes.c_uint64),
        ("value", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class MapBatch(ctypes.Structure):
    """BPF_MAP_LOOKUP_BATCH and its like.

    count: room or elements in, elements out. in_batch, out_batch: addresses of the place to go on from.
    """

    _fields_ = (
        ("in_batch", ctypes.c_uint64),
        ("out_batch", ctypes.c_uint64),
        ("keys", ctypes.c_uint64),
        ("values", ctypes.c_uint64),
        ("count", ctypes.c_uint32),
        ("map_fd", ctypes.c_uint32),
        ("elem_flags", ctypes.c_uint64),
        ("flags", ctypes.c_uint64),
    )


class BtfLoad(ctypes.Structure):
    """BPF_BTF_LOAD."""

    _fields_ = (
        ("btf", ctypes.c_uint64),
        ("btf_log_buf", ctypes.c_uint64),
        ("btf_size", ctypes.c_uint32),
        ("btf_log_size", ctypes.c_uint32),
        ("btf_log_level", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


class ObjectInfo(ctypes.Structure):
    """BPF_OBJ_GET_INFO_BY_FD. info: an address; info_len: room in, bytes written out."""

    _fields_ = (("fd", ctypes.c_uint32), ("info_len", ctypes.c_uint32), ("info", ctypes.c_uint64))


class ProgLoad(ctypes.Structure):
    """BPF_PROG_LOAD. log_true_size: written by kernels from 6.4 on, the size of log that would have held everything."""

    _fields_ = (
        ("prog_type", ctypes.c_uint32),
        ("insn_cnt", ctypes.c_uint32),
        ("insns", ctypes.c_uint64),
        ("license", ctypes.c_uint64),
        ("log_level", ctypes.c_uint32),
        ("log_size", ctypes.c_uint32),
        ("log_buf", ctypes.c_uint64),
        ("kern_version", ctypes.c_uint32),
        ("prog_flags", ctypes.c_uint32),
        ("prog_name", ctypes.c_char * NAME_LENGTH),
        ("prog_ifindex", ctypes.c_uint32),
        ("expected_attach_type", ctypes.c_uint32),
        ("prog_btf_fd", ctypes.c_uint32),
        ("func_info_rec_size", ctypes.c_uint32),
        ("func_info", ctypes.c_uint64),
        ("func_info_cnt", ctypes.c_uint32),
        ("line_info_rec_size", ctypes.c_uint32),
        ("line_info", ctypes.c_uint64),
        ("line_info_cnt", ctypes.c_uint32),
        ("attach_btf_id", ctypes.c_uint32),
        ("attach_prog_fd", ctypes.c_uint32),
        ("core_relo_cnt", ctypes.c_uint32),
        ("fd_array", ctypes.c_uint64),
        ("core_relos", ctypes.c_uint64),
        ("core_relo_rec_size", ctypes.c_uint32),
        ("log_true_size", ctypes.c_uint32),
    )


class TestRun(ctypes.Structure):
    """BPF_PROG_TEST_RUN. Sizes ending in _out: room in, bytes that the kernel had to give out."""

    __test__ = False  # not a test class

    _fields_ = (
        ("prog_fd", ctypes.c_uint32),
        ("retval", ctypes.c_uint32),
        ("data_size_in", ctypes.c_uint32),
        ("data_size_out", ctypes.c_uint32),
        ("data_in", ctypes.c_uint64),
        ("data_out", ctypes.c_uint64),
        ("repeat", ctypes.c_uint32),
        ("duration", ctypes.c_uint32),
        ("ctx_size_in", ctypes.c_uint32),
        ("ctx_size_out", ctypes.c_uint32),
        ("ctx_in", ctypes.c_uint64),
        ("ctx_out", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("cpu", ctypes.c_uint32),
        ("batch_size", ctypes.c_uint32),
        ("pad", ctypes.c_uint32),
    )


_FIRST = 3  # behind standard input, output and error


class Fd:
    """A descriptor and its only owner: a context manager, closed once, and closed with a warning when forgotten.

    Its number is never 0, 1 or 2, also where the process has closed those: attributes of bpf(2) take 0 for none.
    """

    __slots__ = ("_number",)

    def __init__(self, number: int) -> None:
        self._number: int | None = None  # what `__del__` finds where the next line raises
        self._number = number if number >= _FIRST else _raised(number)

    @property
    def number(self) -> int:
        """The descriptor's number. Raises UsageError after close."""
        if self._number is None:
            raise UsageError("this program is closed; load it again to use it")
        return self._number

    def close(self) -> None:
        """Close the descriptor; again does nothing."""
        number, self._number = self._number, None
        if number is not None:
            os.close(number)

    def __enter__(self) -> Fd:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        if self._number is not None:
            warnings.warn(f"bpf descriptor {self._number} was not closed", ResourceWarning, source=self, stacklevel=2)
            self.close()


def _raised(number: int) -> int:
    """Another descriptor for what the low `number` stands for, which is closed."""
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _FIRST)
    finally:
        os.close(number)


def bpf(command: int, attr: ctypes.Structure) -> int:
    """The kernel's answer, not negative. Raises OSError with its errno; Unavailable where there is no bpf(2).

    Buffers whose addresses stand in `attr` must be kept by the caller.
    """
    result: int = _syscall()(command, ctypes.byref(attr), ctypes.sizeof(attr))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, error_text(number))
    return result


def switched_off() -> str | None:
    """Why the kernel is not to be asked at all, or None: BPFVM_KERNEL=off keeps a process away from bpf(2)."""
    return "bpf(2) is switched off by BPFVM_KERNEL=off" if os.environ.get("BPFVM_KERNEL") == "off" else None


def address(data: bytes | ctypes.Array[ctypes.c_char]) -> int:
    """Where the bytes are in memory; they must outlive the use of the number. Only arrays may be written to."""
    if isinstance(data, bytes):
        return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0
    return ctypes.addressof(data)


def error_name(number: int) -> str:
    """EPERM for 1; ENOTSUPP for 524, which no table of Python has."""
    return "ENOTSUPP" if number == ENOTSUPP else errno.errorcode.get(number, f"errno {number}")


def error_text(number: int) -> str:
    """What the error means, in the C library's words where it has some."""
    return "not supported by this kernel" if number == ENOTSUPP else os.strerror(number)


def call_number(system: str, machine: str, pointer_bytes: int) -> int:
    """The number of bpf(2) for what platform.system() and platform.machine() say of a process of this pointer size.

    Raises Unavailable where there is none.
    """
    if system != "Linux":
        raise Unavailable(f"bpf(2) is a system call of Linux, and this is {system or 'an unknown system'}")
    table = _NUMBERS
    if pointer_bytes == 4 and machine in _NUMBERS_OF_32_BIT_PROCESSES:
        table = _NUMBERS_OF_32_BIT_PROCESSES
    if machine not in table:
        raise Unavailable(f"the number of bpf(2) is not known for {machine}; it is known for {', '.join(_NUMBERS)}")
    return table[machine]


@functools.cache
def _syscall() -> Callable[..., int]:
    """syscall(2) with the first argument bound. Found at first use: importing this module asks nothing of the host."""
    number = call_number(platform.system(), platform.machine(), ctypes.sizeof(ctypes.c_void_p))
    try:
        call = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError) as error:
        raise Unavailable(f"the C library's syscall() cannot be called from this Python: {error}") from None
    call.argtypes = (ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint)
    call.restype = ctypes.c_long
    return functools.partial(call, number)
