"""Helpers that read memory at any address: the arena's objects, and -EFAULT elsewhere.

Kernel and user memory are one here, unless a process runs beside the programs (System.process): then user space is its
memory. Memory that an input gives (System.given) is a process's below 2**47, and the kernel's above, beside the arena.
What is read is whole objects of the arena, past the end of a smaller one inside.
Errors are those of 6.18 on x86-64: what reads the kernel calls addresses of user space, and those that no pointer can
be, out of range (-ERANGE), before it looks at the size.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.memory import Arena, Pointer
from bpfvm.emulator.system import UserMemory

USER_END = 1 << 47  # no kernel memory lies below
PAGE = 1 << 12
CANONICAL = 56  # bits of an address below the sign


class Reader:
    """Bytes and texts at plain addresses."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena

    def rest(self, address: int) -> int:
        """How many bytes can be read from an address on."""
        region = self._arena.find(address)
        if region is None or not region.live or not region.readable:
            return 0
        offset = address - region.base
        return region.size - offset if 0 <= offset < region.size else 0

    def peek(self, address: int, size: int) -> bytes | None:
        """`size` bytes, None where there are not as many."""
        rest = self.rest(address)
        return self._arena.read(address, size) if rest and rest >= size else None

    def text(self, address: int, size: int) -> bytes | None:
        """Bytes up to a zero, at most size - 1 of them; None where the memory ends before."""
        rest = self.rest(address)
        found, zero, _ = self._arena.read(address, min(rest, size)).partition(b"\0")
        if zero or (rest >= size and size):
            return found[: size - 1]
        return None


class UserReader:
    """The same of a process, or of what an input gives."""

    def __init__(self, memory: UserMemory) -> None:
        self.peek = memory.read_user
        self._memory = memory

    def text(self, address: int, size: int) -> bytes | None:
        """Bytes up to a zero, at most size - 1 of them; None where the memory ends before."""
        found = b""
        while len(found) < size:
            at = address + len(found)
            piece = self._memory.read_user(at, min(PAGE - at % PAGE, size - len(found)))
            if piece is None:  # memory that ends within a page
                piece = self._memory.read_user(at, 1)
            if piece is None:
                return None
            head, zero, _ = piece.partition(b"\0")
            found += head
            if zero:
                return found
        return found[: size - 1]


def _reader(caller: Caller, address: int, kernel: bool, mixed: bool) -> Reader | UserReader:
    """What an address is read from."""
    given = caller.system.given
    if given is not None and (address >= USER_END or not kernel or mixed):
        reader = UserReader(given)
        if address < USER_END or reader.peek(address, 1) is not None:
            return reader
    process = caller.system.process
    if process is None or (kernel and not mixed) or (mixed and process.read_user(address, 1) is None):
        return Reader(caller.system.arena)
    return UserReader(process)


def error(address: int, size: int, kernel: bool) -> int:
    """The errno where nothing is to be read, 0 where nothing is asked for at an address that could be."""
    if not kernel:
        return errno.EFAULT if size or address >= USER_END else 0
    if address < USER_END or address >> CANONICAL not in (0, (1 << (64 - CANONICAL)) - 1):
        return errno.ERANGE
    return errno.EFAULT if size else 0


def _is_kernels(address: int, mixed: bool) -> bool:
    return not mixed or address >= USER_END


def _read(name: str, kernel: bool, mixed: bool = False) -> Function:
    """A helper that copies bytes. mixed: user space where the address is one."""

    def helper(caller: Caller, to: Pointer, size: int, address: int) -> int:
        data = _reader(caller, address, kernel, mixed).peek(address, size)
        result = 0 if data is not None else -error(address, size, kernel and _is_kernels(address, mixed))
        caller.write(to, data if data is not None else bytes(size), name)
        return result

    helper.__doc__ = f"bpf_{name}: 0 or a negative errno, and then zeros."
    return helper


def copy_from_user(caller: Caller, to: Pointer, size: int, address: int) -> int:
    """0, or -EFAULT and zeros."""
    data = _reader(caller, address, kernel=False, mixed=False).peek(address, size)
    caller.write(to, data if data is not None else bytes(size), "copy_from_user")
    return 0 if data is not None or not size else -errno.EFAULT


def _read_text(name: str, kernel: bool, mixed: bool = False) -> Function:
    """A helper that copies a text with its zero."""

    def helper(caller: Caller, to: Pointer, size: int, address: int) -> int:
        if not size:
            return 0
        text = _reader(caller, address, kernel, mixed).text(address, size)
        if text is None:
            caller.write(to, bytes(size), name)
            return -error(address, size, kernel and _is_kernels(address, mixed))
        caller.write(to, text + b"\0", name)
        return len(text) + 1

    helper.__doc__ = f"bpf_{name}: the text's length with the zero; or a negative errno, and then zeros."
    return helper


HELPERS: Mapping[str, Function] = {
    "probe_read": _read("probe_read", True, mixed=True),
    "probe_read_kernel": _read("probe_read_kernel", True),
    "probe_read_user": _read("probe_read_user", False),
    "probe_read_str": _read_text("probe_read_str", True, mixed=True),
    "probe_read_kernel_str": _read_text("probe_read_kernel_str", True),
    "probe_read_user_str": _read_text("probe_read_user_str", False),
    "copy_from_user": copy_from_user,
}
