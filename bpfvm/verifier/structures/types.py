"""Structures behind pointers: what a load at an offset finds, and whether one structure begins with another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bpfvm.obj.btf.types import Array, Enum, Enum64, Fwd, Int, Member, Ptr, Struct, Union
from bpfvm.obj.btf.view import TypeView

_DEPTH = 32


@dataclass(frozen=True, slots=True, eq=False)
class TypeRef:
    """A type by its id. kernel: it is one of the kernel's, not of the program's own."""

    view: TypeView
    number: int
    kernel: bool = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TypeRef) and self.number == other.number and self.view is other.view

    def __hash__(self) -> int:
        return hash((id(self.view), self.number))

    @property
    def name(self) -> str:
        """Without "struct"; "" for one that has none."""
        return getattr(self.view[self.number], "name", "") if self.number else ""

    @property
    def size(self) -> int:
        return self.view.size_of(self.number)


@dataclass(frozen=True, slots=True)
class Found:
    """What is at an offset. target: of a pointer, a structure's id, 0 where it points to something else. words: why
    nothing is to be read there. member: its name. in_union: it is one of several that it may be."""

    target: int | None = None
    words: str = ""
    member: str = ""
    in_union: bool = False


def member_at(view: TypeView, number: int, off: int, size: int) -> Found:
    """A load of `size` bytes at `off` in structure `number`."""
    whole = view[number]
    assert isinstance(whole, Struct | Union)
    if off + size > whole.size:
        return _past(view, number, whole, off, size)
    for _ in range(_DEPTH):
        found = _inside(view, number, off, size)
        if isinstance(found, Found):
            return found
        number, off = found
        if not isinstance(view[number], Struct | Union):
            return Found()
    return Found(words="structures lie too deep in one another")


def _past(view: TypeView, number: int, whole: Struct | Union, off: int, size: int) -> Found:
    """Past the end lies what an array without a length at the end holds."""
    last = whole.members[-1] if whole.members else None
    kind = view[view.strip(last.type)] if last is not None and view.strip(last.type) else None
    if last is not None and isinstance(kind, Array) and kind.count == 0 and off >= last.offset // 8:
        return _element(view, kind, off - last.offset // 8, size)
    return Found(words=f"access beyond struct {_name(whole)} at off {off} size {size}")


def _element(view: TypeView, kind: Array, off: int, size: int) -> Found:
    inner = view.strip(kind.type)
    if isinstance(view[inner], Struct):
        return member_at(view, inner, off % view.size_of(inner), size)
    return Found()


def _inside(view: TypeView, number: int, off: int, size: int) -> Found | tuple[int, int]:
    """What the members say of an offset: found, or a structure inside and the offset in it."""
    kind = view[number]
    assert isinstance(kind, Struct | Union)
    for at, member in enumerate(kind.members):
        start = member.offset // 8
        if member.bits:
            if start <= off < -(-(member.offset + member.bits) // 8):
                return Found(member=member.name)
            continue
        if off + size <= start and isinstance(kind, Struct):
            break
        length = _length(view, member)
        last = at == len(kind.members) - 1
        if start + length <= off or (not length and not last):
            continue
        found = _member(view, number, member, off, size)
        if found is not None:
            return found
    return Found(words=f"struct {_name(kind)} doesn't have field at offset {off}")


def _member(view: TypeView, number: int, member: Member, off: int, size: int) -> Found | tuple[int, int] | None:
    """What one member says; None where it holds nothing of this size there."""
    kind, start, length = view[number], member.offset // 8, _length(view, member)
    assert isinstance(kind, Struct | Union)
    inner, length = _element_of(view, member.type, length)
    target = view[inner] if inner else None
    where = (off - start) % length if length else 0
    if isinstance(target, Struct | Union):
        return _structure(view, kind, member, inner, where, off, size)
    if isinstance(target, Ptr):
        return _pointer(view, member, target, where, size, number)
    if where + size > length or not isinstance(target, Int | Enum | Enum64 | None):
        return None
    return Found(member=member.name)


def _element_of(view: TypeView, number: int, length: int) -> tuple[int, int]:
    """A type behind the arrays that it stands in, and its size."""
    inner = view.strip(number)
    while length and isinstance(target := view[inner] if inner else None, Array):
        inner = view.strip(target.type)
        length = view.size_of(inner)
    return inner, length


def _structure(
    view: TypeView, kind: Struct | Union, member: Member, inner: int, where: int, off: int, size: int
) -> Found | tuple[int, int] | None:
    target = view[inner]
    assert isinstance(target, Struct | Union)
    if isinstance(kind, Union):
        found = member_at(view, inner, where, size)
        return None if found.words else replace(found, in_union=True)
    if where + size > target.size:
        end = member.offset // 8 + _length(view, member)
        return Found(
            words=f"access beyond the end of member {member.name} (mend:{end}) in struct {_name(kind)} with off {off} "
            f"size {size}"
        )
    return inner, where


def _length(view: TypeView, member: Member) -> int:
    kind = view[view.strip(member.type)] if view.strip(member.type) else None
    return view.size_of(member.type) if kind is not None and not isinstance(kind, Fwd) else 0


def _pointer(view: TypeView, member: Member, kind: Ptr, where: int, size: int, parent: int) -> Found:
    if size != view.pointer_size or where:
        start, name = member.offset // 8, getattr(view[parent], "name", "") or "(anon)"
        return Found(
            words=f"cannot access ptr member {member.name} with moff {start} in struct {name} with off {start + where} "
            f"size {size}"
        )
    target = view.strip(kind.type) if kind.type else 0
    inner = view[target] if target else None
    return Found(
        target if isinstance(inner, Struct) else 0, member=member.name, in_union=isinstance(view[parent], Union)
    )


def begins_with(view: TypeView, number: int, off: int, wanted: int) -> tuple[bool, str]:
    """Whether structure `number` has a `wanted` at `off`: itself, or one that stands there; and words of a look."""
    if number == wanted and not off:
        return True, ""
    for _ in range(_DEPTH):
        number, words = _beginning(view, number, off)
        if not number or number == wanted:
            return number == wanted, words
        off = 0
    return False, ""


def _beginning(view: TypeView, number: int, off: int) -> tuple[int, str]:
    """The structure that begins at `off` in another; 0, and why, where none does."""
    for _ in range(_DEPTH):
        kind = view[number]
        if not isinstance(kind, Struct | Union):
            return 0, ""
        if off >= kind.size:
            return 0, f"access beyond struct {_name(kind)} at off {off} size 1"
        member = _covering(view, kind, off)
        if member is None:
            return 0, f"struct {_name(kind)} doesn't have field at offset {off}"
        inner, length = _element_of(view, member.type, _length(view, member))
        target, start = view[inner] if inner else None, member.offset // 8
        if isinstance(target, Ptr):
            return 0, _pointer(view, member, target, off - start, 1, number).words
        if not isinstance(target, Struct | Union):
            return 0, ""
        off = (off - start) % length if length else 0
        if not off:
            return inner, ""
        number = inner
    return 0, ""


def _covering(view: TypeView, kind: Struct | Union, off: int) -> Member | None:
    """The first member that holds the byte at `off`."""
    for member in kind.members:
        start, length = member.offset // 8, _length(view, member)
        if start <= off < start + length:
            return member
    return None


def _name(kind: Struct | Union) -> str:
    return kind.name or "(anon)"
