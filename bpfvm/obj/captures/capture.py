"""Captures of either format: packets as they were captured, and as programs of a layer see them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys
from collections.abc import Iterator
from io import BufferedReader
from types import TracebackType
from typing import BinaryIO, Protocol, TypeAlias, cast

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.captures import links
from bpfvm.obj.captures.contents import Contents
from bpfvm.obj.captures.losses import Losses
from bpfvm.obj.captures.pcap import Packet, Pcap, Plain, is_pcap
from bpfvm.obj.captures.pcapng import Pcapng, is_pcapng
from bpfvm.obj.cursor import one_line
from bpfvm.obj.files import open_regular

STANDARD_INPUT = "-"
_PIPE = 1 << 20  # bytes that a pipe shall hold: fewer turns between who writes and this
_COPIED = 1 << 18  # bytes of it that are copied at a time, by way of memory that stays in the cache

# A timestamp in ns; the frame, or why no program of the layer sees the packet; the captured bytes; the frame's length
# on the wire.
Frame: TypeAlias = "tuple[int, bytes | memoryview | str, memoryview, int]"


class Format(Protocol):
    """A file of packets. link: the link type of the packet that was given last; of all packets in a pcap file."""

    link: int

    def __iter__(self) -> Iterator[Packet]: ...

    @property
    def plain(self) -> Plain | None: ...

    def resume(self, at: int, number: int) -> None: ...


class Capture:
    """The packets of a capture, in file order, as often as it is iterated; none of them is kept.

    lost: what could not be read; it is complete once the end was reached. notes: what was done to packets to make
    frames of them.
    """

    def __init__(self, source: bytes | int, name: str) -> None:
        """source: all bytes, or a descriptor of the file, closed with the capture. LoadError for what is none."""
        self._contents = Contents(source, one_line(name))
        self.name = self._contents.name
        self.lost = Losses()
        self.notes: list[str] = []
        try:
            self._format: Format = _format(self._contents, self.lost)
        except LoadError:
            self.close()
            raise

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._contents.close()

    @property
    def number(self) -> int | None:
        """A descriptor of the file, while it is open."""
        return self._contents.number

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self._contents.size

    @property
    def passed(self) -> int:
        """About how many of them were read."""
        return self._contents.base

    @property
    def link(self) -> int:
        """The link type of the packet that was given last; of all packets in a pcap file."""
        return self._format.link

    def __iter__(self) -> Iterator[Packet]:
        self.lost.clear()
        yield from self._format
        self.check()

    def check(self, cut: bool = False) -> None:
        """LoadError where the file was cut short since it was opened. cut: whether somebody has seen that."""
        self._contents.check(cut)

    @property
    def plain(self) -> Plain | None:
        """Where the packets are, for who walks through the file; None for all but the common forms."""
        return self._format.plain

    def is_whole(self, layer: str) -> bool:
        """Whether programs of `layer` see packets as they are in the file."""
        try:
            return self._conversion(layer) is None
        except LoadError:
            return False

    def resume(self, at: int, number: int) -> None:
        """Give packets from the record at `at` on, in front of which are `number`. For a file that is `plain`."""
        self._format.resume(at, number)

    def frames(self, layer: str) -> Iterator[Frame]:
        """The packets as programs of `layer` ("eth" or "ip", tables.progs) see them.

        LoadError names a link type that is not read, where that leaves nothing of the capture.
        """
        if isinstance(self._format, Pcap):
            self._conversion(layer)
        return self._frames(layer)

    def _frames(self, layer: str) -> Iterator[Frame]:
        form, link, convert = self._format, -1, None
        unread, given = "", False
        for stamp, data, length in self:
            if form.link != link:
                link = form.link
                try:
                    convert = self._conversion(layer)
                    given = True
                except LoadError as error:
                    unread = unread or str(error)
                    convert = _always(str(error).removeprefix(f"{self.name}: "))
            if convert is None:
                yield stamp, data, data, length
                continue
            frame = convert(data, length)
            yield stamp, frame, data, length if isinstance(frame, str) else length + len(frame) - len(data)
        if unread and not given:
            raise LoadError(unread)

    def _conversion(self, layer: str) -> links.Convert | None:
        """For packets of the link type that is read now; None: they are what programs see. LoadError names the file."""
        try:
            found = links.conversion(self._format.link, layer)
        except LoadError as error:
            raise LoadError(f"{self.name}: {error}") from None
        if found is None:
            return None
        if found.note and found.note not in self.notes:
            self.notes.append(found.note)
        return found.convert


def _always(reason: str) -> links.Convert:
    return lambda packet, length: reason


def _format(contents: Contents, lost: Losses) -> Pcap | Pcapng:
    head = bytes(contents.part(0, min(4, contents.size)))
    if is_pcapng(head):
        return Pcapng(contents, lost)
    if is_pcap(head):
        return Pcap(contents, lost)
    begins = f"it begins with {head.hex(' ')}" if head else "it is empty"
    packed = "; unpack it first (gzip)" if head[:2] == b"\x1f\x8b" else ""
    raise LoadError(f"{contents.name}: not a pcap or pcapng capture: {begins}{packed}")


def open_capture(path: str | os.PathLike[str]) -> Capture:
    """The capture in file `path`, "-" for standard input. LoadError, one line, for what is no readable capture."""
    name = os.fspath(path)
    if name == STANDARD_INPUT:
        return Capture(_standard_input(), "standard input")
    with open_regular(path) as file:
        return Capture(os.dup(file.fileno()), name)


def _standard_input() -> bytes | int:
    """A descriptor of the file that has what is there; the beginning of what is no capture."""
    name, example = "standard input", "write a capture to it, as in tcpdump -w - | bpfvm run prog.o --packet -"
    if sys.stdin is None:
        raise UsageError(f"{name} is closed; {example}")
    source = sys.stdin.buffer
    if source.isatty():
        raise UsageError(f"{name} is a terminal; {example}")
    try:
        if stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            return os.dup(source.fileno())
        return _copied(source)
    except OSError as error:
        raise LoadError(f"{name}: {error.strerror or error}") from None


def _copied(source: BinaryIO) -> bytes | int:
    """What a pipe brings, in a file without a name; of what is no capture, the beginning."""
    head = source.read(4)
    if not is_pcap(head) and not is_pcapng(head):
        return head
    with contextlib.suppress(OSError):
        fcntl.fcntl(source, fcntl.F_SETPIPE_SZ, _PIPE)
    piece = memoryview(bytearray(_COPIED))
    import tempfile

    with tempfile.TemporaryFile() as copy:
        copy.write(head)
        while size := cast(BufferedReader, source).readinto(piece):
            copy.write(piece[:size])
        copy.flush()
        return os.dup(copy.fileno())
