"""Captures: classic pcap files of Ethernet frames, read in place and written (draft-ietf-opsawg-pcap).

    file      magic, version 2.4, 8 bytes unused, snapshot length, link type (low 16 bits; the rest tells of checksums)
    packet    seconds, micro- or nanoseconds, captured length, original length, the captured bytes

The magic tells byte order and unit. A file is mapped, not loaded, and no object is kept for a packet that was passed.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TypeAlias

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import one_line
from bpfvm.obj.files import open_regular

ETHERNET = 1
MICRO, NANO = 0xA1B2C3D4, 0xA1B23C4D
FILE_HEADER, RECORD_HEADER = 24, 16
MAX_PACKET = 262144  # bytes that a record may claim; libpcap's limit for all common link types
_PCAPNG = 0x0A0D0D0A
_OTHERS: Mapping[int, str] = {
    0: "NULL", 101: "RAW", 105: "IEEE802_11", 113: "LINUX_SLL", 127: "IEEE802_11_RADIOTAP", 228: "IPV4", 229: "IPV6",
    276: "LINUX_SLL2",
}  # fmt: skip
SECOND = 1_000_000_000

Packet: TypeAlias = tuple[int, memoryview, int]  # timestamp in ns, captured bytes, length on the wire


class Capture:
    """The packets of a capture, in file order, as often as it is iterated.

    lost: what could not be read, once the end was reached; None when everything was. A packet's bytes are a view of the
    file: who keeps them beyond the loop copies them.
    """

    def __init__(self, data: bytes | mmap.mmap, name: str) -> None:
        self.name = one_line(name)
        self.lost: str | None = None
        self._data = data
        self._view = memoryview(data)
        order, unit = self._magic()
        self.endian = "little" if order == "<" else "big"
        self.nanoseconds = unit == 1
        self._unit, self._record = unit, struct.Struct(order + "IIII")
        self._check_header(*struct.unpack_from(order + "HHiIII", data, 4))

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Unmap the file."""
        self._view.release()
        if isinstance(self._data, mmap.mmap):
            with suppress(BufferError):  # somebody still holds a packet: the mapping goes away with it
                self._data.close()

    def __iter__(self) -> Iterator[Packet]:
        view, record, unit, size = self._view, self._record, self._unit, len(self._view)
        at, number = FILE_HEADER, 0
        self.lost = None
        while at + RECORD_HEADER <= size:
            seconds, parts, captured, original = record.unpack_from(view, at)
            start = at + RECORD_HEADER
            if captured > MAX_PACKET or start + captured > size:
                break
            number += 1
            at = start + captured
            yield seconds * SECOND + parts * unit, view[start:at], original
        if at < size:
            self.lost = self._what_is_lost(at, number + 1)

    def _what_is_lost(self, at: int, number: int) -> str:
        left = len(self._view) - at
        if left < RECORD_HEADER:
            return f"packet {number} at offset {at}: the file ends {left} bytes into its header"
        captured = self._record.unpack_from(self._view, at)[2]
        if captured > MAX_PACKET:
            claim = f"claims {captured} bytes, more than the {MAX_PACKET} that a packet can have"
            return f"packet {number} at offset {at} {claim}: the last {left} bytes of the file are not read"
        have = left - RECORD_HEADER
        return f"packet {number} at offset {at} is cut off: {have} of its {captured} bytes are in the file"

    def _magic(self) -> tuple[str, int]:
        """Byte order and nanoseconds in a unit."""
        if len(self._view) < FILE_HEADER:
            raise LoadError(f"{self.name}: not a capture: {len(self._view)} bytes, and a pcap header has {FILE_HEADER}")
        for order in "<>":
            (magic,) = struct.unpack_from(order + "I", self._data)
            if magic in (MICRO, NANO):
                return order, 1 if magic == NANO else 1000
        (magic,) = struct.unpack_from(">I", self._data)
        if magic == _PCAPNG:
            raise LoadError(f"{self.name}: a pcapng capture, not read in this version; convert it: editcap -F nsecpcap")
        raise LoadError(f"{self.name}: not a pcap capture: it begins with {magic:#010x}")

    def _check_header(self, major: int, minor: int, zone: int, accuracy: int, snap: int, link: int) -> None:
        if major != 2:
            raise LoadError(f"{self.name}: pcap version {major}.{minor} is not read; known is 2.4")
        kind = link & 0xFFFF
        if kind != ETHERNET:
            name = f" ({_OTHERS[kind]})" if kind in _OTHERS else ""
            raise LoadError(f"{self.name}: link type {kind}{name} is not Ethernet ({ETHERNET}), the one that is read")


def open_capture(path: str | os.PathLike[str]) -> Capture:
    """The capture in file `path`. LoadError, one line, for what is no readable capture."""
    name = os.fspath(path)
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
        except (OSError, ValueError) as error:
            raise LoadError(f"{one_line(name)}: {error}") from None
    return Capture(data, name)


def write_capture(
    path: str | os.PathLike[str],
    packets: Iterable[tuple[int, bytes] | tuple[int, bytes, int]],
    *,
    nanoseconds: bool = True,
    endian: str = "little",
) -> None:
    """Write Ethernet frames as classic pcap: (timestamp in ns, bytes), or with the length on the wire as third.

    A file of microseconds cuts timestamps to them. LoadError where the file cannot be written or a number does not fit.
    """
    try:
        with open(path, "wb") as file:
            file.writelines(encode_capture(packets, nanoseconds=nanoseconds, endian=endian))
    except OSError as error:
        raise LoadError(f"{one_line(os.fspath(path))}: {error.strerror or error}") from None


def encode_capture(
    packets: Iterable[tuple[int, bytes] | tuple[int, bytes, int]], *, nanoseconds: bool = True, endian: str = "little"
) -> Iterator[bytes]:
    """The bytes of such a file, piece by piece."""
    order = "<" if endian == "little" else ">"
    yield struct.pack(order + "IHHiIII", NANO if nanoseconds else MICRO, 2, 4, 0, 0, MAX_PACKET, ETHERNET)
    for number, (stamp, data, *original) in enumerate(packets, 1):
        if len(data) > MAX_PACKET:
            raise LoadError(f"packet {number} has {len(data)} bytes; a capture takes {MAX_PACKET}")
        seconds, rest = divmod(stamp, SECOND)
        length = original[0] if original else len(data)
        try:
            yield struct.pack(order + "IIII", seconds, rest // (1 if nanoseconds else 1000), len(data), length)
        except struct.error:
            raise LoadError(
                f"packet {number}: timestamp {stamp} ns or length {length} does not fit a pcap file"
            ) from None
        yield bytes(data)
