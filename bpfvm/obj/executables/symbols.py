"""Executables and libraries as far as probes need them: where functions lie in the file, what probes it declares.

System V gABI: a function's place in the file is its address less that of the PT_LOAD segment that holds it. Stripped
files may keep names in .dynsym, in .gnu_debugdata (a small file, packed by xz), or in a debug file that is found by
the build id. USDT probes are notes of .note.stapsdt (sourceware.org/systemtap/wiki/UserSpaceProbeImplementation).
"""

from __future__ import annotations

import fnmatch
import lzma
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.cursor import Bytes
from bpfvm.obj.executables.parts import Parts

_HEADER = 64  # bytes of an ELF header
_EXECUTABLE, _SHARED, _LOAD, _NOTE = 2, 3, 1, 7
_SYMTAB, _DYNSYM, _NOBITS = 2, 11, 8
_FUNCTION, _RESOLVER = 2, 10  # STT_FUNC, STT_GNU_IFUNC
_PROBE, _BUILD_ID = 3, 3  # note types of stapsdt and GNU
_MOST_UNPACKED = 1 << 28  # bytes of .gnu_debugdata
_DEBUG = Path("/usr/lib/debug/.build-id")
_SYMBOL = struct.Struct("IBBHQQ")


@dataclass(frozen=True, slots=True)
class Function:
    """name: as in the file. offset: where it is in the file, bytes. resolver: what stands there is no function of that
    name, but what chooses one when the file is loaded (STT_GNU_IFUNC), as for strlen in a libc."""

    name: str
    offset: int
    resolver: bool = False


@dataclass(frozen=True, slots=True)
class Probe:
    """A USDT probe. offset: of the place in the file; semaphore: of its counter there, or 0. arguments: their text."""

    provider: str
    name: str
    offset: int
    semaphore: int
    arguments: str


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: int
    offset: int
    size: int
    link: int
    address: int


