"""The kernel's own fields in map values and in structures that programs allocate: locks, timers, heads of lists and
roots of trees with what stands in them, pointers to objects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, DataSec, DeclTag, Ptr, Struct, TypeTag, Union, Var

LOCK, REFCOUNT = "bpf_spin_lock", "bpf_refcount"
LIST_HEAD, LIST_NODE, ROOT, RB_NODE = "bpf_list_head", "bpf_list_node", "bpf_rb_root", "bpf_rb_node"
_SIZES = {
    LOCK: 4, "bpf_res_spin_lock": 4, "bpf_timer": 16, "bpf_wq": 16, LIST_HEAD: 16, LIST_NODE: 24, ROOT: 16, RB_NODE: 32,
    REFCOUNT: 4, "bpf_dynptr": 16, "bpf_task_work": 8,
}  # fmt: skip
_KPTRS = ("kptr_untrusted", "kptr", "percpu_kptr", "uptr")
_CONTAINS = re.compile(r"contains:([^:]+):([^:]+)")
_DEPTH = 16


class Field(NamedTuple):
    """One field. node: of a head or root, the structure that it holds and where in it the node is. target: of a
    pointer, what it points to, a type of the program."""

    offset: int
    size: int
    name: str
    node: tuple[int, int] | None = None
    target: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of a value or structure, in order."""

    fields: tuple[Field, ...] = ()

    def find(self, name: str) -> Field | None:
        """The first field of this name."""
        return next((one for one in self.fields if one.name == name), None)

    def at(self, offset: int, name: str) -> Field | None:
        """The field of this name at `offset`."""
        return next((one for one in self.fields if one.offset == offset and one.name == name), None)

    @property
    def lock(self) -> int | None:
        """Where the lock is."""
        found = self.find(LOCK)
        return found.offset if found is not None else None


NOTHING = Record()


def record_of(btf: Btf, number: int) -> Record:
    """The fields of a type: none where a head or root does not say what it holds, or says what is not so."""
    found = sorted(special_fields(btf, number), key=lambda one: one.offset)
    if any(one.name in (LIST_HEAD, ROOT) and one.node is None for one in found):
        return NOTHING
    return Record(tuple(found))


def special_fields(btf: Btf, number: int, start: int = 0, held: str = "", depth: int = 0) -> Iterator[Field]:
    """The kernel's own fields in a value. held: what a tag of its declaration says that it contains."""
    kind = btf[btf.strip(number)] if number and depth < _DEPTH else None
    if isinstance(kind, Ptr):
        yield from _pointer(btf, kind, start)
    elif isinstance(kind, Struct | Union):
        if kind.name in _SIZES:
            yield Field(start, _SIZES[kind.name], kind.name, _node(btf, kind.name, held))
            return
        for at, member in enumerate(kind.members):
            tag = _tag(btf, btf.strip(number), at)
            yield from special_fields(btf, member.type, start + member.offset // 8, tag, depth + 1)
    elif isinstance(kind, DataSec):
        for place in kind.vars:
            variable = btf[place.type]
            if isinstance(variable, Var):
                tag = _tag(btf, place.type, -1)
                yield from special_fields(btf, variable.type, start + place.offset, tag, depth + 1)
    elif isinstance(kind, Array):
        inner = list(special_fields(btf, kind.type, 0, held, depth + 1))
        size = btf.size_of(kind.type) if inner else 0
        for at in range(kind.count if inner else 0):
            yield from (one._replace(offset=start + at * size + one.offset) for one in inner)


def _pointer(btf: Btf, kind: Ptr, start: int) -> Iterator[Field]:
    tag = btf[kind.type] if kind.type else None
    if isinstance(tag, TypeTag) and tag.name in _KPTRS:
        yield Field(start, 8, tag.name, target=btf.strip(tag.type))


def _tag(btf: Btf, number: int, component: int) -> str:
    """What stands in the tag "contains:…" of a member or variable."""
    return _tags(btf).get((number, component), "")


def _tags(btf: Btf) -> dict[tuple[int, int], str]:
    return {
        (one.type, one.component): one.name
        for one in btf
        if isinstance(one, DeclTag) and one.name.startswith("contains:")
    }


def _node(btf: Btf, name: str, held: str) -> tuple[int, int] | None:
    """The structure, and where in it the node is, that a head holds."""
    found = _CONTAINS.fullmatch(held)
    if name not in (LIST_HEAD, ROOT) or found is None:
        return None
    number = btf.find(Struct, found[1])
    kind = btf[number] if number is not None else None
    if number is None or not isinstance(kind, Struct):
        return None
    wanted = LIST_NODE if name == LIST_HEAD else RB_NODE
    for member in kind.members:
        inner = btf.strip(member.type)
        if member.name == found[2] and inner and getattr(btf[inner], "name", "") == wanted:
            return number, member.offset // 8
    return None
