"""Loads, stores and atomics: where a pointer may be followed, and what is found there."""

from __future__ import annotations

from bpfvm.core.articles import an
from bpfvm.core.bits import signed
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.tables.ctx import CONTEXTS, CtxField
from bpfvm.tables.maps import FLAGS
from bpfvm.verifier.domain.regs import (
    BUFFER,
    COMMON,
    CTX,
    END,
    FLOW,
    KEY,
    META,
    PACKET,
    PACKETS,
    READ_ONLY,
    SCALAR,
    SOCK,
    SOCKETS,
    STACK,
    TCP,
    UNTRUSTED,
    VALUE,
    XSK,
    Reg,
    number,
    pointer,
    type_name,
    unknown,
)
from bpfvm.verifier.domain.scalar import sign_extend, truncate
from bpfvm.verifier.domain.stack import FAR, variable
from bpfvm.verifier.domain.stack import read as read_stack
from bpfvm.verifier.domain.stack import write as write_stack
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.structures.objects import access_object
from bpfvm.verifier.structures.traced import argument

_READ_ONLY = frozenset({"lwt_in", "lwt_out", "lwt_seg6local", "sk_reuseport", "flow_dissector", "cgroup_skb"})
_READ_WRITE = frozenset({"sched_cls", "sched_act", "xdp", "lwt_xmit", "sk_skb", "sk_msg"})
_ALIGNED = {STACK: "stack ", CTX: "context ", FLOW: "flow keys ", KEY: "key ", VALUE: "value ", SOCK: "sock ",
            COMMON: "sock_common ", TCP: "tcp_sock ", XSK: "xdp_sock "}  # fmt: skip
_POINTERS = {"packet": PACKET, "packet_end": END, "packet_meta": META, "flow_keys": FLOW, "sock_common_or_null": COMMON,
             "sock_or_null": SOCK, "sock": SOCK, "tp_buffer": BUFFER}  # fmt: skip
_REWRITTEN = SOCKETS | {CTX}
_FLOW_KEYS = 56  # sizeof(struct bpf_flow_keys)
_NET_ALIGN = 2  # bytes that packets begin behind a multiple of 4, where alignment is strict
_SYSCALL_CTX = 0xFFFF
_TRACE = 8192  # PERF_MAX_TRACE_SIZE


def load(walk: Walk, one: Insn) -> None:
    """dst = memory at src + off."""
    walk.source(one.src)
    walk.target(one.dst)
    size, reg = one.op.bits // 8, walk.state.regs[one.src]
    access(walk, one.src, one.off, size, one, into=one.dst, signed_load=one.op.kind is Kind.LOAD_SX)
    _same_kind(walk, reg)


