"""Memory that user space shares with the kernel: how it is mapped, and in which order it is read and written."""

from __future__ import annotations

import ctypes
import mmap
import threading
from typing import Protocol

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.sys import Fd, error_name, error_text
from bpfvm.obj.model import MapSpec

PAGE = mmap.PAGESIZE
READ, WRITE = mmap.PROT_READ, mmap.PROT_READ | mmap.PROT_WRITE

_LOCK = threading.Lock()


class KernelSide(Protocol):
    """What a reader needs of a map: kernel.maps.map.KernelMap. entries: as it was created with."""

    @property
    def spec(self) -> MapSpec: ...

    @property
    def entries(self) -> int: ...

    @property
    def fd(self) -> Fd: ...


def shared(fd: Fd, name: str, size: int, access: int, offset: int) -> mmap.mmap:
    """The memory of map `name`. Raises Unavailable where the kernel does not share it.

    Nobody needs to close it: it is unmapped when the last view of it is gone, and never under one.
    """
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        raise Unavailable(f"map {name}: positions in its memory are words of 8 bytes, which this Python, a process "
                          f"of 32 bits, reads in two parts; use one of 64 bits")  # fmt: skip
    try:
        return mmap.mmap(fd.number, size, mmap.MAP_SHARED, access, offset=offset)
    except OSError as error:
        number = error.errno or 0
        raise Unavailable(
            f"map {name}: its memory cannot be mapped: {error_text(number)} ({error_name(number)})"
        ) from None


def fence() -> None:
    """Nothing before it is read or written after what follows it, on any processor.

    Taking a lock holds back what follows, giving it back what went before, and a lock given back and taken again in
    this order: together a full barrier, which Python has no other name for. It is what makes a position that was
    written visible before the other side's is read, on x86 too.
    """
    with _LOCK:
        pass
    with _LOCK:
        pass
