"""pcapng files (draft-ietf-opsawg-pcapng).

    block       type, its length, a body padded to 4 bytes, the length again
    section     a header block with byte order and version; its interfaces are numbered from 0
    interface   link type, snapshot length, options: the clock's resolution and offset
    packet      enhanced (with an interface and a time), simple (of interface 0, without a time), and the obsolete one

`Pcapng` gives the packets of all sections and interfaces in file order and keeps none; other blocks are passed over.
Where a block makes no sense, reading goes on at the next one that does.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError
from bpfvm.obj.captures.contents import Contents
from bpfvm.obj.captures.losses import Losses
from bpfvm.obj.captures.pcap import MAX_PACKET, SECOND, Packet, Plain

SECTION, INTERFACE, OLD_PACKET, SIMPLE, ENHANCED = 0x0A0D0D0A, 1, 2, 3, 6
BYTE_ORDER = 0x1A2B3C4D
TSRESOL, TSOFFSET = 9, 14  # options of an interface

_BLOCK = 12  # bytes of the shortest: type and twice the length
_SECTION = 28
_AHEAD = MAX_PACKET + 64  # bytes of a block with a packet, but for its options
_MOST_INTERFACES = 1 << 16  # of a section
_MOST_TRIED = 1 << 19  # places that are looked at before the rest is given up
LEAST_ENHANCED, _PACKET = 32, 28  # bytes of a block without a packet; in front of the packet
_RARER = {INTERFACE: 20, OLD_PACKET: 32, SIMPLE: 16}  # the least length of each
_KNOWN = (1, 2, 3, 4, 5, 6, 10, 0x0BAD, 0x4000_0BAD)  # blocks at which reading may go on, beside sections
_ORDERS = b"|".join(re.escape(BYTE_ORDER.to_bytes(4, order)) for order in ("little", "big"))
_HEADER = re.compile(rb"\x0a(?=\x0d\x0d\x0a....(?:" + _ORDERS + b"))", re.DOTALL)  # of a section


def is_pcapng(head: bytes) -> bool:
    """Whether a file that begins with these 4 bytes is one."""
    return head == SECTION.to_bytes(4)


@dataclass(frozen=True, slots=True)
class Interface:
    """snap: bytes of a packet that are kept, 0 for all. A timestamp of n units is n * times // parts + offset ns."""

    link: int
    snap: int
    times: int
    parts: int
    offset: int


