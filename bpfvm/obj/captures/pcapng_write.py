"""Writing pcapng: packets with times in ns, each with a program's verdict (draft-ietf-opsawg-pcapng 4.2, 4.3).

A verdict stands there twice: in an option of its own, as a number, where the format has one for the program type, and
in words as a comment.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import BinaryIO

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.captures.capture import STANDARD_INPUT
from bpfvm.obj.captures.links import output_link
from bpfvm.obj.captures.pcap import MAX_PACKET
from bpfvm.obj.captures.pcapng import BYTE_ORDER, ENHANCED, INTERFACE, SECTION, TSRESOL
from bpfvm.obj.cursor import one_line

COMMENT, END = 1, 0  # options of every block
VERDICT = 7  # option of a packet: a byte for who gave it, then what it was
KINDS: Mapping[str, int] = {"sched_cls": 1, "sched_act": 1, "xdp": 2}  # program type -> that byte
NANOSECONDS = 9  # resolution of an interface's clock, as a negative exponent of 10
_UNKNOWN = (1 << 64) - 1  # the length of a section
MOST_COMMENT = 0xFFFF  # bytes of an option


class Writer:
    """One file, written front to back: little-endian, an interface for each layer. A context manager."""

    def __init__(self, path: str | os.PathLike[str], reads: Iterable[str | os.PathLike[str]] = ()) -> None:
        """LoadError for a file that cannot be written; UsageError for one of `reads`, captures that are read."""
        self._name = one_line(os.fspath(path))
        if any(_is_same(path, one) for one in reads):
            raise UsageError(f"{self._name}: packets are read from this file, so they are not written to it")
        try:
            self._file: BinaryIO = open(path, "wb")  # noqa: SIM115 - closed by `close`
        except (OSError, ValueError) as error:
            raise LoadError(f"{self._name}: {getattr(error, 'strerror', None) or error}") from None
        self._interfaces: dict[int, int] = {}
        self._number = 0
        self._write(block(SECTION, struct.pack("<IHHQ", BYTE_ORDER, 1, 0, _UNKNOWN)))

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Finish the file. LoadError where it cannot be written."""
        try:
            self._file.close()
        except OSError as error:
            raise LoadError(f"{self._name}: {error.strerror or error}") from None

    def packet(
        self,
        stamp: int,
        data: bytes,
        layer: str,
        comment: str = "",
        length: int | None = None,
        verdict: bytes = b"",
    ) -> None:
        """One packet. stamp: ns. layer: the first header ("eth", "ip"). length: on the wire, where it is another.

        comment: in words; 65,535 bytes of it at most are written. verdict: from `verdict_of`.
        LoadError for one that does not fit the format, or a file that cannot be written.
        """
        self._number += 1
        if len(data) > MAX_PACKET or not 0 <= stamp < 1 << 64:
            raise LoadError(f"{self._name}: packet {self._number} of {octets(len(data))} at {stamp} ns does not fit")
        link = output_link(layer)
        if link not in self._interfaces:
            self._interfaces[link] = len(self._interfaces)
            resolution = option(TSRESOL, bytes([NANOSECONDS])) + option(END, b"")
            self._write(block(INTERFACE, struct.pack("<HHI", link, 0, MAX_PACKET) + resolution))
        size = len(data) if length is None else length
        if not 0 <= size < 1 << 32:
            raise LoadError(f"{self._name}: packet {self._number}: length {size} on the wire does not fit")
        head = struct.pack("<IIIII", self._interfaces[link], stamp >> 32, stamp & 0xFFFF_FFFF, len(data), size)
        text = comment.encode("utf-8", "backslashreplace")[:MOST_COMMENT].decode("utf-8", "ignore").encode()
        options = b"".join(option(code, value) for code, value in ((COMMENT, text), (VERDICT, verdict)) if value)
        options += option(END, b"") if options else b""
        self._write(block(ENHANCED, head + padded(data) + options))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise LoadError(f"{self._name}: {error.strerror or error}") from None


def verdict_of(program_type: str, value: int) -> bytes:
    """The option's bytes for what a program returned; b"" for a program type that has none in the format.

    TC_ACT_ values are signed, and so is what stands for them in 64 bits; values of enum xdp_action are not.
    """
    if program_type not in KINDS:
        return b""
    value &= 0xFFFF_FFFF
    signed = value - (1 << 32) if program_type != "xdp" and value >> 31 else value
    return struct.pack("<BQ", KINDS[program_type], signed & (1 << 64) - 1)


def _is_same(path: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether two names are of one regular file."""
    with suppress(OSError, ValueError):
        mine = os.stat(path)
        theirs = os.fstat(0) if os.fspath(other) == STANDARD_INPUT else os.stat(other)
        return stat.S_ISREG(mine.st_mode) and os.path.samestat(mine, theirs)
    return False


def block(kind: int, body: bytes) -> bytes:
    """A block around a body of whole words."""
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def option(code: int, value: bytes) -> bytes:
    """An option, padded."""
    return struct.pack("<HH", code, len(value)) + padded(value)


def padded(data: bytes) -> bytes:
    """`data` with zeros up to a whole word."""
    return bytes(data) + bytes(-len(data) % 4)
