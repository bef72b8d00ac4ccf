"""The kernel's own BPF selftests: from Debian's package of the source, fetched, unpacked and built in a cache folder.

Nothing of them is kept in the project. Only files whose name's SHA-1 begins with 0 to 7 are read; the others are not.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from kernel_tests.debian import packages as debian

PACKAGE = "linux-source-6.12"
NEEDED = ("apt-get", "dpkg-deb", "tar", "clang-19", "bpftool")
_ROOT = f"{PACKAGE}/tools/testing/selftests/bpf"
_HEADERS = (f"{PACKAGE}/tools/include/uapi/", f"{PACKAGE}/tools/lib/bpf/")
_FLAGS = ("-g", "-O2", "-target", "bpf", "-mcpu=v3", "-mlittle-endian", "-D__TARGET_ARCH_x86", "-w")
_SYSTEM = ("/usr/include/bpf", "/usr/include", "/usr/include/x86_64-linux-gnu")
_SECONDS = 60  # for one file


def missing() -> str | None:
    """Why they are not to be had here, in one line; None where they may be."""
    if os.environ.get("BPFVM_SELFTESTS", "") in ("", "0"):
        return "BPFVM_SELFTESTS is not set: 150 MB are fetched for them (tox -e selftests sets it)"
    lacking = [tool for tool in NEEDED if shutil.which(tool) is None]
    return f"{', '.join(lacking)} not installed" if lacking else None


def chosen(name: str) -> bool:
    """Whether a source file is one of those that are read."""
    return hashlib.sha1(name.encode()).hexdigest()[0] in "01234567"


def objects() -> list[Path]:
    """The objects that could be built, by name. debian.Unavailable where the sources cannot be had."""
    folder = debian.cache().parent / "selftests"
    folder.mkdir(exist_ok=True)
    source = folder / _ROOT
    if not source.is_dir():
        _unpack(folder)
    built = source / "build"
    built.mkdir(exist_ok=True)
    _types(built)
    files = [path for path in sorted((source / "progs").glob("*.c")) if chosen(path.name)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return [path for path in pool.map(lambda path: _build(path, source, built), files) if path is not None]


def _unpack(folder: Path) -> None:
    """The chosen files and the headers, out of the archive inside the package."""
    archive = folder / f"{PACKAGE}.tar.xz"
    if not archive.exists():
        package = debian.archive(PACKAGE)
        command = f"dpkg-deb --fsys-tarfile '{package}' | tar -xO --wildcards '*/{archive.name}' > '{archive}.part'"
        subprocess.run(["sh", "-c", command], check=True)
        Path(f"{archive}.part").rename(archive)
    listed = subprocess.run(["tar", "-tf", str(archive)], check=True, capture_output=True, text=True).stdout
    names = folder / "names"
    names.write_text("\n".join(_wanted(listed.splitlines())))
    subprocess.run(["tar", "-xf", str(archive), "-C", str(folder), "-T", str(names)], check=False, capture_output=True)


def _wanted(names: list[str]) -> Iterator[str]:
    for name in names:
        folder, _, file = name.rpartition("/")
        program = folder == f"{_ROOT}/progs" and file.endswith(".c") and chosen(file)
        header = file.endswith(".h") and (name.startswith(_HEADERS) or folder in (_ROOT, f"{_ROOT}/progs"))
        if program or header:
            yield name


def _types(built: Path) -> None:
    """The running kernel's types as a header."""
    path = built / "vmlinux.h"
    if not path.exists():
        command = ["bpftool", "btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "c"]
        path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)


def _build(path: Path, source: Path, built: Path) -> Path | None:
    found = built / f"{path.stem}.o"
    if found.exists():
        return found
    tools = source.parents[2]
    include = [built, source / "progs", source, *map(Path, _SYSTEM[:2]), tools / "include/uapi"]
    flags = [*_FLAGS, *(f"-I{one}" for one in include), "-idirafter", _SYSTEM[2]]
    partial = built / f"{path.stem}.part"
    try:
        done = subprocess.run(
            ["clang-19", *flags, "-c", str(path), "-o", str(partial)], cwd=source, capture_output=True, check=False,
            timeout=_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        return None
    partial.rename(found)
    return found
