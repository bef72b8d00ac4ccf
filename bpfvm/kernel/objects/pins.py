"""Pins: names of programs and maps in a BPF file system, which keep them in the kernel when nobody has them open.

A map that is there already, by a pin, a descriptor or another object, is taken in place of a new one only where it is
what the object declares.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.kernel.attr import OBJ_GET, OBJ_PIN, MapInfo, ObjectPath, inform
from bpfvm.kernel.maps.map import entries_of
from bpfvm.kernel.sys import Fd, address, bpf, error_name, error_text
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NAME, BY_NUMBER, FLAGS

ROOT = Path("/sys/fs/bpf")  # where maps with LIBBPF_PIN_BY_NAME are pinned (bpf_helpers.h)
_MOUNTS = Path("/proc/self/mountinfo")
_NO_PART = FLAGS["mmapable"]  # what a loader adds of itself to data sections


def pin_path(folder: Path, name: str) -> Path:
    """The pin of a map or program: no name there has a dot (kernel/bpf/inode.c, bpf_lookup)."""
    return folder / name.replace(".", "_")


def check_folder(folder: Path) -> None:
    """Unavailable unless the folder, or the one that it is going to be made in, is in a BPF file system."""
    there = folder if folder.exists() else folder.parent
    try:
        device = os.stat(there).st_dev
    except OSError as error:
        raise Unavailable(f"pins in {folder}: {there}: {error.strerror}; make the folder, or name another") from None
    if not there.is_dir():
        raise Unavailable(f"pins in {folder}: {there} is a file, and pins stand in a folder")
    if device not in _bpf_devices():
        raise Unavailable(
            f"pins in {folder}: it is not in a BPF file system; mount one there (`mount -t bpf bpf {there}`, as root), "
            "or name a folder that is in one"
        )


def _bpf_devices() -> set[int]:
    """Device numbers of the BPF file systems that this process sees (proc_pid_mountinfo(5))."""
    found = set()
    try:
        rows = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError as error:
        raise Unavailable(f"pins: {_MOUNTS}: {error.strerror}") from None
    for row in rows:
        mount, _, kind = row.partition(" - ")
        if kind.split()[:1] == ["bpf"]:
            major, _, minor = mount.split()[2].partition(":")
            found.add(os.makedev(int(major), int(minor)))
    return found


class Pins:
    """Pins that one installation makes; those made are taken back where a later step of it fails."""

    def __init__(self, opened: ExitStack) -> None:
        """opened: undone after a failure, kept after success."""
        self._opened = opened
        self.paths: list[Path] = []

    def folder(self, path: Path) -> None:
        """See that the folder is there."""
        check_folder(path)
        if not path.exists():
            try:
                path.mkdir(mode=0o700)
            except OSError as error:
                raise Unavailable(f"pins in {path}: it cannot be made: {error.strerror}") from None
            self._opened.callback(_removed, [path])

    def pin(self, fd: Fd, path: Path, what: str) -> None:
        """what: "map counts"."""
        text = os.fsencode(path) + b"\0"
        try:
            bpf(OBJ_PIN, ObjectPath(pathname=address(text), bpf_fd=fd.number))
        except OSError as error:
            raise _refused(what, path, error.errno or 0) from None
        self.paths.append(path)
        self._opened.callback(_removed, [path])


def unpin(paths: Iterable[Path]) -> None:
    """Remove pins; those that are gone are no error."""
    _removed(paths)


def _removed(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            path.rmdir() if path.is_dir() else path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:  # a folder that others began to use
                raise Unavailable(f"pin {path} cannot be removed: {error.strerror}") from None


def _refused(what: str, path: Path, number: int) -> BpfvmError:
    if number == errno.EEXIST:
        return UsageError(
            f"{what}: there is a pin {path} already; remove it, pin in another folder, or share what it holds by reuse="
        )
    if number == errno.EPERM:
        return Unavailable(f"{what}: {path} cannot be made (EPERM); pinning takes CAP_BPF and a folder of one's own")
    return Unavailable(f"{what}: {path} cannot be made: {error_text(number)} ({error_name(number)})")


def pinned(path: Path, what: str) -> Fd:
    """What stands behind a pin. UsageError where there is none, Unavailable where it is not to be had."""
    text = os.fsencode(path) + b"\0"
    try:
        return Fd(bpf(OBJ_GET, ObjectPath(pathname=address(text))))
    except FileNotFoundError:
        raise UsageError(f"{what}: there is no pin {path}") from None
    except OSError as error:
        number = error.errno or 0
        hint = "; it is no pin" if number == errno.EACCES and path.is_file() else ""
        raise Unavailable(f"{what}: pin {path} cannot be opened ({error_name(number)}){hint}") from None


def given(spec: MapSpec, one: Any) -> tuple[Fd, MapSpec]:
    """A map to take in place of a new one, with what it is: by a descriptor of its own.

    one: a descriptor, a pin's path, or anything with a descriptor `fd` (KernelMap, Table). Errors as of `shared`.
    """
    what = f"map {spec.name}"
    if isinstance(one, str | os.PathLike):
        return shared(spec, pinned(Path(os.fspath(one)), what), f"the one pinned at {os.fspath(one)}")
    number = getattr(one, "fd", one)
    number = getattr(number, "number", number)
    if not isinstance(number, int) or isinstance(number, bool):
        raise UsageError(f"{what}: {one!r} is no map to share; give a map, its descriptor, or a pin's path")
    try:
        return shared(spec, Fd(os.dup(number)), "the one to share")
    except OSError as error:
        raise UsageError(f"{what}: descriptor {number} cannot be shared: {error.strerror}") from None


def shared(spec: MapSpec, fd: Fd, which: str) -> tuple[Fd, MapSpec]:
    """The map behind `fd`, which is closed again where it is not what `spec` declares: then UsageError or LoadError
    with what differs. which: the map in users' words."""
    with ExitStack() as opened:
        opened.enter_context(fd)
        if not _is_map(fd):
            raise UsageError(f"map {spec.name}: {which} is no map")
        info = MapInfo()
        try:
            inform(fd.number, info)
        except OSError as error:
            reason = error_name(error.errno or 0)
            raise Unavailable(f"map {spec.name}: {which} does not tell what it is ({reason})") from None
        if info.type not in BY_NUMBER:
            raise Unavailable(f"map {spec.name}: {which} is of a type that is not known here ({info.type})")
        different = list(_differences(spec, info))
        if different:
            raise LoadError(
                f"map {spec.name}: {which} is not what the object declares: {', '.join(different)}; remove it, or "
                "declare the map as it is"
            )
        opened.pop_all()
    return fd, replace(spec, flags=info.map_flags, max_entries=info.max_entries)


def _is_map(fd: Fd) -> bool:
    """By the name that the kernel gives the descriptor's file; programs answer the same questions in another form."""
    try:
        return os.readlink(f"/proc/self/fd/{fd.number}") == "anon_inode:bpf-map"
    except OSError:
        return False


def _differences(spec: MapSpec, info: MapInfo) -> Iterator[str]:
    row = BY_NAME[spec.type]
    there = BY_NUMBER[info.type].name
    if there != row.name:
        yield f"type {there}, declared {row.name}"
    for name, have, want in (
        ("key_size", info.key_size, spec.key_size),
        ("value_size", info.value_size, spec.value_size),
        ("max_entries", info.max_entries, entries_of(spec, row)),
        ("flags", info.map_flags & ~_NO_PART, spec.flags & ~_NO_PART),
        ("map_extra", info.map_extra, spec.extra),
    ):
        if have != want:
            yield f"{name} {have:#x}, declared {want:#x}" if name == "flags" else f"{name} {have}, declared {want}"