class Executable:
    """A file that the kernel maps. LoadError for one that is none, or damaged."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._file: Parts | Bytes = Parts(path)
        file = self._file
        if not len(file):
            raise LoadError(f"{path}: an empty file")
        head = bytes(file.part(0, min(len(file), _HEADER), "the ELF header").data)
        if head[:4] != b"\x7fELF" or len(head) < _HEADER:
            raise LoadError(f"{path}: not an ELF file")
        if head[4] != 2:
            raise LoadError(f"{path}: a 32-bit file, and only 64-bit ones are read")
        file.endian = "little" if head[5] == 1 else "big"
        kind, _, _, _, headers, self._section_at = file.unpack("HHIQQQ", 16, "the ELF header")
        _, _, header_size, count, self._section_size, self._section_count, self._names = file.unpack(
            "IHHHHHH", 48, "the ELF header"
        )
        if kind not in (_EXECUTABLE, _SHARED):
            raise LoadError(f"{path}: no executable and no library (ELF type {kind})")
        self._loads = [
            (address, size, offset)
            for segment, _, offset, address, _, size, _, _ in (
                file.unpack("IIQQQQQQ", headers + number * header_size, "a program header") for number in range(count)
            )
            if segment == _LOAD
        ]
        self._sections = self._read_sections()

    def place(self, address: int) -> int | None:
        """Where the byte at an address is in the file; None where no segment holds it."""
        for start, size, offset in self._loads:
            if start <= address < start + size:
                return address - start + offset
        return None

    def functions(self, pattern: str) -> list[Function]:
        """The functions that a name means: a symbol's own, `ns::name` of C++ or Rust, or a pattern with `*`, `?`."""
        wanted = _matcher(pattern)
        found = self._functions(pattern, wanted)
        if not found and wanted is None:  # a function of C++ outside of all namespaces
            found = self._functions(pattern, re.compile(rf"_Z{_source_name(pattern)}(?!\d).*"))
        return sorted(found.values(), key=lambda one: one.offset)

    def symbols(self) -> list[tuple[int, int, str]]:
        """Offset in the file, size (0: not told) and name of every function, by offset; [] of a file without names."""
        found: dict[int, tuple[int, int, str]] = {}
        for file in self._with_names():
            for name, address, size, _ in file._rows(None, re.compile(".*")):
                offset = self.place(address)
                if offset is not None and (offset not in found or found[offset][1] < size):
                    found[offset] = offset, size, name
        return sorted(found.values())

    def names(self) -> list[str]:
        """Names of all functions, for messages."""
        return sorted({row[0] for file in self._with_names() for row in file._rows(None, re.compile(".*"))})

    def probes(self, provider: str, name: str) -> list[Probe]:
        """The USDT probes of these names; patterns may stand for either."""
        section = self._section(".note.stapsdt")
        if section is None:
            return []
        base = self._section(".stapsdt.base")
        found = []
        for owner, kind, note in self._notes(section):
            if owner != b"stapsdt" or kind != _PROBE:
                continue
            address, was, semaphore = note.unpack("QQQ", 0, "a probe")
            texts = bytes(note.data[24:]).split(b"\0")
            if len(texts) < 3:
                raise note.error(24, "a probe has a provider, a name and arguments, each ended by a zero")
            moved = base.address - was if base is not None else 0
            one, two, arguments = (text.decode(errors="replace") for text in texts[:3])
            offset = self.place(address + moved)
            counter = self.place(semaphore + moved) if semaphore else 0
            if offset is not None and fnmatch.fnmatchcase(one, provider or "*") and fnmatch.fnmatchcase(two, name):
                found.append(Probe(one, two, offset, counter or 0, arguments))
        return found

    def _functions(self, name: str, wanted: re.Pattern[str] | None) -> dict[int, Function]:
        """By place. wanted: what names look like, None for `name` itself."""
        found: dict[int, Function] = {}
        for file in self._with_names():
            for symbol, address, _, kind in file._rows(name, wanted):
                offset = self.place(address)
                if offset is not None:
                    found.setdefault(offset, Function(symbol, offset, kind == _RESOLVER))
            if found:
                break
        return found

    def _with_names(self) -> Iterator[Executable]:
        """This file, then those that have its names where it is stripped."""
        yield self
        packed = self._section(".gnu_debugdata")
        if packed is not None:
            data = bytes(self._file.part(packed.offset, packed.size, ".gnu_debugdata").data)
            try:
                unpacked = lzma.LZMADecompressor().decompress(data, _MOST_UNPACKED)
            except lzma.LZMAError as error:
                raise LoadError(f"{self.path}: .gnu_debugdata cannot be unpacked: {error}") from None
            yield Executable._of(f"{self.path} (.gnu_debugdata)", unpacked)
        identity = self._build_id()
        beside = _DEBUG / identity[:2] / f"{identity[2:]}.debug"
        if identity and beside.is_file():
            yield Executable(str(beside))

    @classmethod
    def _of(cls, path: str, data: bytes) -> Executable:
        made = cls.__new__(cls)
        made.path, made._file = path, Bytes(data, path)
        _, _, _, _, _, made._section_at = made._file.unpack("HHIQQQ", 16, "the ELF header")
        _, _, _, _, made._section_size, made._section_count, made._names = made._file.unpack(
            "IHHHHHH", 48, "the ELF header"
        )
        made._loads, made._sections = [], made._read_sections()
        return made

    def _read_sections(self) -> list[_Section]:
        file = self._file
        if not self._section_at or not self._section_count:
            return []
        rows = [
            file.unpack("IIQQQQII", self._section_at + at * self._section_size, "a section header")
            for at in range(self._section_count)
        ]
        if self._names >= len(rows):
            raise file.error(62, f"section {self._names} holds the names, and there are {len(rows)} sections")
        texts = bytes(file.part(rows[self._names][4], rows[self._names][5], "section names").data)
        return [
            _Section(_text(texts, name), kind, offset, 0 if kind == _NOBITS else size, link, address)
            for name, kind, _, address, offset, size, link, _ in rows
        ]

    def _section(self, name: str) -> _Section | None:
        return next((one for one in self._sections if one.name == name), None)

    def _build_id(self) -> str:
        section = self._section(".note.gnu.build-id")
        for owner, kind, note in self._notes(section) if section is not None else ():
            if owner == b"GNU" and kind == _BUILD_ID:
                return bytes(note.data).hex()
        return ""

    def _notes(self, section: _Section) -> Iterator[tuple[bytes, int, Bytes]]:
        """Owner, type and contents of each note."""
        part = self._file.part(section.offset, section.size, section.name)
        at = 0
        while at + 12 <= len(part):
            name_size, size, kind = part.unpack("III", at, "a note")
            start = at + 12
            contents = start + -(-name_size // 4) * 4
            owner = bytes(part.cut(start, name_size, "a note's name")).rstrip(b"\0")
            yield owner, kind, part.part(contents, size, f"a note of {section.name}")
            at = contents + -(-size // 4) * 4

    def _rows(self, name: str | None, wanted: re.Pattern[str] | None) -> Iterator[tuple[str, int, int, int]]:
        """Names, addresses, sizes and types of functions. wanted: what names look like, None for `name` itself."""
        for section in self._sections:
            if section.type not in (_SYMTAB, _DYNSYM) or section.link >= len(self._sections):
                continue
            strings = self._sections[section.link]
            texts = bytes(self._file.part(strings.offset, strings.size, strings.name).data)
            places = None if wanted is not None else _ends_with(texts, name or "")
            size = section.size - section.size % _SYMBOL.size
            rows = struct.Struct(("<" if self._file.endian == "little" else ">") + _SYMBOL.format)
            for at, info, _, index, address, length in rows.iter_unpack(
                self._file.part(section.offset, size, section.name).data
            ):
                if info & 15 not in (_FUNCTION, _RESOLVER) or not index or not address:
                    continue
                if places is not None and at not in places:
                    continue
                symbol = _text(texts, at).partition("@")[0]
                if wanted is None or wanted.fullmatch(symbol):
                    yield symbol, address, length, info & 15


def _text(texts: bytes, at: int) -> str:
    end = texts.find(b"\0", at)
    return texts[at : end if end >= 0 else len(texts)].decode(errors="replace")


def _ends_with(texts: bytes, name: str) -> set[int]:
    """Where `name` can begin in a table of strings; versions (name@@VERSION) count."""
    return {one.start() for one in re.finditer(re.escape(name.encode()) + rb"(?=\0|@)", texts)}


def _matcher(pattern: str) -> re.Pattern[str] | None:
    """What a symbol must look like; None where its name is the pattern itself."""
    if "::" in pattern:
        return _of_path(pattern.split("::"))
    return re.compile(fnmatch.translate(pattern)) if any(one in pattern for one in "*?[") else None


def _of_path(parts: list[str]) -> re.Pattern[str]:
    """The symbols of `ns::name`: of C++ (Itanium ABI 5.1.4: lengths before names), of Rust (legacy: the same, a hash
    behind; v0: RFC 2603, a path inside out)."""
    names = "".join(_source_name(one) for one in parts)
    crate, inner = _source_name(parts[0]), "".join(_source_name(one) for one in parts[1:])
    apart = ".*?".join(_source_name(one) for one in parts[1:])  # types of methods stand between
    cpp = rf"_ZN[KVrRO]*{names}(?:I.*?E)?E.*"
    if parts[0] == "std":  # has an abbreviation of its own
        cpp += rf"|_ZSt{inner}.*" if len(parts) == 2 else rf"|_ZN[KVrRO]*St{inner}(?:I.*?E)?E.*"
    legacy = rf"_ZN{names}17h[0-9a-f]{{16}}E.*"
    new = rf"_RI?Nv.*?C(?:s[0-9a-zA-Z]*_)?{crate}{apart}.*"
    return re.compile(f"(?:{cpp}|{legacy}|{new})")


def _source_name(name: str) -> str:
    return r"\d+[^\d].*?" if name == "*" else f"{len(name.encode())}{re.escape(name)}"
