"""Text by a format, as trace_printk, trace_vprintk and snprintf make it.

What Linux 6.18 takes (measured, compared in kernel_tests/helpers/test_general_helpers.py): text without ASCII's control
characters but blanks, `%%`, and conversions `%`, flags of `0+- `, a width, then one of

    d i u x X     32 bits, 64 with `l` or `ll`
    c  s          a byte; text at an address. Nothing but blanks, punctuation or the end may follow `s`
    p  pK         a pointer as a hash, which here comes from the number alone; 0 and errors as they are
    px            a pointer as it is
    ps pS pB      the kernel's name of an address; here, where no kernel is, the number
    pks pus       text in kernel and in user memory, without width
    pi4 pI4 pi6 pI6   an IP address at an address, without width

Letters and digits behind a `p` conversion are not printed. The kernel works in two steps, and so does this: values go
into a buffer of 512 bytes, texts as they are, pB and addresses as the text that they become; what finds no room is
-ENOSPC. Then the text is made of format and buffer. Where it is full already, the second step passes over pB, pks, pus
and addresses without a step in the buffer, so that later conversions show other values.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from bpfvm.core.bits import M32, M64, signed

ROOM = 512  # bytes of the buffer
POINTER_WIDTH = 16
ERRORS = M64 - 4094  # pointers from here on are errors (MAX_ERRNO)

# Blanks, punctuation, letters and digits are those of Latin-1
_OTHER = rb"\s!-/:-@\[-`{-~\xa0-\xbf\xd7\xf7"
_FORM = re.compile(rb"%([0+\- ]*)([1-9][0-9]*)?(?:(p)|(s|c)|(l?l?)([diuxX]))")
_POINTER = re.compile(rb"ks|us|[KxsSB]|[iI][46]|(?=[" + _OTHER + rb"]|\Z)")
_AFTER_TEXT = re.compile(rb"[" + _OTHER + rb"]|\Z")
_FORBIDDEN = re.compile(rb"[\0-\x08\x0e-\x1f\x7f]")
_ALNUM = re.compile(rb"[0-9A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]*")


class Memory(Protocol):
    """Where texts and addresses are read."""

    def peek(self, address: int, size: int) -> bytes | None:
        """Bytes at an address, None where there are not as many."""

    def text(self, address: int, size: int) -> bytes | None:
        """Bytes up to a zero, at most size - 1; None where the memory ends before."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text as it is, or a conversion. kind: "" for text, "d", "u", "x" …, "s", "c", "p" and what follows it.

    width: None where none is given.
    """

    kind: str
    text: bytes = b""
    flags: bytes = b""
    width: int | None = None
    bits: int = 32


@dataclass(slots=True)
class _Buffer:
    """The values on their way. at: where the next is read."""

    data: bytearray = field(default_factory=bytearray)
    at: int = 0

    @property
    def free(self) -> int:
        return ROOM - len(self.data)

    def put(self, value: int, size: int) -> bool:
        """Store a number; whether there was room."""
        if size > 1:
            self.data += bytes(-len(self.data) % 4)
        if self.free < size:
            return False
        self.data += (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
        return True

    def number(self, size: int) -> int:
        if size > 1:
            self.at += -self.at % 4
        found = int.from_bytes(self.data[self.at : self.at + size], "little")
        self.at += size
        return found

    def text(self) -> bytes:
        found = bytes(self.data[self.at :]).partition(b"\0")[0]
        self.at += len(found) + 1
        return found


def valid(form: bytes, count: int) -> bool:
    """Whether `form` can be with `count` values: what the verifier asks of snprintf's."""
    taken = 0
    for piece in _pieces(form):
        if piece is None:
            return False
        taken += bool(piece.kind)
    return taken <= count


def render(form: bytes, values: Sequence[int], memory: Memory, size: int) -> tuple[bytes, int] | int:
    """What `size` bytes show of the text before their zero, and its whole length; or a negative errno."""
    buffer, pieces, taken = _Buffer(), [], 0
    for piece in _pieces(form):
        if piece is None:
            return -errno.EINVAL
        if piece.kind:
            if taken >= len(values):
                return -errno.EINVAL
            if not _store(piece.kind, piece.bits, values[taken], buffer, memory):
                return -errno.ENOSPC
            taken += 1
        pieces.append(piece)
    shown, length = bytearray(), 0
    for piece in pieces:
        body, whole = _shown(piece, buffer, length < size, size)
        if length < size:
            shown += body
        length += whole
    return bytes(shown[: max(size - 1, 0)]), length


def _pieces(form: bytes) -> Iterator[Piece | None]:
    """The format taken apart; None where it is none."""
    at = 0
    while at < len(form):
        place = form.find(b"%", at)
        literal = form[at : place if place >= 0 else len(form)]
        if _FORBIDDEN.search(literal):
            yield None
            return
        yield Piece("", literal)
        at += len(literal)
        if place < 0:
            return
        if form[at + 1 : at + 2] == b"%":
            yield Piece("", b"%")
            at += 2
            continue
        piece, at = _conversion(form, at)
        yield piece
        if piece is None:
            return


