"""What the target of a user probe means: a file, and places in it.

    "c:malloc"  "/bin/bash:readline"  "libc.so.6:malloc+0x10"  "app:0x401136"  "app:ns::Class::method"  "app:get_*"

The file may be a path, a program of PATH or a library's name; see bpfvm.obj.executables.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.kernel.attach.chosen import chosen
from bpfvm.obj.executables import libraries
from bpfvm.obj.executables.symbols import Executable

MOST = 1000  # functions that one target may mean


@dataclass(frozen=True, slots=True)
class UserPlaces:
    """path: the file. places: (name, offset in the file, offset of a USDT counter or 0)."""

    path: str
    places: tuple[tuple[str, int, int], ...]


def functions(program: str, target: str, pid: int | None) -> UserPlaces:
    """Where a uprobe goes. LoadError for a file or a function that is not there, UsageError for a target of no form."""
    file, name = _split(program, target)
    path = libraries.find(file, pid)
    wanted, plus, distance = name.partition("+")
    offset = _number(program, target, distance) if plus else 0
    if wanted[:2].lower() == "0x":
        place = _number(program, target, wanted)
        image = Executable(path)
        found = image.place(place)
        if found is None:
            raise LoadError(f"{program}: {path}: no segment holds the address {place:#x}")
        return UserPlaces(path, ((wanted, found + offset, 0),))
    image = Executable(path)
    places = image.functions(wanted)
    if not places:
        raise _absent(program, path, wanted, image)
    if len(places) > MOST:
        raise UsageError(f"{program}: {len(places)} functions of {path} match {wanted}, and at most {MOST} are probed")
    starts: dict[int, str] = {}
    for one in places:
        starts.setdefault(chosen(program, path, one) if one.resolver else one.offset, one.name)
    return UserPlaces(path, tuple((name + plus + distance, start + offset, 0) for start, name in starts.items()))


def probes(program: str, target: str, pid: int | None) -> UserPlaces:
    """Where a USDT probe `file:provider:name` is, all its places."""
    parts = target.split(":")
    if len(parts) != 3 or not all((parts[0], parts[2])):
        raise UsageError(f"{program}: a USDT probe is named file:provider:name, not {target!r}")
    path = libraries.find(parts[0], pid)
    found = Executable(path).probes(parts[1], parts[2])
    if not found:
        known = sorted({f"{one.provider}:{one.name}" for one in Executable(path).probes("*", "*")})
        offered = f"; it has {', '.join(known[:8])}" if known else "; it has none (no section .note.stapsdt)"
        raise LoadError(f"{program}: {path} has no USDT probe {parts[1]}:{parts[2]}{offered}")
    return UserPlaces(path, tuple((f"{one.provider}:{one.name}", one.offset, one.semaphore) for one in found))


def _split(program: str, target: str) -> tuple[str, str]:
    """File and name: at the first colon that is not one of a `::`."""
    at = target.find(":")
    while at >= 0 and target[at + 1 : at + 2] == ":":
        at = target.find(":", at + 2)
    file, name = target[: max(at, 0)], target[at + 1 :]
    if not file or not name:
        raise UsageError(f"{program}: a user probe is named file:function, such as c:malloc, not {target!r}")
    return file, name


def _number(program: str, target: str, text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(f"{program}: {target!r}: {text!r} is no number") from None


def _absent(program: str, path: str, name: str, image: Executable) -> LoadError:
    known = image.names()
    if not known:
        return LoadError(f"{program}: {path} is stripped: it names no functions; give an address, {path}:0x1136, or "
                         "install its debug file")  # fmt: skip
    near = get_close_matches(name, known, 3)
    return LoadError(
        f"{program}: {path} has no function {name}" + (f"; did you mean {', '.join(near)}?" if near else "")
    )
