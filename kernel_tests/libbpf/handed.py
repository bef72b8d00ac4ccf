"""What libbpf makes of an object: its programs as they reach the kernel, its maps as they are declared.

bpftool loads each object whole, which ends at the first program that this kernel refuses; the programs behind it are
loaded each by itself, by the same library (see driver.py). Both are seen by strace.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from kernel_tests.libbpf.strace import Event, MapCreated, ProgramLoaded, traced

_DRIVER = Path(__file__).with_name("driver.py")
_OWN_BPFFS = ("unshare", "--mount", "sh", "-c", 'mount -t bpf bpf /sys/fs/bpf && exec "$@"', "sh")
_LDDW, _MAP_FD, _MAP_VALUE = 0x18, 1, 2  # opcode; selectors of a wide load (BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE)

NAME = 15  # bytes of a name that the kernel keeps

Slot: TypeAlias = tuple[bytes, str]  # the 8 bytes without a map's fd, and the name of the map that it stood for


@dataclass(frozen=True, slots=True)
class Map:
    """type: the kernel's number. key_type, value_type: ids in the object's BTF. initial: of a data section."""

    type: int
    key_size: int
    value_size: int
    max_entries: int
    flags: int
    key_type: int
    value_type: int
    initial: bytes | None


@dataclass(frozen=True, slots=True)
class Program:
    """type: the kernel's number. code: what BPF_PROG_LOAD got, None where libbpf did not come that far.

    functions: entries of func_info. accepted: whether the kernel took the program.
    """

    section: str
    type: int
    code: tuple[Slot, ...] | None = None
    functions: int = 0
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Object:
    """error: why libbpf does not open it, or ""."""

    programs: dict[str, Program]
    maps: Mapping[str, Map]
    error: str = ""


def section_of(name: str) -> str:
    """The name of a data section's map, "opensnoo.rodata", without the start of the object's name."""
    return name[name.index(".") :] if "." in name else name


def loaded(paths: Sequence[Path], folder: Path) -> dict[Path, Object]:
    """Every object with the code of its programs. folder: for traces."""
    described = _driven({path: [] for path in paths}, folder)
    for path, one in described.items():
        for code in _loaded_by_bpftool(path, one, folder) if not one.error else ():
            _add(one, code)
    rest = {
        path: [name for name, one in found.programs.items() if one.code is None] for path, found in described.items()
    }
    for path, one in _driven({path: names for path, names in rest.items() if names}, folder).items():
        described[path].programs.update({name: one.programs[name] for name in rest[path]})
    return described


def _loaded_by_bpftool(path: Path, one: Object, folder: Path) -> list[_Code]:
    """In a mount namespace and a BPF file system of its own, which end with it."""
    command = ("bpftool", "prog", "loadall", path, "/sys/fs/bpf/loaded")
    return _codes(traced(command, folder / "bpftool.strace", before=_OWN_BPFFS), one.maps)


def _driven(wanted: Mapping[Path, Sequence[str]], folder: Path) -> dict[Path, Object]:
    """Each object with the code of the programs that are wanted, loaded by the driver."""
    script = json.dumps({str(path): list(names) for path, names in wanted.items()})
    found: dict[Path, Object] = {}
    pending: list[Event] = []
    for event in traced((sys.executable, _DRIVER, script), folder / "driver.strace", marks=True):
        if isinstance(event, MapCreated | ProgramLoaded):
            pending.append(event)
            continue
        if "object" in event:
            programs = {name: Program(section, kind) for name, section, kind in event.get("programs", ())}
            maps = {one["name"]: _map(one) for one in event.get("maps", ())}
            found[Path(event["object"])] = last = Object(programs, maps, event.get("error", ""))
        for code in _codes(pending, last.maps):
            _add(last, code, event["program"])
        pending = []
    assert set(found) == set(wanted), "the driver did not come to its end"
    return found


@dataclass(frozen=True, slots=True)
class _Code:
    """One BPF_PROG_LOAD. name: its first 15 bytes."""

    name: str
    slots: tuple[Slot, ...]
    functions: int
    accepted: bool


def _codes(events: Iterable[Event], maps: Iterable[str]) -> list[_Code]:
    """The loads of programs among `events`, maps by name; loads that libbpf makes to learn of the kernel left out."""
    by_fd: dict[int, str] = {}
    found = []
    for event in events:
        if isinstance(event, MapCreated) and event.fd >= 0:
            full = [name for name in maps if name[:NAME] == event.name and section_of(name) not in by_fd.values()]
            by_fd[event.fd] = section_of(full[0]) if full else event.name
        elif isinstance(event, ProgramLoaded) and event.name and not event.name.startswith("libbpf_"):
            found.append(_Code(event.name, _named(event.slots, by_fd), event.functions, event.fd >= 0))
    return found


def _named(slots: Sequence[bytes], by_fd: Mapping[int, str]) -> tuple[Slot, ...]:
    out: list[Slot] = []
    for one in slots:
        if one[0] == _LDDW and one[1] >> 4 in (_MAP_FD, _MAP_VALUE):
            out.append((one[:4] + bytes(4), by_fd[int.from_bytes(one[4:], "little")]))
        else:
            out.append((one, ""))
    return tuple(out)


def _add(one: Object, code: _Code, wanted: str | None = None) -> None:
    """Note `code` for the program `wanted`, or for the next one of its name."""
    names = [name for name in one.programs if name[:NAME] == code.name and wanted in (None, name)]
    assert names, f"a load of {code.name}, where {wanted or 'a program of the object'} was wanted"
    for name in names:
        old = one.programs[name]
        if old.code is None:
            one.programs[name] = Program(old.section, old.type, code.slots, code.functions, code.accepted)
            return
        if old.code == code.slots:
            return  # libbpf asks again with a larger buffer for the verifier's log
    raise AssertionError(f"{code.name} was loaded twice and differently")


def _map(said: Mapping[str, Any]) -> Map:
    initial = said["initial"]
    return Map(
        type=said["type"],
        key_size=said["key_size"],
        value_size=said["value_size"],
        max_entries=said["max_entries"],
        flags=said["map_flags"],
        key_type=said["btf_key_type_id"],
        value_type=said["btf_value_type_id"],
        initial=bytes.fromhex(initial) if initial is not None else None,
    )
