"""Mapped files that somebody cuts short while they are read, as tcpdump does with the oldest file of a ring of files.

A page that its file no longer has ends a process by SIGBUS when it is touched (mmap(2)). While a mapping is watched, a
handler of that signal puts zeros in the place of the rest of it and notes that: reading goes on to where the note is
looked at. Handlers of Python's own module run when the instruction that faults has ended, which it never does: this one
is called in its place, and calls Python. Where sigaction(2)'s structure is not known, things stay as they are.
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import signal
from typing import Any

from bpfvm.emulator.native.captures.mapping import put_zeros

SA_SIGINFO = 4  # sigaction(2)
ALIKE = ("x86_64", "aarch64", "riscv64", "ppc64le")  # libc's structure is the same on these, and `SI_ADDR`
SI_ADDR = 16  # where siginfo_t has the address, of 64 bits


class _Action(ctypes.Structure):
    """struct sigaction of glibc and musl."""

    _fields_ = (
        ("handler", ctypes.c_void_p), ("mask", ctypes.c_ubyte * 128), ("flags", ctypes.c_int),
        ("restorer", ctypes.c_void_p),
    )  # fmt: skip


class Watched:
    """Addresses where a file is mapped. cut: whether a page of it was missing."""

    def __init__(self, start: int, size: int) -> None:
        self.start, self.size, self.cut = start, size, False
        _watch(self)

    def close(self) -> None:
        """The mapping is not read any more."""
        if self in _watched:
            _watched.remove(self)
            if not _watched:
                _restore()


_Handler = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_watched: list[Watched] = []
_before: _Action | None = None  # what the process did about the signal
_handler: Any = None


def _watch(one: Watched) -> None:
    global _before, _handler
    _watched.append(one)
    if len(_watched) > 1 or platform.machine() not in ALIKE:
        return
    if _handler is None:
        try:
            _handler = _Handler(_missing)
        except (MemoryError, OSError):  # no memory that can be executed
            return
    new, old = _Action(ctypes.cast(_handler, ctypes.c_void_p), flags=SA_SIGINFO), _Action()
    if _act(new, old):
        _before = old


def _restore() -> None:
    global _before
    if _before is not None:
        _act(_before, None)
        _before = None


def _missing(number: int, info: int, context: int) -> None:
    """The signal: zeros for what is watched; whoever was there before is told of the rest, for it comes again."""
    place = ctypes.c_uint64.from_address(info + SI_ADDR).value
    for one in _watched:
        if one.start <= place < one.start + one.size:
            page = place // mmap.PAGESIZE * mmap.PAGESIZE
            one.cut = True
            if not put_zeros(page, one.start + one.size - page):
                return
    _restore()


def _act(new: _Action, old: _Action | None) -> bool:
    """sigaction(2): whether that was done."""
    call = ctypes.CDLL(None).sigaction
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
    return not call(signal.SIGBUS, ctypes.byref(new), ctypes.byref(old) if old is not None else None)