def store(walk: Walk, one: Insn) -> None:
    """memory at dst + off = src, or the immediate."""
    value = -1
    if one.op.operand == "src":
        walk.source(one.src)
        value = one.src
    reg = walk.source(one.dst)
    access(walk, one.dst, one.off, one.op.bits // 8, one, value=value, is_write=True)
    _same_kind(walk, reg)


def _same_kind(walk: Walk, reg: Reg) -> None:
    """The kernel rewrites loads of contexts and sockets, so that one instruction is for one kind of pointer."""
    name = type_name(reg)
    before = walk.accessed.setdefault(walk.at, name)
    if before != name and (reg.kind in _REWRITTEN or before.removesuffix("_or_null") in _REWRITTEN):
        walk.refuse("same insn cannot be used with different pointers")


def access(
    walk: Walk, at: int, off: int, size: int, one: Insn, *, into: int = -1, value: int = -1, is_write: bool = False,
    signed_load: bool = False,
) -> None:  # fmt: skip
    """An access of `size` bytes at register `at` + off. into: the register that is loaded, value: the one stored."""
    reg = walk.state.regs[at]
    check_alignment(walk, reg, off, size)
    if reg.kind == STACK:
        if is_write:
            write_stack(walk, at, off + reg.off, size, value, one)
        else:
            read_stack(walk, at, off + reg.off, size, into)
        found = walk.state.regs[into] if into >= 0 else None
    else:
        found = _pointed(walk, at, reg, off + reg.off, size, is_write, value, signed_load)
        if into >= 0 and not is_write:
            walk.set(into, found)
    if into >= 0 and not is_write and found is not None and found.kind == SCALAR and size < 8:
        new = walk.state.regs[into].copy()
        if signed_load:
            sign_extend(new, size, 64)
        else:
            truncate(new, size)
        walk.set(into, new)


def check_alignment(walk: Walk, reg: Reg, off: int, size: int, strict: bool = False) -> None:
    """Stack accesses are always aligned; others where the program is loaded with BPF_F_STRICT_ALIGNMENT."""
    strict = strict or walk.setting.strict or reg.kind == STACK
    if not strict or size == 1:
        return
    ahead = _NET_ALIGN if reg.kind in PACKETS else 0
    low = (reg.v + reg.off + off + ahead) & (size - 1)
    if not low and not reg.m & (size - 1):
        return
    if reg.kind in PACKETS:
        walk.refuse(f"misaligned packet access off {ahead}+{variable(reg)}+{reg.off}+{off} size {size}")
    walk.refuse(f"misaligned {_ALIGNED.get(reg.kind, '')}access off {variable(reg)}+{reg.off}+{off} size {size}")


def _pointed(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool, value: int, signed_load: bool) -> Reg:
    """What a load through a pointer gives."""
    if reg.null:
        walk.refuse(f"R{at} invalid mem access '{type_name(reg)}'")
    match reg.kind:
        case "ptr_":
            return access_object(walk, at, reg, off, size, is_write)
        case "ctx":
            return context(walk, at, reg, off, size, is_write, signed_load)
        case "map_value":
            return _map_value(walk, at, reg, off, size, is_write, signed_load)
        case "pkt" | "pkt_meta":
            _packet(walk, at, reg, off, size, is_write)
        case "map_key" | "mem":
            _memory(walk, at, reg, off, size, is_write)
        case "flow_keys":
            if off < 0 or off + size > _FLOW_KEYS:
                walk.refuse(f"invalid access to flow keys off={off} size={size}")
        case "tp_buffer" | "buf":
            _buffer(walk, at, reg, off, size, is_write)
        case kind if kind in SOCKETS:
            _socket(walk, at, reg, off, size, is_write)
        case _:
            _other(walk, at, reg)
    return unknown()


def _other(walk: Walk, at: int, reg: Reg) -> None:
    if reg.kind == "map_ptr":
        walk.undecided("loads from a map's own structure (BTF)")
    walk.refuse(f"R{at} invalid mem access '{type_name(reg)}'")


def _packet(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool) -> None:
    if is_write and not may_touch_packet(walk, write=True):
        walk.refuse("cannot write into packet")
    if not is_write and not may_touch_packet(walk, write=False):
        walk.undecided("packet loads in this program type")
    check_packet(walk, at, reg, off, size)


def _memory(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool) -> None:
    if is_write and reg.kind == KEY:
        walk.refuse(f"write to change key R{at} not allowed")
    if is_write and "rdonly_" in reg.prefix:
        walk.refuse(f"R{at} cannot write into {type_name(reg)}")
    if UNTRUSTED not in reg.prefix:  # whose size nobody knows; a fault there reads zeros
        check_region(walk, at, reg, off, size, _key_size(reg) if reg.kind == KEY else reg.size)


def _key_size(reg: Reg) -> int:
    return reg.map.spec.key_size if reg.map is not None else 0


def may_touch_packet(walk: Walk, write: bool) -> bool:
    """Whether programs of this type may follow packet pointers."""
    name = walk.setting.row.name
    return name in _READ_WRITE or (name in _READ_ONLY and not write) or name == "cgroup_sockopt"


def check_packet(walk: Walk, at: int, reg: Reg, off: int, size: int, zero: bool = False) -> None:
    """The bytes are known to be in the packet."""
    if reg.smin < 0:
        walk.refuse(f"R{at} min value is negative, either use unsigned index or do a if (index >=0) check.")
    inside = reg.range >= 0 and off >= 0 and (size > 0 or zero) and off + size <= reg.range
    if not inside:
        if reg.range >= 0:
            walk.say(f"invalid access to packet, off={off} size={size}, R{at}(id={reg.id},off={off},r={reg.range})")
        walk.refuse(f"R{at} offset is outside of the packet")


def check_region(walk: Walk, at: int, reg: Reg, off: int, size: int, have: int, zero: bool = False) -> None:
    """Every offset that the register may have lies in memory of `have` bytes."""
    low = reg.smin + off
    if reg.smin < 0 and (low < 0 or not -(1 << 31) <= low < 1 << 31):
        walk.refuse(f"R{at} min value is negative, either use unsigned index or do a if (index >=0) check.")
    if not _fits(low, size, have, zero):
        _outside(walk, reg, low, size, have, at)
        walk.refuse(f"R{at} min value is outside of the allowed memory range")
    if reg.umax >= FAR:
        walk.refuse(f"R{at} unbounded memory access, make sure to bounds check any such access")
    if not _fits(reg.umax + off, size, have, zero):
        _outside(walk, reg, reg.umax + off, size, have, at)
        walk.refuse(f"R{at} max value is outside of the allowed memory range")


def _fits(off: int, size: int, have: int, zero: bool) -> bool:
    return off >= 0 and (size > 0 or (zero and not size)) and off + size <= have


def _outside(walk: Walk, reg: Reg, off: int, size: int, have: int, at: int) -> None:
    off = signed(off, 32)
    words = {
        KEY: f"invalid access to map key, key_size={have} off={off} size={size}",
        VALUE: f"invalid access to map value, value_size={have} off={off} size={size}",
    }
    walk.say(words.get(reg.kind, f"invalid access to memory, mem_size={have} off={off} size={size}"))


def check_map_rights(walk: Walk, reg: Reg, off: int, size: int, is_write: bool) -> None:
    """BPF_F_RDONLY_PROG and BPF_F_WRONLY_PROG."""
    assert reg.map is not None
    spec = reg.map.spec
    if is_write and spec.flags & FLAGS["rdonly_prog"]:
        walk.refuse(f"write into map forbidden, value_size={spec.value_size} off={off} size={size}")
    if not is_write and spec.flags & FLAGS["wronly_prog"]:
        walk.refuse(f"read from map forbidden, value_size={spec.value_size} off={off} size={size}")


def check_map_value(walk: Walk, at: int, reg: Reg, off: int, size: int, zero: bool = False) -> None:
    """The bytes are in the value, and none of them is the kernel's."""
    assert reg.map is not None
    check_region(walk, at, reg, off, size, reg.map.spec.value_size, zero)
    for place, length, name, *_ in reg.map.record.fields:
        if reg.smin + off < place + length and place < reg.umax + off + size:
            walk.refuse(f"{name} cannot be accessed directly by load/store")


def _map_value(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool, signed_load: bool) -> Reg:
    check_map_rights(walk, reg, off, size, is_write)
    check_map_value(walk, at, reg, off, size)
    assert reg.map is not None
    if not is_write and not reg.m and reg.map.frozen is not None and reg.map.spec.type == "array":
        start = off + signed(reg.v, 64)
        value = int.from_bytes(reg.map.frozen[start : start + size], "little")
        return number(signed(value, 8 * size) if signed_load else value)
    return unknown()


def check_fixed(walk: Walk, at: int, reg: Reg, name: str) -> None:
    """A pointer that nothing was added to."""
    if reg.off < 0:
        walk.refuse(f"negative offset {name} ptr R{at} off={reg.off} disallowed")
    if reg.off:
        walk.refuse(f"dereference of modified {name} ptr R{at} off={reg.off} disallowed")
    if reg.m or reg.v:
        walk.refuse(f"variable {name} access var_off={variable(reg)} disallowed")


def context(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool, signed_load: bool = False) -> Reg:
    """A field of the program's context."""
    check_fixed(walk, at, reg, "ctx")
    if walk.setting.traced is not None:
        return argument(walk, off, size, is_write)
    field = _context_field(walk, off, size, is_write, signed_load)
    if field is None or field.pointer is None:
        return unknown()
    kind = _POINTERS.get(field.pointer)
    if kind is None:
        walk.undecided(f"a pointer to {field.pointer} from the context")
    new = pointer(kind)
    if field.pointer.endswith("_or_null"):
        new.null, new.id = True, walk.new_id()
    return new


def _context_field(walk: Walk, off: int, size: int, is_write: bool, signed_load: bool) -> CtxField | None:
    row = walk.setting.row
    if row.name in ("syscall", "tracepoint"):
        least, most = (0, _SYSCALL_CTX) if row.name == "syscall" else (8, _TRACE)
        good = least <= off < most and off % size == 0 and not (is_write and row.name == "tracepoint")
        if not good:
            walk.refuse(f"invalid bpf_context access off={off} size={size}")
        return None
    if row.context is None:
        walk.undecided(f"the context of {an(row.name)} program")
    found = CONTEXTS[row.context].access(off, size, is_write, row.name, walk.setting.attach_type)
    if found is None or (signed_load and found.pointer is not None):
        walk.refuse(f"invalid bpf_context access off={off} size={size}")
    return found


def _socket(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool) -> None:
    if is_write:
        walk.refuse(f"R{at} cannot write into {type_name(reg)}")
    if reg.smin < 0:
        walk.refuse(f"R{at} min value is negative, either use unsigned index or do a if (index >=0) check.")
    if not _socket_field(reg.kind, off, size):
        walk.refuse(f"R{at} invalid {type_name(reg)} access off={off} size={size}")


def _socket_field(kind: str, off: int, size: int) -> bool:
    if off < 0 or off % size:
        return False
    if kind in (TCP, XSK):
        return _odd_socket(kind, off, size)
    for field in CONTEXTS["bpf_sock"].fields:
        if kind == COMMON and field.name in ("type", "protocol", "mark", "priority", "bound_dev_if"):
            continue
        if field.takes(off, size, write=False):
            return True
    return False


def _odd_socket(kind: str, off: int, size: int) -> bool:
    if kind == XSK:
        return off == 0 and size == 4
    # struct bpf_tcp_sock: 112 bytes, in fields of 4 but for bytes_received and bytes_acked
    return off + size <= 112 and size == (8 if off in (80, 88) else 4)


def _buffer(walk: Walk, at: int, reg: Reg, off: int, size: int, is_write: bool) -> None:
    if is_write and READ_ONLY in reg.prefix:
        walk.refuse(f"R{at} cannot write into {type_name(reg)}")
    if off < 0:
        name = "tracepoint" if reg.kind == BUFFER else "rdonly" if reg.prefix else "rdwr"
        walk.refuse(f"R{at} invalid {name} buffer access: off={off}, size={size}")
    if reg.m or reg.v:
        walk.refuse(f"R{at} invalid variable buffer offset: off={off}, var_off={variable(reg)}")


def atomic(walk: Walk, one: Insn) -> None:
    """A read-modify-write, or an ordered load or store."""
    if one.op.kind is Kind.LOAD_ACQUIRE:
        walk.source(one.src)
        _check_atomic(walk, one.src, "loads from")
        load(walk, one)
        return
    if one.op.kind is Kind.STORE_RELEASE:
        walk.source(one.dst)
        _check_atomic(walk, one.dst, "stores into")
        store(walk, one)
        return
    size = one.op.bits // 8
    walk.source(one.src)
    walk.source(one.dst)
    exchange = one.op.name.startswith("atomic_cmpxchg")
    if exchange:
        walk.source(0)
    _check_atomic(walk, one.dst, "stores into")
    into = -1
    if one.op.fetches:
        into = 0 if exchange else one.src
        walk.target(into)
    kept = walk.state.regs[one.src]
    check_alignment(walk, walk.state.regs[one.dst], one.off, size, strict=True)
    access(walk, one.dst, one.off, size, one, into=into)
    loaded = walk.state.regs[into] if into >= 0 else kept
    if into == one.src:
        walk.set(into, kept)
    if walk.state.regs[one.dst].kind == STACK or into == one.dst:
        pass
    access(walk, one.dst, one.off, size, one, value=-1, is_write=True)
    if into >= 0:
        walk.set(into, loaded)


def _check_atomic(walk: Walk, at: int, what: str) -> None:
    reg = walk.state.regs[at]
    if reg.kind in (CTX, FLOW) or reg.kind in SOCKETS or (reg.kind in PACKETS):
        walk.refuse(f"BPF_ATOMIC {what} R{at} {type_name(reg)} is not allowed")
