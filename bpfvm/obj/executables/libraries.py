"""Where a library or a program of a short name lies: "c" is libc, "bash" is /bin/bash.

/etc/ld.so.cache (glibc, elf/cache.c in words: a header, entries of four numbers and a word, strings) tells the dynamic
linker's choice; without it the usual folders are looked through.
"""

from __future__ import annotations

import platform
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

from bpfvm.core.errors import LoadError

_CACHE = Path("/etc/ld.so.cache")
_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER, _ENTRY = 48, struct.Struct("=iIIIQ")  # flags, name, path, (unused), hardware
_64_BIT = {"x86_64": 0x0300, "aarch64": 0x0A00, "s390x": 0x0400, "ppc64": 0x0500, "ppc64le": 0x0500, "riscv64": 0x1000,
           "loongarch64": 0x1100}  # fmt: skip
_FOLDERS = ("/lib", "/usr/lib", "/usr/local/lib", "/lib64", "/usr/lib64")


def find(name: str, pid: int | None = None) -> str:
    """The file that a name means: a path, a program of PATH, or a library, with or without "lib" and ".so".

    pid: of the process that uses it, whose own files count. LoadError where there is none.
    """
    root = f"/proc/{pid}/root" if pid is not None else ""
    if "/" in name:
        found = f"{root}{name}" if root and name.startswith("/") and Path(f"{root}{name}").exists() else name
        if not Path(found).is_file():
            raise LoadError(f"{name}: there is no such file")
        return found
    if pid is not None:
        for path in _mapped(pid):
            if _is_called(Path(path).name, name):
                return f"{root}{path}" if Path(f"{root}{path}").exists() else path
    for path in (*_cached(name), *_in_folders(name)):
        return path
    program = shutil.which(name)
    if program is not None:
        return str(Path(program).resolve())
    raise LoadError(f"{name}: no library and no program of this name is found; give its path")


def _is_called(file: str, name: str) -> bool:
    """Whether "libc.so.6" is what "c", "libc" or "libc.so.6" means."""
    if file == name:
        return True
    return re.fullmatch(rf"(?:lib)?{re.escape(name.removeprefix('lib'))}(?:-[\d.]+)?\.so(?:\.\d+)*", file) is not None


def _mapped(pid: int) -> Iterator[str]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        raise LoadError(f"there is no process {pid}; pid= is the number of one that runs") from None
    except OSError as error:
        raise LoadError(f"process {pid}: {error.strerror or error}") from None
    yield from dict.fromkeys(line.split(None, 5)[5] for line in lines if "/" in line)


def _cached(name: str) -> Iterator[str]:
    try:
        data = _CACHE.read_bytes()
    except OSError:
        return
    at = data.find(_MAGIC)
    if at < 0 or len(data) < at + _HEADER:
        return
    (count,) = struct.unpack_from("=I", data, at + len(_MAGIC))
    wanted = _64_BIT.get(platform.machine())
    for place in range(at + _HEADER, min(at + _HEADER + count * _ENTRY.size, len(data) - _ENTRY.size), _ENTRY.size):
        flags, key, value, _, _ = _ENTRY.unpack_from(data, place)
        if (wanted is None or flags & 0xFF00 == wanted) and _is_called(_text(data, at + key), name):
            yield _text(data, at + value)


def _text(data: bytes, at: int) -> str:
    return data[at : data.find(b"\0", at)].decode(errors="replace")


def _in_folders(name: str) -> Iterator[str]:
    machine = platform.machine()
    for folder in (f"/lib/{machine}-linux-gnu", f"/usr/lib/{machine}-linux-gnu", *_FOLDERS):
        for one in sorted(Path(folder).glob("*.so*")) if Path(folder).is_dir() else ():
            if _is_called(one.name, name):
                yield str(one)