class Pcapng:
    """The packets of a file, as often as it is iterated. link: the link type of the packet that was given last."""

    def __init__(self, contents: Contents, lost: Losses) -> None:
        """lost: where to note what could not be read. LoadError where the first section cannot be."""
        self._contents, self._lost = contents, lost
        self.link = -1
        self._interfaces: list[Interface] = []
        self._first: int | None = None  # where to begin behind interfaces that are known
        try:
            self._open(0)
        except LoadError as error:
            raise LoadError(f"{contents.name}: {error}") from None

    @property
    def plain(self) -> Plain | None:
        """Where packets of one interface begin, for who walks through them by other means; None for any other file."""
        contents, at = self._contents, self._open(0)
        while at + _BLOCK <= contents.size and contents.unpack(self._pair, at)[0] == INTERFACE:
            length = contents.unpack(self._pair, at)[1]
            if length < _RARER[INTERFACE] or not self._is_whole(at, length):
                return None
            self._interface(at, length)
            at += length
        if self.endian != "little" or len(self._interfaces) != 1:
            return None
        (one,) = self._interfaces
        if one.parts != 1 or one.offset < 0:
            return None
        self.link = one.link
        return Plain("pcapng", at, one.times, one.offset)

    def resume(self, at: int, number: int) -> None:
        """Begin at the block at `at` from now on, as `plain` left it: its interface is known."""
        self._first = at

    def __iter__(self) -> Iterator[Packet]:
        end = self._contents.size
        at = self._open(0) if self._first is None else self._first
        while at + _BLOCK <= end:
            view, place = self._contents.ahead(at, _AHEAD), 0
            unpack, word = self._packets.unpack_from, self._word.unpack_from
            held, interfaces, known = len(view), self._interfaces, len(self._interfaces)
            while place + LEAST_ENHANCED <= held:  # blocks that are as nearly all are
                kind, length, number, high, low, captured, original = unpack(view, place)
                stop, start = place + length, place + _PACKET
                if kind != ENHANCED or stop > held or captured > MAX_PACKET or captured > length - LEAST_ENHANCED:
                    break
                if length & 3 or number >= known or word(view, stop - 4)[0] != length:
                    break
                one, place = interfaces[number], stop
                self.link = one.link
                yield (high << 32 | low) * one.times // one.parts + one.offset, view[start : start + captured], original
            at += place
            if not place:
                at, packet = self._block(at)
                if packet is not None:
                    yield packet
        if at < end:
            self._lost.add(at, end - at, f"the file ends in the header of a block, which has {_BLOCK} bytes")

    def _block(self, at: int) -> tuple[int, Packet | None]:
        """Where to read on behind the block at `at`, whatever it is; the packet in it."""
        kind, length = self._contents.unpack(self._pair, at)
        if kind == SECTION:
            return self._section(at), None
        stop = at + length
        if not self._is_whole(at, length):
            stop, believed = self._end(at, length, 4)
            if not believed:
                self._lose(at, stop, kind, length)
                return stop, None
            length = stop - at
        if kind == ENHANCED:
            return stop, self._enhanced(at, length)
        return stop, self._rarer(kind, at, length) if kind in _RARER else None

    def _is_whole(self, at: int, length: int) -> bool:
        """Whether a block of that length stands at `at`, its length behind it again."""
        stop = at + length
        if length < _BLOCK or length & 3 or stop > self._contents.size:
            return False
        found: int = self._contents.unpack(self._word, stop - 4)[0]
        return found == length

    def _is_block(self, at: int, before: int) -> bool:
        """Whether the block before, of that length, ends at a whole block, a section, or the end."""
        contents = self._contents
        if before < _BLOCK or before & 3 or at > contents.size:
            return False
        if at + _BLOCK > contents.size:
            return at == contents.size
        header = _HEADER.match(contents.part(at, at + _BLOCK))
        return header is not None or self._is_whole(at, contents.unpack(self._pair, at)[1])

    def _open(self, at: int) -> int:
        """Enter the section whose header is at `at`; where its first block is. LoadError says what is wrong with it."""
        left = self._contents.size - at
        if left < _SECTION:
            raise LoadError(f"the section header at offset {at} is cut off: {left} of {_SECTION} bytes")
        view = self._contents.part(at, at + _SECTION)
        magic = bytes(view[8:12])
        order = next((one for one in "<>" if struct.unpack(one + "I", magic)[0] == BYTE_ORDER), "")
        if not order:
            raise LoadError(f"the section header at offset {at} has no byte order: {magic.hex()} for {BYTE_ORDER:x}")
        length, _, major, minor = struct.unpack_from(order + "IIHH", view, 4)
        if major != 1:
            raise LoadError(f"the section at offset {at} is of pcapng version {major}.{minor}; 1.0 is read")
        self.endian = "little" if order == "<" else "big"
        self._interfaces = []
        self._order = order
        self._pair, self._word = struct.Struct(order + "II"), struct.Struct(order + "I")
        self._fields, self._packets = struct.Struct(order + "IIIII"), struct.Struct(order + "7I")
        return at + length if length >= _SECTION and self._is_whole(at, length) else self._after(at, length)

    def _after(self, at: int, length: int) -> int:
        """Where the first block is behind the section header at `at`, which claims `length` bytes and has not."""
        stop, believed = self._end(at, length, _SECTION)
        claim = f"the section header at offset {at} claims {octets(length)}; {self._contents.size - at} are left"
        if not believed and stop == self._contents.size:
            raise LoadError(claim)
        if not believed and stop > at + _SECTION:
            self._lost.add(at + _SECTION, stop - at - _SECTION, claim)
        return stop

    def _section(self, at: int) -> int:
        """Enter the section at `at`, or, where it cannot be read, the next one that can; where to read on."""
        try:
            return self._open(at)
        except LoadError as error:
            end = self._contents.size
            found = next(self._contents.search(_HEADER, _BLOCK, at + 4, end), end)
            self._lost.add(at, found - at, str(error))
            return found

    def _end(self, at: int, length: int, least: int) -> tuple[int, bool]:
        """Where the block at `at` ends, which says `length` first and another behind; whether either can be believed.

        The one behind can, where the next block follows it; else the first, where one follows that.
        """
        believed = self._is_block(at + length, length)
        end = at + length if believed else self._contents.size
        stop = next(self._places(at + least, end), end)
        if self._is_whole(at, stop - at):
            return stop, True
        return (end, True) if believed else (stop, False)

    def _lose(self, at: int, stop: int, kind: int, length: int) -> None:
        left = self._contents.size - at
        reason = f"the block of type {kind:#x} claims {octets(length)}, and {left} are left"
        if length <= left:
            reason = f"the block of type {kind:#x} claims {octets(length)}, which is not repeated behind them"
        self._lost.add(at, stop - at, reason)

    def _places(self, start: int, end: int) -> Iterator[int]:
        """Where, from `start` on, whole blocks begin, and sections."""
        contents, (pattern, back) = self._contents, _begins(self._order)
        for tried, found in enumerate(contents.search(pattern, _BLOCK, start + back, end)):
            at = found - back
            if tried == _MOST_TRIED or at + _BLOCK > contents.size:
                return
            kind, length = contents.unpack(self._pair, at)
            if kind == SECTION or self._is_whole(at, length):
                yield at

    def _enhanced(self, at: int, length: int) -> Packet | None:
        if length < LEAST_ENHANCED:
            self._lost.add(at, length, f"an enhanced packet block of {octets(length)}, which has {LEAST_ENHANCED}")
            return None
        number, high, low, captured, original = self._contents.unpack(self._fields, at + 8)
        return self._packet(at, length, _PACKET, number, high << 32 | low, captured, original)

    def _rarer(self, kind: int, at: int, length: int) -> Packet | None:
        """A block that is seldom: an interface, or a packet in another form."""
        least = _RARER[kind]
        if length < least:
            self._lost.add(at, length, f"a block of type {kind} of {octets(length)}, which has {least}")
            return None
        if kind == INTERFACE:
            self._interface(at, length)
            return None
        if kind == SIMPLE:
            original = self._contents.unpack(self._word, at + 8)[0]
            snap = self._interfaces[0].snap if self._interfaces else 0
            return self._packet(at, length, 12, 0, None, min(original, snap or original), original)
        number = struct.unpack(self._order + "H", self._contents.part(at + 8, at + 10))[0]
        _, high, low, captured, original = self._contents.unpack(self._fields, at + 8)
        return self._packet(at, length, _PACKET, number, high << 32 | low, captured, original)

    def _packet(
        self, at: int, length: int, head: int, number: int, units: int | None, captured: int, original: int
    ) -> Packet | None:
        """The packet of a block, whose bytes begin `head` bytes behind its start. units: of its interface's clock."""
        if number < len(self._interfaces) and captured <= length - head - 4 and captured <= MAX_PACKET:
            one, start = self._interfaces[number], at + head
            self.link = one.link
            stamp = 0 if units is None else units * one.times // one.parts + one.offset
            return stamp, self._contents.part(start, start + captured), original
        reason = f"the packet is of interface {number}, and the section has {len(self._interfaces)} before it"
        if captured > MAX_PACKET:
            reason = f"the packet claims {octets(captured)}, more than the {MAX_PACKET} that one can have"
        elif captured > length - head - 4:
            reason = f"the packet claims {octets(captured)}, and its block has room for {length - head - 4}"
        self._lost.add(at, length, reason)
        return None

    def _interface(self, at: int, length: int) -> None:
        if len(self._interfaces) == _MOST_INTERFACES:
            self._lost.add(at, length, f"the section has more than {_MOST_INTERFACES} interfaces")
            return
        link, _, snap = struct.unpack(self._order + "HHI", self._contents.part(at + 8, at + 16))
        times, parts, offset = 1000, 1, 0
        for code, value in self._options(at + 16, at + length - 4):
            if code == TSRESOL and len(value) == 1:
                times, parts = _resolution(value[0])
            if code == TSOFFSET and len(value) == 8:
                offset = struct.unpack(self._order + "q", value)[0] * SECOND
        self._interfaces.append(Interface(link, snap, times, parts, offset))

    def _options(self, at: int, end: int) -> Iterator[tuple[int, bytes]]:
        """Code and value of each option between two places."""
        while at + 4 <= end:
            code, size = struct.unpack(self._order + "HH", self._contents.part(at, at + 4))
            if code == 0:
                return
            if at + 4 + size > end:
                left = end - at - 4
                self._lost.add(at, end - at, f"option {code} claims {octets(size)}, and its block has {left} left")
                return
            yield code, bytes(self._contents.part(at + 4, at + 4 + size))
            at += 4 + (size + 3 & ~3)


