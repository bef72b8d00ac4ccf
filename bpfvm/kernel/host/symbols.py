"""Names of addresses: the kernel's functions by /proc/kallsyms, a process' by what it maps.

What a process maps is read again whenever it is asked for, so that libraries that it loaded meanwhile count; of a
process that ended since it was read last what it had then. A file's names are those of its symbol tables, of its debug
file by the build id, or what a JIT compiler tells in /tmp/perf-PID.map.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.executables.symbols import Executable

_FARTHEST = 1 << 20  # bytes from the last symbol of code that has no size
_IMAGES, _IMAGE = ("bpf_dispatcher_", "bpf_trampoline_"), 4096  # code of a page, with no size in /proc/kallsyms
_NO_FILES = ("/dev/zero", "/memfd:", "/SYSV", "//anon", "/anon_hugepage")  # memory that is shared or named
_PROC = Path("/proc")
_FILES, _PROCESSES = 128, 256  # whose symbols are kept


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands at an address. name: of the function, "" where nobody knows it; offset: in it, else in the module.
    module: a file's name, a module of the kernel, or why there is none."""

    address: int
    name: str
    offset: int
    module: str

    def __str__(self) -> str:
        if self.name:
            return f"{self.name} [{self.module}]" if self.module and self.address >> 63 else self.name
        return f"[{self.module}+{self.offset:#x}]" if self.offset else f"{self.address:#x} [{self.module}]"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class Symbols:
    """Functions in order of their place."""

    def __init__(self, rows: Sequence[tuple[int, int, str]]) -> None:
        """rows: place, size or 0, name; in order."""
        self._starts = [start for start, _, _ in rows]
        self._rows = rows

    def __bool__(self) -> bool:
        return bool(self._rows)

    def at(self, place: int) -> tuple[str, int] | None:
        """The function there, and how far in it; None for none."""
        index = bisect_right(self._starts, place) - 1
        if index < 0:
            return None
        start, size, name = self._rows[index]
        return (name, place - start) if place - start < (size or _FARTHEST) else None


@dataclass(frozen=True, slots=True)
class _Mapping:
    start: int
    end: int
    offset: int
    path: str
    file: tuple[str, str]  # device and inode


def kernel_frames(addresses: Sequence[int]) -> list[Frame]:
    """The functions of the kernel and of its modules at addresses."""
    symbols = _kernel(_text(_PROC / "modules") or "")
    found = []
    for one in addresses:
        known = symbols.at(one)
        name, _, module = known[0].partition("\t") if known is not None else ("", "", "kernel")
        found.append(Frame(one, name, known[1] if known is not None else 0, module))
    return found


@lru_cache(1)
def _kernel(modules: str) -> Symbols:
    """modules: those that are loaded, whose functions come and go with them."""
    rows = []
    for line in (_text(_PROC / "kallsyms") or "").splitlines():
        place, kind, name, *module = line.split()
        if kind in "tTwW" and place.strip("0"):
            size = _IMAGE if name.startswith(_IMAGES) and module == ["[bpf]"] else 0
            rows.append((int(place, 16), size, f"{name}\t{module[0].strip('[]')}" if module else name))
    rows.sort()
    return Symbols(rows)


def process_frames(pid: int, addresses: Sequence[int]) -> list[Frame]:
    """The functions of a process at addresses."""
    mapped = _mappings(pid)
    return [_frame(pid, mapped, one) for one in addresses]


_last: dict[int, tuple[str, str, list[_Mapping]]] = {}  # by process: when it began, its maps as text, and read


def _mappings(pid: int) -> list[_Mapping] | None:
    """What the process maps to execute, by address; None of one that ended before it was asked for."""
    text, begun = _text(_PROC / str(pid) / "maps"), _begun(pid)
    known = _last.get(pid)
    if not text:
        return known[2] if known is not None else None
    if known is None or (begun, text) != known[:2]:
        if len(_last) >= _PROCESSES:
            _last.pop(next(iter(_last)))
        known = _last[pid] = begun, text, _parsed(text)
    return known[2]


def _begun(pid: int) -> str:
    """The time that the process began at: its number is another's later."""
    fields = (_text(_PROC / str(pid) / "stat") or "").rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 else ""


def _parsed(text: str) -> list[_Mapping]:
    found = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        if len(fields) < 5 or "x" not in fields[1]:
            continue
        start, _, end = fields[0].partition("-")
        path = fields[5] if len(fields) > 5 else ""
        found.append(_Mapping(int(start, 16), int(end, 16), int(fields[2], 16), path, (fields[3], fields[4])))
    return found


def _frame(pid: int, mapped: list[_Mapping] | None, address: int) -> Frame:
    if mapped is None:
        return Frame(address, "", 0, f"process {pid} ended")
    for one in mapped:
        if one.start <= address < one.end:
            return _inside(pid, one, address)
    return Frame(address, "", 0, "not mapped")


def _inside(pid: int, mapping: _Mapping, address: int) -> Frame:
    offset = address - mapping.start + mapping.offset
    path = mapping.path.removesuffix(" (deleted)")
    if not path.startswith("/") or path.startswith(_NO_FILES):
        known = _told(pid, _changed(_jitted(pid))).at(address)
        if known is not None:
            return Frame(address, known[0], known[1], path.strip("[]") or "anonymous")
        return Frame(address, "", offset if path.startswith("[") else 0, path.strip("[]") or "anonymous")
    symbols = _of_file(pid, mapping, path)
    known = symbols.at(offset)
    name = path.rpartition("/")[2]
    return Frame(address, known[0], known[1], name) if known is not None else Frame(address, "", offset, name)


def _of_file(pid: int, mapping: _Mapping, path: str) -> Symbols:
    """By the mapping itself, which leads to files that were deleted and to those of containers."""
    itself = _PROC / str(pid) / "map_files" / f"{mapping.start:x}-{mapping.end:x}"
    within = _PROC / str(pid) / "root" / path.lstrip("/")
    if mapping.file not in _files:
        if len(_files) >= _FILES:
            _files.pop(next(iter(_files)))
        _files[mapping.file] = _read((str(within), str(itself), path))
    return _files[mapping.file]


_files: dict[tuple[str, str], Symbols] = {}


def _read(paths: Sequence[str]) -> Symbols:
    for one in paths:
        if os.path.exists(one):
            try:
                return Symbols(Executable(one).symbols())
            except LoadError:
                continue
    return Symbols([])


def _jitted(pid: int) -> Path:
    """Where compilers at run time tell their functions: "START SIZE NAME" in hex, a line each."""
    return _PROC / str(pid) / "root" / "tmp" / f"perf-{pid}.map"


def _changed(path: Path) -> tuple[str, int, int]:
    try:
        found = path.stat()
    except OSError:
        path = Path("/tmp") / path.name
        try:
            found = path.stat()
        except OSError:
            return "", 0, 0
    return str(path), found.st_mtime_ns, found.st_size


@lru_cache(_PROCESSES)
def _told(pid: int, file: tuple[str, int, int]) -> Symbols:
    rows = []
    for line in (_text(Path(file[0])) or "").splitlines() if file[0] else ():
        fields = line.split(None, 2)
        try:
            rows.append((int(fields[0], 16), int(fields[1], 16), fields[2]))
        except (IndexError, ValueError):
            continue
    rows.sort()
    return Symbols(rows)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


__all__ = ["Frame", "Symbols", "kernel_frames", "process_frames"]
