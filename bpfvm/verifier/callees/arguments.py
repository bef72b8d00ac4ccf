"""What helpers are given: the kind of each argument, the memory it points to, the references it takes away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.bits import signed
from bpfvm.tables.helpers import Arg, Helper
from bpfvm.tables.helpers.row import RELEASING
from bpfvm.verifier.callees.object_arguments import check_object
from bpfvm.verifier.callees.texts import check_text
from bpfvm.verifier.domain import slots
from bpfvm.verifier.domain.regs import (
    COMMON,
    CTX,
    DYNPTR,
    FUNC,
    KEY,
    MAP,
    MEM,
    META,
    NOT_SET,
    OBJECT,
    PACKET,
    PACKETS,
    SCALAR,
    SOCK,
    STACK,
    TCP,
    VALUE,
    XSK,
    MapInfo,
    Reg,
    type_name,
)
from bpfvm.verifier.domain.stack import FAR, check_bounds, check_initialized, check_raw
from bpfvm.verifier.domain.state import EMPTY, SPILL, ZERO, Special
from bpfvm.verifier.paths.precision import Wanted, follow, mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.access import (
    check_alignment,
    check_fixed,
    check_map_rights,
    check_map_value,
    check_packet,
    check_region,
    may_touch_packet,
)

_MEMORY = (STACK, PACKET, META, KEY, VALUE, MEM, "ringbuf_mem", "buf", "trusted_ptr_")
_READ = frozenset({Arg.MEM, Arg.MEM_OR_NULL, Arg.FIXED})
_RAW = frozenset({Arg.OUT, Arg.VALUE_OUT, Arg.FIXED_OUT})
_BOTH = frozenset({Arg.INOUT, Arg.INOUT_OR_NULL, Arg.FIXED_INOUT})
_FIXED = frozenset({Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT})
_OR_NULL = frozenset({Arg.CTX_OR_NULL, Arg.VALUE_OR_NULL, Arg.MEM_OR_NULL, Arg.INOUT_OR_NULL, Arg.STACK_OR_NULL,
                      Arg.SOCK_OR_NULL, Arg.SOCKET_OR_NULL, Arg.BTF_OR_NULL, Arg.BTF_GIVEN})  # fmt: skip
_DYNPTRS = frozenset({Arg.DYNPTR, Arg.DYNPTR_OUT, Arg.DYNPTR_RECORD_OUT, Arg.DYNPTR_GIVEN})
_SOCKETS = (COMMON, SOCK, TCP, XSK, "ptr_", "trusted_ptr_")
_COMMON = (COMMON, SOCK, TCP, XSK)

# get_cgroup_classid is of the packet there, of the current task elsewhere, and takes no argument then (measured)
_CLASS_OF_PACKET = frozenset({"sched_cls", "sched_act", "lwt_in", "lwt_out", "lwt_xmit", "lwt_seg6local"})

# Kinds that a register may be of, as the kernel lists them; ones with "ptr_" are typed by BTF
KINDS: Mapping[Arg, tuple[str, ...]] = {
    **dict.fromkeys((Arg.CTX, Arg.CTX_OR_NULL), (CTX,)),
    Arg.MAP: (MAP,),
    **dict.fromkeys((Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT), _MEMORY),
    **dict.fromkeys((*_READ, *_RAW, *_BOTH), _MEMORY),
    **dict.fromkeys((Arg.SIZE, Arg.SIZE_OR_ZERO, Arg.CONST_SIZE), (SCALAR,)),
    Arg.FUNC: (FUNC,),
    Arg.STACK_OR_NULL: (STACK,),
    Arg.LOCK: (VALUE, "ptr_"),
    **dict.fromkeys((Arg.SOCK, Arg.SOCK_OR_NULL), _SOCKETS),
    Arg.SOCK_COMMON: _COMMON,
    Arg.SOCK_GIVEN: _SOCKETS,
    Arg.SOCKET_OR_NULL: (SOCK,),
    Arg.RECORD_GIVEN: ("ringbuf_mem",),
    Arg.TEXT: (VALUE,),
    **dict.fromkeys((Arg.DYNPTR, Arg.DYNPTR_OUT, Arg.DYNPTR_RECORD_OUT, Arg.DYNPTR_GIVEN), (STACK, DYNPTR)),
    **dict.fromkeys((Arg.BTF, Arg.BTF_OR_NULL), ("ptr_", "trusted_ptr_", "rcu_ptr_")),
    Arg.PER_CPU_VAR: ("percpu_ptr_", "percpu_rcu_ptr_", "percpu_trusted_ptr_"),
}  # fmt: skip

_UNKNOWN: Mapping[Arg, str] = {
    Arg.BTF_GIVEN: "kernel pointers in maps (kptr)",
    Arg.KPTR: "kernel pointers in maps (kptr)",
    Arg.TIMER: "timers",
}


@dataclass(slots=True)
class Call:
    """What the arguments so far tell. ref: of the argument that is referenced. given: the register of one that is
    released. raw: (register, size) of stack that is only written. most: of a size. key: a constant array index.

    func: the first instruction of one. text: a constant one.
    """

    row: Helper
    map: MapInfo | None = None
    ref: int = 0
    given: int = 0
    raw: tuple[int, int] | None = None
    most: int = 0
    size: int = 0
    key: int | None = None
    func: int | None = None
    dynptr: Special | None = None
    text: bytes | None = None


def check_arguments(walk: Walk, call: Call) -> None:
    """All arguments, in order. Refused where one is not what it must be."""
    fixed = list(call.row.sizes)
    kinds = call.row.args_in(walk.setting.row.name)
    if call.row.name == "get_cgroup_classid" and walk.setting.row.name not in _CLASS_OF_PACKET:
        kinds = ()
    for number, kind in enumerate(kinds, 1):
        reg = walk.source(number)
        if kind is Arg.ANY:
            continue
        kind = _for_map(call, kind)
        if kind in _UNKNOWN:
            walk.undecided(_UNKNOWN[kind])
        if reg.kind in PACKETS and not (call.row.packet and may_touch_packet(walk, write=False)):
            walk.refuse("helper access to the packet is not allowed")
        if not (kind in _OR_NULL and is_null(reg)):
            _check_kind(walk, number, kind, reg)
            if reg.kind == OBJECT:
                check_object(walk, call.row, number, kind, reg)
            _check_offset(walk, number, kind, reg)
        _references(walk, call, number, kind, reg)
        _check_one(walk, call, number, kind, kinds, fixed)


def _for_map(call: Call, kind: Arg) -> Arg:
    """The values of maps of sockets are sockets."""
    sockets = call.map is not None and call.map.spec.type in ("sockmap", "sockhash")
    return Arg.SOCK if sockets and kind is Arg.VALUE else kind


def is_null(reg: Reg) -> bool:
    """The number 0."""
    return reg.kind == SCALAR and not reg.m and not reg.v


def _check_kind(walk: Walk, at: int, kind: Arg, reg: Reg) -> None:
    wanted = KINDS[kind]
    name = type_name(reg)
    if kind is Arg.BTF_OR_NULL:
        name = name.replace("or_null_", "")
    if kind in _READ | {Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL}:
        name = name.removeprefix("rdonly_")
    if name not in wanted:
        walk.refuse(f"R{at} type={type_name(reg)} expected={', '.join(wanted)}")


def _check_offset(walk: Walk, at: int, kind: Arg, reg: Reg) -> None:
    if kind in _DYNPTRS and reg.kind == STACK:
        return
    if kind in RELEASING:
        if reg.off:
            walk.refuse(f"R{at} must have zero offset when passed to release func or trusted arg to kfunc")
        check_fixed(walk, at, reg, type_name(reg))
    elif reg.kind == OBJECT:
        check_object_offset(walk, at, reg)
    elif reg.kind not in (STACK, PACKET, META, KEY, VALUE, MEM, SCALAR):
        check_fixed(walk, at, reg, type_name(reg))


def check_object_offset(walk: Walk, at: int, reg: Reg) -> None:
    if reg.off < 0:
        walk.refuse(f"negative offset {type_name(reg)} ptr R{at} off={reg.off} disallowed")
    if reg.m or reg.v:
        plain = reg.copy()
        plain.off = 0
        check_fixed(walk, at, plain, type_name(reg))


def _references(walk: Walk, call: Call, at: int, kind: Arg, reg: Reg) -> None:
    if kind in _DYNPTRS:
        return
    if kind in RELEASING:
        if not reg.ref and not is_null(reg):
            walk.refuse(f"R{at} must be referenced when passed to release function")
        call.given = at
    if reg.ref:
        if call.ref:
            walk.refuse(f"more than one arg with ref_obj_id R{at} {reg.ref} {call.ref}")
        call.ref = reg.ref


def _check_one(walk: Walk, call: Call, at: int, kind: Arg, kinds: tuple[Arg, ...], fixed: list[int]) -> None:
    reg = walk.state.regs[at]
    if kind in _DYNPTRS:
        slots.helper_argument(walk, call, at, kind)
        return
    match kind:
        case Arg.MAP:
            call.map = reg.map
        case Arg.KEY | Arg.VALUE | Arg.VALUE_OR_NULL | Arg.VALUE_OUT:
            _element(walk, call, at, kind, reg)
        case Arg.SIZE | Arg.SIZE_OR_ZERO:
            _sized(walk, call, at, kind, kinds[at - 2])
        case Arg.CONST_SIZE:
            if reg.m:
                walk.refuse(f"R{at} is not a known constant'")
            call.size = reg.v
            mark_precise(walk, at)
        case Arg.FUNC:
            call.func = reg.func
        case Arg.TEXT:
            check_text(walk, call, at, reg)
        case _ if kind in _FIXED:
            size = fixed.pop(0)
            check_memory(walk, at, size, write=kind is not Arg.FIXED, call=call, raw=kind in _RAW)
            if kind is not Arg.FIXED:
                check_alignment(walk, reg, 0, size, strict=True)


def _element(walk: Walk, call: Call, at: int, kind: Arg, reg: Reg) -> None:
    """A key or value of the map."""
    assert call.map is not None
    spec = call.map.spec
    if kind is Arg.KEY:
        check_memory(walk, at, spec.key_size, write=False)
        call.key = _constant_key(walk, call, reg)
    elif kind is not Arg.VALUE_OR_NULL or not is_null(reg):
        check_memory(walk, at, spec.value_size, write=kind is Arg.VALUE_OUT, call=call, raw=kind in _RAW)


def _sized(walk: Walk, call: Call, at: int, kind: Arg, memory: Arg) -> None:
    """A size, and the memory before it."""
    reg = walk.state.regs[at]
    call.most = reg.umax
    raw = memory in _RAW and not reg.m
    if reg.smin < 0:
        walk.refuse(f"R{at} min value is negative, either use unsigned or 'var &= const'")
    zero = kind is Arg.SIZE_OR_ZERO
    if not reg.umin and not zero:
        walk.refuse(f"R{at} invalid zero-sized read: u64=[{reg.umin},{reg.umax}]")
    if reg.umax >= FAR:
        walk.refuse(f"R{at} unbounded memory access, use 'var &= const' or 'if (var < const)'")
    check_memory(walk, at - 1, reg.umax, write=memory in _RAW | _BOTH, call=call, raw=raw, zero=zero)
    mark_precise(walk, at)


def check_memory(
    walk: Walk, at: int, size: int, *, write: bool, call: Call | None = None, raw: bool = False, zero: bool = False
) -> None:
    """`size` bytes at a register are there to be read, or written."""
    reg = walk.state.regs[at]
    match reg.kind:
        case "pkt" | "pkt_meta":
            check_packet(walk, at, reg, reg.off, size, zero)
        case "map_key":
            if write:
                walk.refuse(f"R{at} cannot write into {type_name(reg)}")
            assert reg.map is not None
            check_region(walk, at, reg, reg.off, size, reg.map.spec.key_size, zero)
        case "map_value":
            check_map_rights(walk, reg, reg.off, size, write)
            check_map_value(walk, at, reg, reg.off, size, zero)
        case "mem":
            if write and "rdonly_" in reg.prefix:
                walk.refuse(f"R{at} cannot write into {type_name(reg)}")
            check_region(walk, at, reg, reg.off, size, reg.size, zero)
        case "fp":
            if not size and not zero:
                walk.refuse("invalid zero-sized read")
            if raw and call is not None and not reg.m:
                check_bounds(walk, at, reg, reg.off, size, " write to")
                check_raw(walk, reg, reg.off, size)
                call.raw = at, size
            else:
                check_initialized(walk, at, reg.off, size, write=write, zero_size=zero)
        case _:
            if zero and not size and is_null(reg):
                return
            walk.refuse(f"R{at} type={type_name(reg)} expected=fp")


def _constant_key(walk: Walk, call: Call, reg: Reg) -> int | None:
    """An array's index that lies on the stack as a constant; it matters from then on."""
    assert call.map is not None
    spec = call.map.spec
    if spec.type not in ("array", "percpu_array") or reg.kind != STACK or reg.m or reg.null:
        return None
    low = signed(reg.v + reg.off, 64)
    place, start = (-low - 1) // 8, low % 8
    frame = walk.state.frames[reg.frame]
    slot = frame.stack.get(place, EMPTY)
    types = slot.types[start:]
    zeros = next((at for at, one in enumerate(types) if one != ZERO), len(types))
    if zeros >= spec.key_size:
        return 0
    spilled = next((at for at, one in enumerate(types) if one != SPILL), len(types))
    if slot.types[0] != SPILL or slot.reg.kind != SCALAR or spilled != spec.key_size or slot.reg.m:
        return None
    wanted = Wanted(len(walk.state.frames) - 1)
    wanted.slots[reg.frame] |= 1 << place
    follow(walk, walk.state, wanted, walk.at)
    return slot.reg.v


__all__ = ["KINDS", "NOT_SET", "Call", "check_arguments"]