def _resolution(code: int) -> tuple[int, int]:
    """What to multiply and to divide by for ns. code: negative exponent of 10, or of 2 with the highest bit set."""
    if code & 0x80:
        return SECOND, 1 << (code & 0x7F)
    return (10 ** (9 - code), 1) if code <= 9 else (1, 10 ** (code - 9))


@lru_cache(maxsize=2)
def _begins(order: str) -> tuple[re.Pattern[bytes], int]:
    """Matches in the types of known blocks; how far from their begin. It looks at the byte that is no 0 first, which in
    a file full of zeros is ten times as fast.
    """
    kinds = [struct.pack(order + "I", kind) for kind in _KNOWN]
    if order == "<":
        rows = [b"%b(?=%b)" % (re.escape(kind[:1]), re.escape(kind[1:])) for kind in kinds]
        return re.compile(b"|".join((*rows, _HEADER.pattern)), re.DOTALL), 0
    last = re.escape(bytes({kind[3] for kind in kinds}))
    rows = [b"(?<=%b)" % re.escape(kind) for kind in kinds]
    section = rb"(?<=\x0a\x0d\x0d\x0a)(?=....(?:" + _ORDERS + b"))"
    return re.compile(b"[" + last + b"](?:" + b"|".join((*rows, section)) + b")", re.DOTALL), 3
