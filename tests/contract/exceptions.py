"""The file objects.data: which programs a machine must refuse, and in which words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

TABLE = Path(__file__).with_name("objects.data")
SECTIONS = ("every machine", "kernel", "emulators", "host", "own")


@dataclass(frozen=True, slots=True)
class Row:
    """A line. file, program: with * in them. part: of an outcome, in section "own". words: what is said, or why."""

    line: int
    file: str
    program: str
    part: str
    words: str

    def is_of(self, file: str, program: str) -> bool:
        """Whether the line tells of this program of this file."""
        return fnmatchcase(file, self.file) and fnmatchcase(program, self.program)


@cache
def table() -> Mapping[str, tuple[Row, ...]]:
    """The lines by section. AssertionError with the line for one that cannot be read."""
    found: dict[str, list[Row]] = {name: [] for name in SECTIONS}
    section = SECTIONS[0]
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if line.startswith("-- "):
            section = line[3:]
            assert section in SECTIONS, f"{TABLE.name}:{number}: there is no section {section!r}"
        elif line and not line.startswith("#"):
            row = re.fullmatch(r"(\S+) ([^\s:]+)((?: [^\s:]+)*): (.+)", line)
            assert row, f"{TABLE.name}:{number}: FILE PROGRAM: words are wanted"
            found[section].append(Row(number, row[1], row[2], row[3].strip(), row[4]))
    return {name: tuple(rows) for name, rows in found.items()}


def refusal(file: str, program: str, kernel: bool) -> Row | None:
    """The line that says that the machine must refuse the program."""
    names = ("every machine", "kernel" if kernel else "emulators")
    return next((row for name in names for row in table()[name] if row.is_of(file, program)), None)


def of_host(file: str, program: str, message: str) -> Row | None:
    """The line that explains this message by the host."""
    return next((row for row in table()["host"] if row.is_of(file, program) and row.words in message), None)


def own(file: str, program: str) -> tuple[str, ...]:
    """The parts of the program's outcomes that are not compared."""
    return tuple(row.part for row in table()["own"] if row.is_of(file, program))


def unused(programs: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """A complaint for each line that tells of no program. programs: by file."""
    for name, rows in table().items():
        for row in rows:
            if not any(row.is_of(file, one) for file, names in programs.items() for one in names):
                yield f"{TABLE.name}:{row.line}: section {name!r}: no object has {row.file} {row.program}"
