"""BPF objects that Debian ships: fetched by apt into a cache folder and unpacked there; none of them is kept here.

libbpf-tools has its objects inside its programs: a skeleton of libbpf holds the whole ELF file as a constant. They are
cut out and never run, since the tools attach to the whole system.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("libxdp1", "xdp-tests", "ir-keytable", "libbpf-tools")
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")  # Elf64_Ehdr
_SECTION = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr
_IDENT = b"\x7fELF\x02\x01\x01"
_TYPE_REL, _MACHINE_BPF, _NOBITS = 1, 247, 8


class Unavailable(Exception):
    """Why the packages cannot be had here, in one line."""


@dataclass(frozen=True, slots=True)
class DebianObject:
    """One object. name: package and file, "libbpf-tools/opensnoop.o"."""

    name: str
    path: Path


def objects() -> list[DebianObject]:
    """All objects of all packages, by package and name. Unavailable where one cannot be fetched or unpacked."""
    return [one for package in PACKAGES for one in _objects(package)]


def links(package: str) -> int:
    """How many further names the package's files have, as symbolic links."""
    return sum(path.is_symlink() for path in _unpacked(package).rglob("*") if path.parent.name in ("bin", "sbin"))


def cache() -> Path:
    """The folder for what is fetched."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bpfvm-tests" / "debian"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _objects(package: str) -> Iterator[DebianObject]:
    files = _unpacked(package)
    cut_out = files.with_name(f"{files.name}.objects")
    cut_out.mkdir(exist_ok=True)
    for path in sorted(files.rglob("*")):
        if path.is_symlink() or not path.is_file():
            continue
        if path.suffix == ".o":
            yield DebianObject(f"{package}/{path.name}", path)
            continue
        for number, data in enumerate(embedded(path.read_bytes()), 1):
            cut = cut_out / f"{path.name}{f'-{number}' if number > 1 else ''}.o"
            cut.write_bytes(data)
            yield DebianObject(f"{package}/{cut.name}", cut)


def embedded(data: bytes) -> Iterator[bytes]:
    """The BPF objects that stand inside `data`, each cut where its last section or its section headers end."""
    at = data.find(_IDENT, 1)
    while at >= 0:
        if at + _HEADER.size <= len(data):
            _, kind, machine, _, _, _, headers, _, _, _, _, entry, count, _ = _HEADER.unpack_from(data, at)
            if (kind, machine, entry) == (_TYPE_REL, _MACHINE_BPF, _SECTION.size):
                rows = [_SECTION.unpack_from(data, at + headers + number * entry) for number in range(count)]
                ends = [row[4] + row[5] for row in rows if row[1] not in (0, _NOBITS)]
                yield data[at : at + max([headers + count * entry, *ends])]
        at = data.find(_IDENT, at + 1)


def _unpacked(package: str) -> Path:
    """The folder with the package's files."""
    fetched = archive(package)
    folder = fetched.with_suffix("")
    if not folder.exists():
        partial = folder.with_name(f"{folder.name}.{os.getpid()}")
        _ask("dpkg-deb", "-x", str(fetched), str(partial))
        try:
            partial.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(partial)
            if not folder.is_dir():
                raise
    return folder


def archive(package: str) -> Path:
    """The package's file, fetched where it is not there yet."""
    folder = cache()
    kept = sorted(folder.glob(f"{package}_*.deb"))
    if not kept:
        fetching = folder / f"fetching.{os.getpid()}"
        fetching.mkdir()
        try:
            _download(package, fetching)
            kept = [path.rename(folder / path.name) for path in fetching.glob("*.deb")]
        finally:
            shutil.rmtree(fetching)
    if len(kept) != 1:
        raise Unavailable(f"{len(kept)} files of {package} in {folder}")
    return kept[0]


def _download(package: str, folder: Path) -> None:
    """apt's lists may be missing or older than its archive: then with lists of our own, the machine's left alone."""
    try:
        _ask("apt-get", "-q", "download", package, folder=folder)
    except Unavailable:
        lists = folder / "lists"
        (lists / "partial").mkdir(parents=True)
        own = (
            "-q",
            "-o",
            f"Dir::State::lists={lists}",
            "-o",
            "Dir::Cache::pkgcache=",
            "-o",
            "Dir::Cache::srcpkgcache=",
        )
        _ask("apt-get", *own, "-o", "Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false", "update")
        _ask("apt-get", *own, "download", package, folder=folder)


def _ask(*command: str, folder: Path | None = None) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
