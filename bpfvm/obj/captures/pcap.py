"""Classic pcap files, read and written (draft-ietf-opsawg-pcap).

    file      magic, version 2.4, 8 bytes unused, snapshot length, link type (low 16 bits; the rest tells of checksums)
    packet    seconds, micro- or nanoseconds, captured length, original length, the captured bytes

The magic tells byte order, unit and variant. Versions before 2.3 have the two lengths the other way round, 2.3 has both
ways. `Pcap` gives the packets in file order and keeps none; where a record makes no sense, reading goes on at the next
place from which records follow one another.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.contents import Contents
from bpfvm.obj.captures.links import ETHERNET
from bpfvm.obj.captures.losses import Losses
from bpfvm.obj.cursor import one_line

MAX_PACKET = 262144  # bytes that a record may claim; libpcap's limit for all common link types
SECOND = 1_000_000_000

# A timestamp in ns, the captured bytes, the length on the wire. Who keeps the bytes beyond the loop copies them.
Packet: TypeAlias = tuple[int, memoryview, int]

_FIELDS = "HHiIII"  # of the file header, behind the magic
_HEADER = 24
_RECORD = "IIII"
_PLAIN = struct.Struct("<IIII")
_FOLLOWING = 3  # records that must follow one another for reading to go on there
_NEAR = 1 << 16  # seconds that packets which follow one another may be apart, when reading goes on
_LONGEST = 1 << 24  # length on the wire that is believed then
_MOST_TRIED = 1 << 18  # places that are looked at before the rest is given up


@dataclass(frozen=True, slots=True)
class Variant:
    """What a magic tells. unit: nanoseconds. header: bytes before the first record. record: its header's format."""

    unit: int
    header: int = _HEADER
    record: str = _RECORD


MICRO, NANO = 0xA1B2C3D4, 0xA1B23C4D
VARIANTS: Mapping[int, Variant] = {
    MICRO: Variant(1000),
    NANO: Variant(1),
    0xA1B2CD34: Variant(1000, record=_RECORD + "8x"),  # Kuznetsov's: interface, protocol and packet type in each record
    0x1C0001AC: Variant(1, header=_HEADER + 4),  # IXIA's lcap, by hardware; the size of all records is in the header
    0x1C0001AB: Variant(1000, header=_HEADER + 4),  # and by software
}


@dataclass(frozen=True, slots=True)
class Plain:
    """A little-endian file of packets that follow one another. form: "pcap" or "pcapng". start: the first one's place.

    A time of n is n * unit + offset ns (in pcap, the part below a second).
    """

    form: str
    start: int
    unit: int
    offset: int


def is_pcap(head: bytes) -> bool:
    """Whether a file that begins with these 4 bytes is one."""
    return _order(head) != ""


def _order(head: bytes) -> str:
    return next((order for order in "<>" if len(head) == 4 and struct.unpack(order + "I", head)[0] in VARIANTS), "")


