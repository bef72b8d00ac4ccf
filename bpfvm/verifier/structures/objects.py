"""Objects: structures of the kernel, and those that programs allocate. Loads and stores through pointers to them, and
which pointers are to be trusted."""

from __future__ import annotations

from bpfvm.obj.btf.types import Struct
from bpfvm.obj.btf.view import TypeView
from bpfvm.tables.traced import TCP_WRITES
from bpfvm.verifier.domain.regs import (
    COMMON,
    MAP,
    MEM,
    OBJECT,
    RCU,
    READ_ONLY,
    SOCK,
    TCP,
    TRUSTED,
    UNTRUSTED,
    Reg,
    pointer,
    unknown,
)
from bpfvm.verifier.domain.stack import variable
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.structures.fields import NOTHING, Record, record_of
from bpfvm.verifier.structures.safe import SAFE
from bpfvm.verifier.structures.types import Found, TypeRef, member_at

_SOCKETS = (SOCK, COMMON, TCP, MAP)


def local(walk: Walk, number: int) -> TypeRef:
    """A type of the program's own."""
    assert walk.setting.btf is not None
    return TypeRef(walk.setting.btf, number)


def record(walk: Walk, reg: Reg) -> Record:
    """The kernel's fields in what a register points to."""
    if reg.map is not None:
        return reg.map.record
    if reg.type is None or reg.type.kernel or walk.setting.btf is None:
        return NOTHING
    known = walk.records.get(reg.type.number)
    if known is None:
        known = walk.records[reg.type.number] = record_of(walk.setting.btf, reg.type.number)
    return known


def is_trusted(reg: Reg) -> bool:
    """Whether the object is there for as long as the program runs, or the reference is held."""
    if reg.ref:
        return True
    return reg.prefix == TRUSTED if reg.kind == OBJECT else reg.kind in _SOCKETS


def in_rcu(walk: Walk) -> bool:
    """Whether objects that RCU protects stay meanwhile: in a section, or where the program cannot sleep."""
    return bool(walk.state.rcu) or not walk.setting.sleepable


def access_object(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool) -> Reg:
    """A load or store of `size` bytes at off, which holds the register's fixed part. What is loaded."""
    assert reg.type is not None
    name = reg.type.name
    if reg.type.kernel and not walk.setting.gpl:
        walk.refuse(f"Cannot access kernel 'struct {name}' from non-GPL compatible program")
    if off < 0:
        walk.refuse(f"R{at} is ptr_{name} invalid negative access: off={off}")
    if reg.m or reg.v:
        walk.refuse(f"R{at} is ptr_{name} invalid variable offset: off={off}, var_off={variable(reg)}")
    if reg.owned:
        _check_fields(walk, reg, off, size)
        if is_write:
            whole = reg.type.size
            if off + size > whole:
                walk.refuse(f"access beyond struct {name} at off {off} size {size}")
    elif is_write:
        _check_write(walk, reg, off, size)
    if is_write and not reg.owned:
        return unknown()
    found = member_at(reg.type.view, reg.type.number, off, size)
    if found.words:
        walk.refuse(found.words)
    if is_write or found.target is None or (reg.owned and found.target):
        return unknown()
    return _followed(walk, reg, found)


def _check_fields(walk: Walk, reg: Reg, off: int, size: int) -> None:
    for one in record(walk, reg).fields:
        if off < one.offset + one.size and one.offset < off + size:
            walk.refuse(f"direct access to {one.name} is disallowed")


def _check_write(walk: Walk, reg: Reg, off: int, size: int) -> None:
    """Programs write to few members of the kernel's own objects."""
    traced = walk.setting.traced
    if traced is not None and traced.table == "tcp_congestion_ops":
        _check_tcp_write(walk, reg, off, size)
        return
    if walk.setting.row.name in ("sched_cls", "xdp") and reg.type is not None and reg.type.name.startswith("nf_conn"):
        walk.undecided("writes to the kernel's objects")
    walk.refuse("only read is supported")


def _check_tcp_write(walk: Walk, reg: Reg, off: int, size: int) -> None:
    assert reg.type is not None
    for structure, name, length in TCP_WRITES:
        start, whole = _place(reg.type.view, structure, name)
        if start == off or (length == 0 and start < off < start + whole and name == "icsk_ca_priv"):
            end = start + (length or whole)
            if off + size > end:
                walk.refuse(f"write access at off {off} with size {size} beyond the member of tcp_sock ended at {end}")
            return
    walk.refuse(f"no write support to {reg.type.name} at off {off}")


def _place(view: TypeView, structure: str, name: str) -> tuple[int, int]:
    """Where a member stands, and its size; -1 for one that there is not."""
    number = view.find(Struct, structure)
    kind = view[number] if number is not None else None
    members = kind.members if isinstance(kind, Struct) else ()
    return next(((one.offset // 8, view.size_of(one.type)) for one in members if one.name == name), (-1, 0))


def _followed(walk: Walk, reg: Reg, found: Found) -> Reg:
    """A pointer that was loaded from an object."""
    assert reg.type is not None
    assert found.target is not None
    if not found.target:
        new = pointer(MEM)
        new.prefix = READ_ONLY + UNTRUSTED
        return new
    new = pointer(OBJECT)
    new.type = TypeRef(reg.type.view, found.target, reg.type.kernel)
    new.prefix, new.null = _trust(walk, reg, found)
    if new.null:
        new.id = walk.new_id()
    return new


def _trust(walk: Walk, reg: Reg, found: Found) -> tuple[str, bool]:
    """Prefix of a pointer that was loaded from an object, and whether it may be null."""
    if UNTRUSTED in reg.prefix:
        return UNTRUSTED, False
    loose = UNTRUSTED if found.in_union else ""
    if not reg.ref and reg.prefix not in (TRUSTED, RCU):
        return loose, False
    assert reg.type is not None
    safe = SAFE.get((reg.type.name, found.member), "")
    if safe.startswith(TRUSTED):
        return TRUSTED, safe.endswith("null")
    if not in_rcu(walk) or reg.null:
        return UNTRUSTED, False
    return (RCU, safe.endswith("null")) if safe else (loose, False)
