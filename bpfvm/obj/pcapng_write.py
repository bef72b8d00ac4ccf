"""Writing pcapng: packets with times in ns, each with a comment (draft-ietf-opsawg-pcapng 4.2, 4.3)."""

from __future__ import annotations

import os
import struct
from types import TracebackType
from typing import BinaryIO

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import one_line
from bpfvm.obj.links import output_link
from bpfvm.obj.pcap import MAX_PACKET
from bpfvm.obj.pcapng import BYTE_ORDER, ENHANCED, INTERFACE, SECTION, TSRESOL

COMMENT, END = 1, 0  # options of every block
NANOSECONDS = 9  # resolution of an interface's clock, as a negative exponent of 10
_UNKNOWN = (1 << 64) - 1  # the length of a section
MOST_COMMENT = 0xFFFF  # bytes of an option


class Writer:
    """One file, written front to back: little-endian, an interface for each layer. A context manager."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """LoadError for a file that cannot be written."""
        self._name = one_line(os.fspath(path))
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

    def packet(self, stamp: int, data: bytes, layer: str, comment: str = "", length: int | None = None) -> None:
        """One packet. stamp: ns. layer: the first header ("eth", "ip"). length: on the wire, where it is another.

        LoadError for one that does not fit the format, or a file that cannot be written.
        """
        self._number += 1
        if len(data) > MAX_PACKET or not 0 <= stamp < 1 << 64:
            raise LoadError(f"{self._name}: packet {self._number} of {len(data)} bytes at {stamp} ns does not fit")
        link = output_link(layer)
        if link not in self._interfaces:
            self._interfaces[link] = len(self._interfaces)
            resolution = option(TSRESOL, bytes([NANOSECONDS])) + option(END, b"")
            self._write(block(INTERFACE, struct.pack("<HHI", link, 0, MAX_PACKET) + resolution))
        size = len(data) if length is None else length
        head = struct.pack("<IIIII", self._interfaces[link], stamp >> 32, stamp & 0xFFFF_FFFF, len(data), size)
        text = comment.encode("utf-8", "backslashreplace")[:MOST_COMMENT]
        options = option(COMMENT, text) + option(END, b"") if text else b""
        self._write(block(ENHANCED, head + padded(data) + options))

    def _write(self, data: bytes) -> None:
        try:
            self._file.write(data)
        except OSError as error:
            raise LoadError(f"{self._name}: {error.strerror or error}") from None


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
