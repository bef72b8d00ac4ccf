"""Executable memory, which hosts may refuse to a process (SELinux's execmem, prctl's PR_SET_MDWE). Who makes code asks
before: what is refused later ends the process, in libraries that know no better."""

from __future__ import annotations

import ctypes
import mmap

PROT_EXEC = 4
REFUSED = "this host refuses executable memory to the process"


def may_execute() -> bool:
    """Whether a page that was written may be made executable."""
    with mmap.mmap(-1, mmap.PAGESIZE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as page:
        word = ctypes.c_char.from_buffer(page)
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
        allowed = bool(protect(ctypes.addressof(word), mmap.PAGESIZE, mmap.PROT_READ | PROT_EXEC) == 0)
        del word
    return allowed
