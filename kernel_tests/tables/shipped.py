"""Writes the types that ship with bpfvm, from the running kernel: `python -m kernel_tests.tables.shipped`."""

from __future__ import annotations

import platform

from bpfvm.lang.types.kernel_btf import RUNNING
from bpfvm.obj.btf.codec import encode
from bpfvm.obj.btf.extract import extract
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.btf.types import Composite, Enumeration, Func, FuncProto
from bpfvm.obj.btf.view import TypeView
from bpfvm.obj.cursor import StringTable
from bpfvm.tables.linux import MACHINE, TYPES, VERSION, wanted


def is_theirs() -> bool:
    """Whether the running kernel is of the version and the machine that the types are of."""
    return platform.release().startswith(f"{VERSION}.") and platform.machine() == MACHINE


def made() -> bytes:
    """The types, of the running kernel."""
    return encode(extract(open_index(RUNNING), wanted()), StringTable(), "little")


def changed() -> tuple[list[str], int]:
    """Structures, enums and functions that are otherwise, or not at all, in the running kernel or in the types that
    ship, and how many there are: a new build of a version may add a member somewhere."""
    ours, theirs = (_shapes(open_index(path)) for path in (TYPES, RUNNING))
    every = ours.keys() | theirs.keys()
    return sorted(name for name in every if ours.get(name) != theirs.get(name)), len(every)


def _shapes(types: TypeView) -> dict[str, object]:
    """What is told of each type that has a name and a content: places of members, values, names of parameters."""
    found: dict[str, object] = {}
    for one in (part := extract(types, wanted())):
        kind = type(one).__name__
        if isinstance(one, Composite) and one.name:
            found[f"{kind} {one.name}"] = _members(part, one)
        elif isinstance(one, Enumeration) and one.name:
            found[f"{kind} {one.name}"] = one.values
        elif isinstance(one, Func):
            proto = part[one.type]
            assert isinstance(proto, FuncProto), "a function has one"
            found[f"{kind} {one.name}"] = tuple(name for name, _ in proto.params)
    return found


def _members(types: TypeView, one: Composite) -> tuple[object, ...]:
    """Its size, and its members with those of the structs in it that have no name."""
    told: list[object] = [one.size]
    for member in one.members:
        of = types[member.type] if member.type else None
        inner = _members(types, of) if isinstance(of, Composite) and not of.name else ()
        told.append((member.name, member.offset, member.bits, inner))
    return tuple(told)


if __name__ == "__main__":
    if not is_theirs():
        raise SystemExit(f"the types that ship are those of Linux {VERSION} on {MACHINE}")
    TYPES.write_bytes(made())
    print(f"{TYPES}: {TYPES.stat().st_size} bytes")
