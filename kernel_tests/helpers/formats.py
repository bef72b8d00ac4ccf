"""Random formats of trace_vprintk and snprintf with their values, seeded."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 12  # values
TEXTS = (b"", b"a", b"hello, world", b"x" * 60, "grüß".encode(), bytes(range(1, 20)))
ADDRESS = bytes.fromhex("c0a80001fe8000000000000002ff00fe")  # both an IPv4 and an IPv6 address
POOL = b"".join(text + b"\0" for text in TEXTS) + ADDRESS
AT_ADDRESS = len(POOL) - len(ADDRESS)
NUMBERS = (0, 1, 7, 255, 1 << 31, (1 << 31) - 1, 1 << 32, 1 << 63, (1 << 64) - 1, (1 << 64) - 4095, (1 << 64) - 4096)
WORDS = "ab Z9%%.,-_\t#'\"0l"
ENDS = ("", " ", ",", ".", "\n", "%%")


@dataclass(frozen=True, slots=True)
class Case:
    """values: numbers, or offsets in the POOL where `placed` has a bit. hashed: whether a pointer's hash is printed.

    kept: whether anything is printed that the kernel passes over where there is no room, so that what follows it is
    made of what happens to stand in its buffer.
    """

    form: bytes
    values: tuple[int, ...]
    placed: int
    hashed: bool
    kept: bool


def cases(seed: int, count: int, damaged: bool) -> list[Case]:
    """damaged: also formats that are none."""
    source = random.Random(seed)
    return [_case(source, damaged) for _ in range(count)]


def _case(source: random.Random, damaged: bool) -> Case:
    parts: list[str] = []
    values: list[int] = []
    placed, hashed = 0, False
    for index in range(source.choice((0, 1, 1, 2, 2, 3, 3, 4, 6, 9, 12))):
        parts.append(_words(source))
        text, value, is_placed, is_hashed = _conversion(source)
        parts.append(text)
        values.append(value)
        placed |= is_placed << index
        hashed |= is_hashed
    parts.append(_words(source))
    form = "".join(parts)
    if damaged and source.random() < 0.5:
        at = source.randrange(len(form) + 1)
        placed = 0  # what is shown of an address is the machine's own
        form = (
            form[:at]
            + source.choice(("%", "%q", "#", "\x01", "ü", "l", "%lll", "%.3d", "%5", "%hd", "%n", "p"))
            + form[at:]
        )
    if damaged and source.random() < 0.1 and values:
        values.pop()
        placed &= (1 << len(values)) - 1
    return Case(form.encode()[:150], tuple(values), placed, hashed, bool(re.search("p(ks|us|B|[iI][46])", form)))


def _words(source: random.Random) -> str:
    text = "".join(source.choice(WORDS) for _ in range(source.randrange(6)))
    return text.replace("%", "%%")


def _conversion(source: random.Random) -> tuple[str, int, bool, bool]:
    """A conversion, its value, whether that is an offset in the POOL, whether it is hashed."""
    flags = "".join(source.choice("0+- ") for _ in range(source.choice((0, 0, 0, 1, 2))))
    width = str(source.choice((1, 2, 5, 9, 16, 20, 33))) if source.random() < 0.4 else ""
    kind = source.choice(("number", "number", "number", "char", "text", "pointer", "address", "name"))
    number = source.choice(NUMBERS) if source.random() < 0.5 else source.getrandbits(source.choice((8, 32, 64)))
    if kind == "number":
        return f"%{flags}{width}{source.choice(('', 'l', 'll'))}{source.choice('diuxX')}", number, False, False
    if kind == "char":
        return f"%{flags}{width}c", source.choice((65, 0x141, 32, 0xFF, 10)), False, False
    if kind == "text":
        form = source.choice(("s", "s", "pks"))
        end = source.choice(ENDS)
        return (
            f"%{flags}{width}{form}{end}" + (" " if not end else ""),
            _text_at(source.randrange(len(TEXTS))),
            True,
            False,
        )
    if kind == "pointer":
        form = source.choice(("p ", "p.", "pK", "px", "px", "pxyz", "pK9"))
        hashed = not form.startswith("px") and number not in (0, (1 << 64) - 1, (1 << 64) - 4095)
        return f"%{flags}{width if not hashed else ''}{form}", number, False, hashed
    if kind == "address":
        return (
            f"%{flags}{width}p{source.choice('iI')}{source.choice('46')}{source.choice(('', 'c', 'h1'))}",
            AT_ADDRESS,
            True,
            False,
        )
    return f"%{flags}{width}p{source.choice('sSB')}{source.choice(('', 'q'))}", source.getrandbits(40), False, False


def _text_at(index: int) -> int:
    return sum(len(text) + 1 for text in TEXTS[:index])


def words(values: Sequence[int]) -> bytes:
    """Values as the array that helpers take."""
    return b"".join(value.to_bytes(8, "little") for value in values)