class Pcap:
    """The packets of a file, as often as it is iterated. link: their link type. nanoseconds: what its clock counted.

    lost: what could not be read, once the end was reached.
    """

    def __init__(self, contents: Contents, lost: Losses) -> None:
        """LoadError where the header cannot be read."""
        self._contents, self._lost = contents, lost
        name, size = contents.name, contents.size
        if size < _HEADER:
            raise LoadError(f"{name}: not a capture: {octets(size)}, and a pcap header has {_HEADER}")
        view = contents.part(0, _HEADER)
        order = _order(bytes(view[:4]))
        self.endian = "little" if order == "<" else "big"
        variant = VARIANTS[struct.unpack_from(order + "I", view)[0]]
        major, minor, _, _, _, link = struct.unpack_from(order + _FIELDS, view, 4)
        if major != 2:
            raise LoadError(f"{name}: pcap version {major}.{minor} is not read; known is 2.4")
        self.link: int = link & 0xFFFF
        self.nanoseconds = variant.unit == 1
        self._unit, self._first = variant.unit, variant.header
        self._record = struct.Struct(order + variant.record)
        self._swapped, self._either = minor < 3, minor == 3
        self._before = 0  # packets in front of the first that is read

    @property
    def plain(self) -> Plain | None:
        """Where records of the common form are, for who walks through them by other means; None for another form."""
        if self.endian != "little" or self._record.size != _PLAIN.size or self._swapped or self._either:
            return None
        return Plain("pcap", self._first, self._unit, 0)

    def resume(self, at: int, number: int) -> None:
        """Begin at the record at `at` from now on, in front of which are `number` packets."""
        self._first, self._before = at, number

    def __iter__(self) -> Iterator[Packet]:
        unpack, unit, size = self._record.unpack_from, self._unit, self._record.size
        end, ahead = self._contents.size, self._contents.ahead
        old = self._swapped or self._either
        place, seconds, number = self._first, -1, self._before
        while place + size <= end:
            view, at = ahead(place, size + MAX_PACKET), 0
            held = len(view)
            while at + size <= held:
                now, parts, captured, original = unpack(view, at)
                if old and (self._swapped or captured > original):
                    captured, original = original, captured
                start = at + size
                stop = start + captured
                if captured > MAX_PACKET or stop > held:
                    break
                at, seconds = stop, now
                number += 1
                yield now * SECOND + parts * unit, view[start:stop], original
            place = place + at if at else self._go_on(place, seconds, number + 1)
        if place < end:
            self._lost.add(place, end - place, f"the file ends in the header of packet {number + 1}")

    def _go_on(self, at: int, seconds: int, number: int) -> int:
        """The record at `at` makes no sense: where the next one is that does, the file's end if there is none."""
        end, size = self._contents.size, self._record.size
        captured = self._lengths(at)[0]
        found = next(self._places(at + 1, seconds), end)
        reason = f"packet {number} claims {octets(captured)}, more than the {MAX_PACKET} that a packet can have"
        if captured <= MAX_PACKET:
            reason = f"packet {number} is cut off: {end - at - size} of its {captured} bytes are in the file"
            if found < end:
                reason = f"packet {number} claims {octets(captured)}, more than are left"
        self._lost.add(at, found - at, reason)
        return found

    def _places(self, start: int, seconds: int) -> Iterator[int]:
        """Where, from `start` on, records begin that follow one another. seconds: of the last packet, -1 without."""
        back = 2 if seconds >= 0 and self.endian == "little" else 0  # from the upper half of a number to its first byte
        halves = _of_about(seconds, self._record.format[0])
        for tried, found in enumerate(self._contents.search(halves, 2, start + back, self._contents.size)):
            if tried == _MOST_TRIED:
                return
            if self._follow(found - back, seconds):
                yield found - back

    def _follow(self, at: int, seconds: int) -> bool:
        """Whether records that make sense follow one another from `at` on, to the end of the file at most."""
        end, size = self._contents.size, self._record.size
        for _ in range(_FOLLOWING):
            if at + size > end:
                return False
            now, parts = self._contents.unpack(self._record, at)[:2]
            captured, original = self._lengths(at)
            near = seconds < 0 or abs(now - seconds) <= _NEAR
            if not near or parts * self._unit >= SECOND or not 0 < captured <= min(original, MAX_PACKET):
                return False
            at, seconds = at + size + captured, now
            if original > _LONGEST or at > end:
                return False
            if at == end:
                return True
        return True

    def _lengths(self, at: int) -> tuple[int, int]:
        """Captured and original length that the record at `at` claims."""
        _, _, captured, original = self._contents.unpack(self._record, at)
        if self._swapped or (self._either and captured > original):
            return original, captured
        return captured, original


def _of_about(seconds: int, order: str) -> re.Pattern[bytes]:
    """Finds the upper half of numbers of seconds near `seconds`; every place where nothing is known of them."""
    if seconds < 0:
        return re.compile(b"")
    halves = (half for half in range((seconds >> 16) - 1, (seconds >> 16) + 2) if 0 <= half < 1 << 16)
    both = (struct.pack(order + "H", half) for half in halves)
    return re.compile(b"|".join(b"%b(?=%b)" % (re.escape(one[:1]), re.escape(one[1:])) for one in both), re.DOTALL)


def write_capture(
    path: str | os.PathLike[str],
    packets: Iterable[tuple[int, bytes] | tuple[int, bytes, int]],
    *,
    nanoseconds: bool = True,
    endian: str = "little",
    link: int = ETHERNET,
) -> None:
    """Write packets as classic pcap: (timestamp in ns, bytes), or with the length on the wire as third.

    A file of microseconds cuts timestamps to them. LoadError where the file cannot be written or a number does not fit.
    """
    try:
        with open(path, "wb") as file:
            file.writelines(encode_capture(packets, nanoseconds=nanoseconds, endian=endian, link=link))
    except OSError as error:
        raise LoadError(f"{one_line(os.fspath(path))}: {error.strerror or error}") from None


def encode_capture(
    packets: Iterable[tuple[int, bytes] | tuple[int, bytes, int]],
    *,
    nanoseconds: bool = True,
    endian: str = "little",
    link: int = ETHERNET,
) -> Iterator[bytes]:
    """The bytes of such a file, piece by piece."""
    order = "<" if endian == "little" else ">"
    yield struct.pack(order + "I" + _FIELDS, NANO if nanoseconds else MICRO, 2, 4, 0, 0, MAX_PACKET, link)
    for number, (stamp, data, *original) in enumerate(packets, 1):
        if len(data) > MAX_PACKET:
            raise LoadError(f"packet {number} has {octets(len(data))}; a capture takes {MAX_PACKET}")
        seconds, rest = divmod(stamp, SECOND)
        length = original[0] if original else len(data)
        try:
            yield struct.pack(order + _RECORD, seconds, rest // (1 if nanoseconds else 1000), len(data), length)
        except struct.error:
            raise LoadError(
                f"packet {number}: timestamp {stamp} ns or length {length} does not fit a pcap file"
            ) from None
        yield bytes(data)
