"""The sections of a data file as they stand in its text: which there are, where, and what their lines say.

bpfvm.testing.datafile tells what each is for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bpfvm.core.bits import M64
from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Location

# Name -> what stands behind it in the same line, None for nothing
ARGUMENTS: Mapping[str, str | None] = {
    "case": "a name",
    "asm": None,
    "code": None,
    "type": None,
    "mem": None,
    "maps": None,
    "registers": "names ra, rb, rc",
    "plain": None,
    "budget": None,
    "result": None,
    "rows": "names of registers",
    "fault": None,
    "refused": None,
    "mem-after": None,
    "warning": None,
    "insns": None,
    "kernel": None,
}
_HEADER = re.compile(r"--\s+([\w-]+)\s*(.*)")
_COMMENT = re.compile(r"(?:^|\s)#(?:\s.*|$)")
_INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|0|[1-9][0-9]{,19})")


@dataclass(frozen=True, slots=True)
class Section:
    """A section as it stands: its argument, its lines with comments, and the line of its header."""

    argument: str
    lines: list[str]
    place: Location

    def words(self) -> Iterator[tuple[Location, str]]:
        """Lines that say something, without comments."""
        for number, line in enumerate(self.lines, self.place.line + 1):
            words = _COMMENT.sub("", line).strip()
            if words:
                yield replace(self.place, line=number), words

    def one(self) -> tuple[Location, str]:
        """The only line."""
        found = list(self.words())
        if len(found) != 1:
            raise LoadError(f"{self.place}: this section has {len(found)} lines, and must have one")
        return found[0]

    def number(self) -> int:
        """The only line, an integer as 64 unsigned bits."""
        return number(*self.one())

    def pair(self) -> tuple[str, str]:
        """The only line, a kind and a message with a colon between them."""
        place, words = self.one()
        kind, colon, message = words.partition(":")
        if not colon:
            raise LoadError(f"{place}: met {words!r} where a fault's kind, a colon and part of its message are wanted")
        return kind.strip(), message.strip()

    def bytes(self) -> bytes:
        """Bytes in hex, blanks anywhere between them."""
        data = bytearray()
        for place, words in self.words():
            try:
                data += bytes.fromhex(words)
            except ValueError:
                raise LoadError(f"{place}: met {words!r} where bytes in hex are wanted") from None
        return bytes(data)


Sections = dict[str, Section]  # by name: those of one case


def number(place: Location, word: str) -> int:
    """An integer as 64 unsigned bits. LoadError with the place for anything else."""
    value = int(word, 0) if _INTEGER.fullmatch(word) else None
    if value is None or not -(1 << 63) <= value <= M64:
        raise LoadError(f"{place}: met {word!r} where a 64-bit number, decimal or hex, is wanted")
    return value & M64


def read_sections(path: str | Path, arguments: Mapping[str, str | None] = ARGUMENTS) -> Iterator[Sections]:
    """The sections of each case of a file, one after another. LoadError for what is not in a section.

    arguments: the sections that there are, and what stands behind each in its header's line.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise LoadError(f"{path}: a data file cannot be read: {error}") from None
    sections: Sections = {}
    current: Section | None = None
    for at, line in enumerate(text.splitlines(), 1):
        place = Location(str(path), at)
        header = _HEADER.fullmatch(line.strip())
        if header is None:
            if current is not None:
                current.lines.append(line)
            elif line.strip() and not _COMMENT.match(line):
                raise LoadError(f"{place}: met {line.strip()!r} where a comment or a section (-- asm) is wanted")
            continue
        name, argument = header[1], _COMMENT.sub("", header[2])
        _check_header(place, name, argument, arguments)
        if name == "case" and sections:
            yield sections
            sections = {}
        if name in sections:
            raise LoadError(f"{place}: section {name!r} is there twice; `-- case NAME` begins another case")
        current = sections[name] = Section(argument, [], place)
    if not sections:
        raise LoadError(f"{path}: there is no section, so no case")
    yield sections


def _check_header(place: Location, name: str, argument: str, arguments: Mapping[str, str | None]) -> None:
    if name not in arguments:
        raise LoadError(f"{place}: there is no section {name!r}; sections are {', '.join(arguments)}")
    wanted = arguments[name]
    if bool(argument) != (wanted is not None):
        raise LoadError(f"{place}: met {argument!r} where `-- {name}` wants {wanted or 'nothing'} behind it")
