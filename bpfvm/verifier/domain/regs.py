"""What the verifier knows of one register: its kind, and of the number in it known bits and four ranges.

A register that stands in a state is never changed: who changes one makes a `copy` of it and puts that in its place, so
that states share registers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.core.bits import M32, M64, S32_MAX, S32_MIN, S64_MAX, S64_MIN, signed
from bpfvm.obj.model import MapSpec
from bpfvm.verifier.structures.fields import NOTHING, Record
from bpfvm.verifier.structures.types import TypeRef

NONE, SCALAR, CTX, STACK, MAP, VALUE, KEY = "none", "scalar", "ctx", "fp", "map_ptr", "map_value", "map_key"
PACKET, META, END, FLOW, FUNC = "pkt", "pkt_meta", "pkt_end", "flow_keys", "func"
SOCK, COMMON, TCP, XSK, BUFFER, MEM = "sock", "sock_common", "tcp_sock", "xdp_sock", "tp_buffer", "mem"
OBJECT, DYNPTR, BUF = "ptr_", "dynptr_ptr", "buf"
TRUSTED, RCU, UNTRUSTED, PER_CPU, READ_ONLY = "trusted_", "rcu_", "untrusted_", "percpu_", "rdonly_"

SOCKETS = frozenset({SOCK, COMMON, TCP, XSK})
PACKETS = frozenset({PACKET, META})
Numbers: TypeAlias = tuple[int, int, int, int, int, int, int, int, int, int]  # a register's tnum and ranges
IN_PACKET = -1  # `frame` of memory that lies in the packet
AT_END, BEYOND = -1, -2  # `range` of a packet pointer that was compared with the end and is not before it


@dataclass(frozen=True, slots=True, eq=False)
class MapInfo:
    """A map as the verifier sees it. frozen: its contents, where they cannot change. record: the kernel's own fields in
    a value. inner: of maps that hold maps."""

    spec: MapSpec
    frozen: bytes | None = None
    record: Record = NOTHING
    inner: MapInfo | None = None

    @property
    def lock(self) -> int | None:
        """Where in a value a bpf_spin_lock stands."""
        return self.record.lock


class Reg:
    """One register or spilled register.

    null: it may be null. prefix: what the kernel prints before the kind's name ("ringbuf_", "rdonly_").
    off: the fixed part of a pointer's offset, or of a linked scalar what was added by arithmetic of `added` bits.
    v, m: the tnum.
    id: equal in registers that hold the same number, packet pointers of the same variable part, and copies of a pointer
    that may be null. ref: the reference that the program must give back. range: bytes of packet that are known to be
    there. size: of memory. frame: whose stack. func: the function's first instruction. uid: which map it came from,
    where two of one kind are to be told apart; of a dynptr or iterator, which one.
    type: of an object. owned: the program allocated it. lent: it stands in a list or tree now, whose lock is held.
    """

    __slots__ = (
        "added", "frame", "func", "id", "kind", "lent", "m", "map", "null", "off", "owned", "precise", "prefix",
        "range", "ref", "size", "smax", "smax32", "smin", "smin32", "type", "uid", "umax", "umax32", "umin", "umin32",
        "v",
    )  # fmt: skip

    def __init__(self, kind: str = NONE, off: int = 0) -> None:
        self.kind, self.null, self.prefix, self.off = kind, False, "", off
        self.id, self.added, self.ref, self.precise = 0, 0, 0, False
        self.range, self.size, self.frame, self.func, self.uid = 0, 0, 0, 0, 0
        self.map: MapInfo | None = None
        self.type: TypeRef | None = None
        self.owned = self.lent = False
        self.v = self.m = self.smin = self.smax = self.umin = self.umax = 0
        self.smin32 = self.smax32 = self.umin32 = self.umax32 = 0

    def copy(self) -> Reg:
        """An equal register that may be changed."""
        new = Reg.__new__(Reg)
        new.kind, new.null, new.prefix, new.off = self.kind, self.null, self.prefix, self.off
        new.id, new.added, new.ref, new.precise = self.id, self.added, self.ref, self.precise
        new.range, new.size, new.frame, new.func = self.range, self.size, self.frame, self.func
        new.uid, new.map, new.type, new.owned, new.lent = self.uid, self.map, self.type, self.owned, self.lent
        new.v, new.m = self.v, self.m
        new.smin, new.smax, new.umin, new.umax = self.smin, self.smax, self.umin, self.umax
        new.smin32, new.smax32, new.umin32, new.umax32 = self.smin32, self.smax32, self.umin32, self.umax32
        return new

    def __repr__(self) -> str:
        return f"<Reg {text(self)}>"

    @property
    def same_numbers(self) -> Numbers:
        """Tnum and ranges, to compare."""
        return (self.v, self.m, self.smin, self.smax, self.umin, self.umax,
                self.smin32, self.smax32, self.umin32, self.umax32)  # fmt: skip

    def take(self, numbers: Numbers) -> None:
        """Set the tnum and the ranges, in the order of `same_numbers`."""
        (self.v, self.m, self.smin, self.smax, self.umin, self.umax,
         self.smin32, self.smax32, self.umin32, self.umax32) = numbers  # fmt: skip

    def known(self, value: int) -> None:
        """The number is `value`, 64 bits."""
        value &= M64
        self.v, self.m = value, 0
        self.umin = self.umax = value
        self.smin = self.smax = signed(value, 64)
        self.umin32 = self.umax32 = value & M32
        self.smin32 = self.smax32 = signed(value, 32)

    def unbound(self) -> None:
        """The ranges say nothing."""
        self.unbound64()
        self.unbound32()

    def unbound64(self) -> None:
        """The ranges of 64 bits say nothing."""
        self.smin, self.smax, self.umin, self.umax = S64_MIN, S64_MAX, 0, M64

    def unbound32(self) -> None:
        """The ranges of 32 bits say nothing."""
        self.smin32, self.smax32, self.umin32, self.umax32 = S32_MIN, S32_MAX, 0, M32


NOT_SET = Reg()


def number(value: int) -> Reg:
    """A scalar that is known."""
    reg = Reg(SCALAR)
    reg.known(value)
    return reg


def unknown() -> Reg:
    """A scalar of which nothing is known."""
    reg = Reg(SCALAR)
    reg.v, reg.m = 0, M64
    reg.unbound()
    return reg


def pointer(kind: str, off: int = 0) -> Reg:
    """A pointer without a variable part."""
    return Reg(kind, off)


def type_name(reg: Reg) -> str:
    """A kind as the kernel names it: "map_value_or_null"; "?" for a register that was never written."""
    name = "?" if reg.kind == NONE else reg.kind
    if reg.kind == OBJECT:
        return f"{reg.prefix}ptr_{'or_null_' if reg.null else ''}"
    return f"{reg.prefix}{name}{'_or_null' if reg.null else ''}"


def text(reg: Reg, frame: int = 0) -> str:
    """A register as in the kernel's log. frame: where it is looked at from."""
    mark = "P" if reg.precise else ""
    if reg.kind == SCALAR and not reg.m:
        return mark + _signed(signed(reg.v + (0 if reg.added else reg.off), 64), 64)
    shown = mark + type_name(reg) + (reg.type.name if reg.type is not None else "")
    if reg.kind == STACK:
        shown += f"[{reg.frame}]" if reg.frame != frame else ""
        if not reg.m:
            return shown + _signed(signed(reg.v + reg.off, 64), 64)
    return f"{shown}({','.join(_parts(reg))})"


