"""Kernel functions on texts at any address of the kernel's memory, which is the arena."""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import TypeAlias

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.helpers.memory import Reader, error

MOST = 65536  # bytes that are looked at, XATTR_SIZE_MAX

_Two: TypeAlias = "Callable[[_Text, _Text], int]"


class _Text:
    """Bytes at an address, fetched when they are asked for. Indexing past the memory raises OutOfMemory."""

    def __init__(self, caller: Caller, address: int) -> None:
        reader = Reader(caller.system.arena)
        self._data = caller.system.arena.read(address, min(reader.rest(address), MOST))

    @property
    def is_there(self) -> bool:
        return bool(self._data)

    def __getitem__(self, at: int) -> int:
        if at < len(self._data):
            return self._data[at]
        raise _OutOfMemory


class _OutOfMemory(Exception):
    """The text goes on where there is no memory: -EFAULT."""


def _texts(caller: Caller, *addresses: int) -> list[_Text] | int:
    """The texts, or -ERANGE where an address cannot be the kernel's."""
    found = [_Text(caller, address) for address in addresses]
    pairs = zip(addresses, found, strict=True)
    if any(not one.is_there and error(address, 1, True) == errno.ERANGE for address, one in pairs):
        return -errno.ERANGE
    return found


def _on(work: Callable[..., int], texts: int = 1) -> Function:
    """A function whose first arguments are texts, the others numbers."""

    def function(caller: Caller, *given: int) -> int:
        found = _texts(caller, *given[:texts])
        if isinstance(found, int):
            return found
        try:
            return work(*found, *given[texts:])
        except _OutOfMemory:
            return -errno.EFAULT

    function.__doc__ = work.__doc__
    return function


def _compared(fold: Callable[[int], int]) -> _Two:
    def work(first: _Text, second: _Text) -> int:
        """-1, 0 or 1: bytes are compared as numbers without a sign."""
        for at in range(MOST):
            a, b = fold(first[at]), fold(second[at])
            if a != b:
                return -1 if a < b else 1
            if not a:
                return 0
        return -errno.E2BIG

    return work


def _lower(one: int) -> int:
    """The kernel's tolower: Latin-1."""
    return one + 32 if 65 <= one <= 90 or (192 <= one <= 222 and one != 215) else one


def _strnchr(text: _Text, count: int, wanted: int) -> int:
    """The place of a byte within count bytes, or -ENOENT."""
    for at in range(min(count, MOST)):
        one = text[at]
        if one == wanted & 0xFF:
            return at
        if not one:
            return -errno.ENOENT
    return -errno.ENOENT if count < MOST else -errno.E2BIG


def _strchr(text: _Text, wanted: int) -> int:
    """The first place of a byte, or -ENOENT."""
    return _strnchr(text, MOST, wanted)


def _strchrnul(text: _Text, wanted: int) -> int:
    """The first place of a byte or of the end."""
    for at in range(MOST):
        if text[at] in (wanted & 0xFF, 0):
            return at
    return -errno.E2BIG


def _strrchr(text: _Text, wanted: int) -> int:
    """The last place of a byte, or -ENOENT. No byte is a number over 255."""
    last, wanted = -errno.ENOENT, wanted & M32
    for at in range(MOST):
        if text[at] == wanted:
            last = at
        if not text[at]:
            return last
    return -errno.E2BIG


def _strnlen(text: _Text, count: int) -> int:
    """The length, at most count."""
    for at in range(min(count, MOST)):
        if not text[at]:
            return at
    return count if count < MOST else -errno.E2BIG


def _strlen(text: _Text) -> int:
    """The length."""
    return _strnlen(text, MOST)


def _span(among: bool) -> _Two:
    def work(text: _Text, others: _Text) -> int:
        """How many bytes at the start are among the others (or are not)."""
        for at in range(MOST):
            one = text[at]
            if not one:
                return at
            place = 0
            while others[place] not in (one, 0):
                place += 1
                if place == MOST:
                    return -errno.E2BIG
            if (others[place] == one) != among:
                return at
        return -errno.E2BIG

    return work


def _strnstr(text: _Text, part: _Text, length: int) -> int:
    """The first place of part within length bytes of text, or -ENOENT."""
    for at in range(MOST):
        for further in range(MOST):
            wanted = part[further]
            if not wanted:
                return at
            if at + further == length:
                return -errno.ENOENT
            one = text[at + further]
            if not one:
                return -errno.ENOENT
            if one != wanted:
                break
        else:
            return -errno.E2BIG
    return -errno.E2BIG


def _strstr(text: _Text, part: _Text) -> int:
    """The first place of part in text, or -ENOENT."""
    return _strnstr(text, part, MOST)


FUNCTIONS: Mapping[str, Function] = {
    "bpf_strcmp": _on(_compared(lambda one: one), 2),
    "bpf_strcasecmp": _on(_compared(_lower), 2),
    "bpf_strchr": _on(_strchr),
    "bpf_strnchr": _on(_strnchr),
    "bpf_strchrnul": _on(_strchrnul),
    "bpf_strrchr": _on(_strrchr),
    "bpf_strlen": _on(_strlen),
    "bpf_strnlen": _on(_strnlen),
    "bpf_strspn": _on(_span(among=True), 2),
    "bpf_strcspn": _on(_span(among=False), 2),
    "bpf_strstr": _on(_strstr, 2),
    "bpf_strnstr": _on(_strnstr, 2),
}