def _conversion(form: bytes, at: int) -> tuple[Piece | None, int]:
    """The conversion at a place, and where the format goes on."""
    match = _FORM.match(form, at)
    if match is None:
        return None, at
    flags, width, _, plain, long, letter = match.groups()
    shape, at = (flags, _width(width)), match.end()
    if letter:
        return Piece(letter.decode(), b"", *shape, 64 if long else 32), at
    if plain:
        return (None if plain == b"s" and not _AFTER_TEXT.match(form, at) else Piece(plain.decode(), b"", *shape)), at
    found = _POINTER.match(form, at)
    if found is None or (found[0] in (b"ks", b"us") and not _AFTER_TEXT.match(form, found.end())):
        return None, at
    rest = _ALNUM.match(form, found.end())
    return Piece("p" + found[0].decode(), b"", *shape), rest.end() if rest is not None else found.end()


def _width(digits: bytes | None) -> int | None:
    """The kernel counts it in 32 bits, of which 32 decimal digits tell all; a negative one is none."""
    if digits is None:
        return None
    width = signed(int(digits[-32:]) & M32, 32)
    return width if width >= 0 else None


def _store(kind: str, bits: int, value: int, buffer: _Buffer, memory: Memory) -> bool:
    """The first step for one conversion; whether there was room."""
    if kind == "c":
        return buffer.put(value, 1)
    if kind in ("s", "pks", "pus"):
        if buffer.free <= 0:
            return False
        buffer.data += (memory.text(value, buffer.free) or b"") + b"\0"
        return True
    if kind == "pB":
        return _keep(b"0x%x" % value, buffer)
    if kind[1:2] in ("i", "I"):
        size = 4 if kind.endswith("4") else 16
        return buffer.free >= size and _keep(_address(kind, memory.peek(value, size) or bytes(size)), buffer)
    return buffer.put(value, 8 if bits == 64 or kind.startswith("p") else 4)


def _keep(text: bytes, buffer: _Buffer) -> bool:
    """A text that is made in the first step takes its whole length, shown or not."""
    kept = text[: max(buffer.free - 1, 0)]
    buffer.data += kept + bytes(len(text) + 1 - len(kept))
    return True


def _address(kind: str, data: bytes) -> bytes:
    if len(data) == 4:
        return (b"%d.%d.%d.%d" if kind[1] == "I" else b"%03d.%03d.%03d.%03d") % tuple(data)
    groups = [data[place : place + 2].hex().encode() for place in range(0, 16, 2)]
    return (b":" if kind[1] == "I" else b"").join(groups)


def _shown(piece: Piece, buffer: _Buffer, is_room: bool, most: int) -> tuple[bytes, int]:
    """The second step for one piece: its text, as far as `most` bytes can show it, and its length."""
    kind = piece.kind
    if not kind:
        return piece.text, len(piece.text)
    if kind in ("pks", "pus", "pB") or kind[1:2] in ("i", "I"):
        body = buffer.text() if is_room else b""
        return body, len(body)
    if kind == "s":
        return _padded(piece, buffer.text(), most)
    if kind == "c":
        return _padded(piece, bytes([buffer.number(1)]), most)
    if kind.startswith("p"):
        return _pointer(piece, buffer.number(8), most)
    number = buffer.number(piece.bits // 8)
    if kind in "xX":
        return _digits(piece, b"", b"%x" % number if kind == "x" else b"%X" % number, most)
    if kind == "u":
        return _digits(piece, b"", b"%d" % number, most)
    number = signed(number, piece.bits)
    sign = b"-" if number < 0 else b"+" if b"+" in piece.flags else b" " if b" " in piece.flags else b""
    return _digits(piece, sign, b"%d" % abs(number), most)


def _pointer(piece: Piece, value: int, most: int) -> tuple[bytes, int]:
    if piece.kind in ("ps", "pS"):
        return _padded(piece, b"0x%x" % value, most)
    number = value if piece.kind == "px" or not value or value >= ERRORS else _hashed(value)
    if piece.width is None:
        piece = Piece(piece.kind, b"", piece.flags + b"0", POINTER_WIDTH)
    return _digits(piece, b"", b"%x" % number, most)


def _hashed(value: int) -> int:
    """32 bits that tell nothing of a pointer, the same on every machine."""
    import hashlib

    return int.from_bytes(hashlib.blake2s(value.to_bytes(8, "little"), digest_size=4).digest(), "little")


def _padded(piece: Piece, body: bytes, most: int) -> tuple[bytes, int]:
    """A text with the blanks of its width."""
    missing = max((piece.width or 0) - len(body), 0)
    blanks = b" " * min(missing, most)
    return (body + blanks if b"-" in piece.flags else blanks + body), len(body) + missing


def _digits(piece: Piece, sign: bytes, digits: bytes, most: int) -> tuple[bytes, int]:
    """A number with zeros behind its sign, or blanks."""
    if b"0" not in piece.flags or b"-" in piece.flags:
        return _padded(piece, sign + digits, most)
    missing = max((piece.width or 0) - len(sign) - len(digits), 0)
    return sign + b"0" * min(missing, most) + digits, len(sign) + missing + len(digits)