def _parts(reg: Reg) -> list[str]:
    parts = []
    if reg.id:
        parts.append(f"id={reg.id}{f'{reg.off:+d}' if reg.added else ''}")
    if reg.ref:
        parts.append(f"ref_obj_id={reg.ref}")
    if reg.lent:
        parts.append("non_own_ref")
    if reg.map is not None:
        spec = reg.map.spec
        name = [f"map={spec.name[:15]}"] if spec.name else []
        parts += [*name, f"ks={spec.key_size}", f"vs={spec.value_size}"]
    if reg.kind != SCALAR and reg.off:
        parts.append(f"off={reg.off}")
    if reg.kind in (PACKET, META):
        parts.append(f"r={unsigned_text(reg.range & M64)}")
    if reg.kind == MEM:
        parts.append(f"sz={reg.size}")
    if reg.kind == SCALAR or reg.m:
        parts += _bounds(reg)
    elif reg.v:
        parts.append(f"imm={unsigned_text(reg.v)}")
    return parts


def _bounds(reg: Reg) -> list[str]:
    """The ranges that say something, equal ones together, then the tnum."""
    every = [
        ("smin", reg.smin, S64_MIN), ("smax", reg.smax, S64_MAX), ("umin", reg.umin, 0), ("umax", reg.umax, M64),
        ("smin32", reg.smin32, S32_MIN), ("smax32", reg.smax32, S32_MAX), ("umin32", reg.umin32, 0),
        ("umax32", reg.umax32, M32),
    ]  # fmt: skip
    said = [value != nothing for _, value, nothing in every]
    values = [value & M32 if name in ("smin32", "smax32") and not _short(value) else value for name, value, _ in every]
    parts = []
    for at, (name, _, _) in enumerate(every):
        if not said[at]:
            continue
        value = values[at]
        names = name
        for later in range(at + 2, len(every), 2):
            if said[later] and values[later] == value:
                said[later] = False
                names += f"={every[later][0]}"
        parts.append(f"{names}={_signed(value, 64) if name[0] == 's' else unsigned_text(value)}")
    if reg.m != M64:
        parts.append(f"var_off=({reg.v:#x}; {reg.m:#x})")
    return parts


def _signed(value: int, bits: int) -> str:
    return str(value) if _short(value) else f"{value & (1 << bits) - 1:#x}"


def _short(value: int) -> bool:
    return -0x8000 <= value <= 0x7FFF


def unsigned_text(value: int) -> str:
    """Small numbers in decimal, large ones in hex."""
    return str(value) if value <= 0xFFFF else f"{value:#x}"
