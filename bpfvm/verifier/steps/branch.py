"""Conditional jumps: which ways can be taken, and what each tells of registers, spills, pointers and packet ends."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.verifier.domain.compare import FLIPPED, OPPOSITE, outcome, refine
from bpfvm.verifier.domain.regs import (
    AT_END,
    BEYOND,
    COMMON,
    END,
    KEY,
    MAP,
    MEM,
    META,
    OBJECT,
    PACKET,
    SCALAR,
    SOCK,
    TCP,
    UNTRUSTED,
    VALUE,
    XSK,
    Reg,
    number,
)
from bpfvm.verifier.domain.scalar import compute, contradiction
from bpfvm.verifier.domain.state import SPILL, Slot, State
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import BRANCHES, Waiting, Walk, put
from bpfvm.verifier.structures.objects import is_trusted, record

_LINKED = 6  # scalars of one id that are refined together
_FARTHEST = 0xFFFF  # a packet's last byte
_NEVER_NULL = frozenset({SOCK, TCP, VALUE, KEY, COMMON, MEM, MAP})
Places = tuple[tuple[int, bool, int], ...]


def jump(walk: Walk, one: Insn) -> int:
    """Walk a conditional jump: the slot to go on at. The other way, if there is one, waits."""
    dst = walk.source(one.dst)
    src = walk.source(one.src) if one.op.operand == "src" else number(one.imm)
    name = one.op.name.partition("_")[0][:-2]
    dst = walk.state.regs[one.dst]
    taken = decided(name, dst, src, one.op.bits)
    if taken is not None:
        if dst.kind == SCALAR:
            mark_precise(walk, one.dst)
        if one.op.operand == "src" and src.kind == SCALAR:
            mark_precise(walk, one.src)
        walk.show()
        return walk.at + 1 + (one.off if taken else 0)
    linked = _linked(walk, one, src, dst)
    if len(linked) > 1:
        walk.remember(linked=linked)
    other = push(walk, walk.at + 1 + one.off)
    _refine_both(walk, one, name, other, linked)
    _pointers(walk, one, name, dst, src, other)
    walk.show()
    return walk.at + 1


def push(walk: Walk, at: int) -> State:
    """A copy of the state that is walked later, from `at` on."""
    other = walk.state.copy()
    other.branches = 1
    if other.parent is not None:
        other.parent.branches += 1
    walk.waiting.append(Waiting(other, at, walk.at, walk.log.mark()))
    if len(walk.waiting) > BRANCHES:
        walk.refuse(f"The sequence of {len(walk.waiting)} jumps is too complex.")
    return other


def decided(name: str, dst: Reg, src: Reg, bits: int) -> bool | None:
    """Whether the jump is always or never taken; None where it depends."""
    ends = {PACKET, META, END}
    if dst.kind in ends and src.kind in ends and bits == 64:
        return _end_decided(name, dst, src)
    if dst.kind != SCALAR or src.kind != SCALAR:
        pointer, other = (dst, src) if src.kind == SCALAR and not src.m else (src, dst)
        if other.kind != SCALAR or other.m or other.v or pointer.null or not _never_null(pointer):
            return None
        return {"jeq": False, "jne": True}.get(name)
    return outcome(name, dst, src, bits)


def _never_null(reg: Reg) -> bool:
    return is_trusted(reg) if reg.kind == OBJECT else reg.kind in _NEVER_NULL and UNTRUSTED not in reg.prefix


def _end_decided(name: str, dst: Reg, src: Reg) -> bool | None:
    """A packet pointer that was compared with the end before."""
    if src.kind == END:
        packet = dst
    elif dst.kind == END:
        packet, name = src, FLIPPED[name]
    else:
        return None
    if packet.range >= 0:
        return None
    if name in ("jle", "jgt") and packet.range == BEYOND:
        return name == "jgt"
    if name in ("jlt", "jge") and packet.range in (BEYOND, AT_END):
        return name == "jge"
    return None


def _linked(walk: Walk, one: Insn, src: Reg, dst: Reg) -> Places:
    """Registers and spills that hold the numbers that are compared."""
    found: list[tuple[int, bool, int]] = []
    if one.op.operand == "src" and src.kind == SCALAR and src.id:
        _collect(walk, src.id, found)
    if dst.kind == SCALAR and dst.id:
        _collect(walk, dst.id, found)
    return tuple(found)


def _collect(walk: Walk, wanted: int, found: list[tuple[int, bool, int]]) -> None:
    for depth in range(len(walk.state.frames) - 1, -1, -1):
        frame = walk.state.frames[depth]
        live = walk.marks.live[walk.at if frame is walk.state.frame else walk.state.frames[depth + 1].call]
        for at, reg in enumerate(frame.regs[:10]):
            if reg.id == wanted and reg.kind == SCALAR and live >> at & 1:
                _keep(walk, found, (depth, True, at), reg)
        for at in sorted(frame.stack):
            slot = frame.stack[at]
            if slot.types[0] == SPILL and slot.reg.id == wanted and slot.reg.kind == SCALAR:
                _keep(walk, found, (depth, False, at), slot.reg)


def _keep(walk: Walk, found: list[tuple[int, bool, int]], place: tuple[int, bool, int], reg: Reg) -> None:
    if len(found) < _LINKED:
        found.append(place)
        return
    reg = reg.copy()
    reg.id, reg.added = 0, 0
    put(walk.state, *place, reg)


def _refine_both(walk: Walk, one: Insn, name: str, other: State, linked: Places) -> None:
    """What each way tells of the operands and of their copies."""
    mine, theirs = walk.state.regs, other.regs
    dst = mine[one.dst]
    src = mine[one.src] if one.op.operand == "src" else number(one.imm)
    if dst.kind != SCALAR or src.kind != SCALAR:
        return
    same = one.op.operand == "src" and one.dst == one.src
    for regs, words in ((theirs, name), (mine, OPPOSITE[name])):
        a = dst.copy()
        b = a if same else src.copy()
        refine(words, a, b, one.op.bits)
        way = "true" if regs is theirs else "false"
        for reg, which in ((a, "reg1"), (b, "reg2")):
            settle(walk, reg, f"{way}_{which}")
        regs[one.dst] = a
        if one.op.operand == "src":
            regs[one.src] = b
    compared = [(one.dst, dst)] if one.op.operand == "imm" else [(one.src, src), (one.dst, dst)]
    for at, was in compared:
        for state in (walk.state, other) if was.id else ():
            _spread(state, state.regs[at], at, linked)


def settle(walk: Walk, reg: Reg, what: str) -> None:
    """Ranges that contradict one another say nothing; the kernel words it as a bug of its own and goes on."""
    words = contradiction(reg)
    if words is not None:
        walk.say(f"verifier bug: REG INVARIANTS VIOLATION ({what}): {words}")
        reg.unbound()


def _spread(state: State, known: Reg, at: int, linked: Places) -> None:
    """Give what is known of a scalar to all that hold the same number, or one that differs by a constant."""
    innermost = len(state.frames) - 1
    for depth, is_reg, place in linked:
        if is_reg and depth == innermost and place == at:
            continue
        frame = state.frames[depth]
        reg = frame.regs[place] if is_reg else frame.stack[place].reg
        if reg.kind != SCALAR or reg.id != known.id:
            continue
        new = known.copy()
        if (reg.added or known.added) and reg.off != known.off:
            delta = number((reg.off if reg.added else 0) - (known.off if known.added else 0))
            compute("add", 32 if 32 in (reg.added, known.added) else 64, new, delta)
            new.id, new.added, new.off = reg.id, reg.added, reg.off
        if is_reg:
            frame.regs[place] = new
        else:
            frame.stack[place] = Slot(frame.stack[place].types, new)


def _pointers(walk: Walk, one: Insn, name: str, dst: Reg, src: Reg, other: State) -> None:
    if one.op.bits == 32:
        return
    if one.op.operand == "src" and dst.kind != SCALAR and src.kind != SCALAR and dst.null != src.null:
        equal = {"jeq": other, "jne": walk.state}.get(name)
        if equal is not None:
            at = one.src if src.null else one.dst
            equal.regs[at] = not_null(equal.regs[at])
    if one.op.operand == "imm" and one.imm == 0 and name in ("jeq", "jne") and dst.null:
        mark_null(walk, walk.state, dst, name == "jne")
        mark_null(walk, other, dst, name == "jeq")
    elif one.op.operand == "src":
        _packet_end(walk, one, name, dst, src, other)


def mark_null(walk: Walk, state: State, reg: Reg, is_null: bool) -> None:
    """All copies of a pointer that may be null: they are null, or they are not."""
    wanted = reg.id
    if is_null and reg.ref and reg.ref == wanted:
        state.refs = tuple(one for one in state.refs if one.id != wanted)
    for depth, frame in enumerate(state.frames):
        for at, one in enumerate(frame.regs):
            if one.null and one.id == wanted:
                frame.regs[at] = _settled(walk, one, is_null)
        for at, slot in list(frame.stack.items()):
            if slot.types[0] == SPILL and slot.reg.null and slot.reg.id == wanted:
                put(state, depth, False, at, _settled(walk, slot.reg, is_null))


def _settled(walk: Walk, reg: Reg, is_null: bool) -> Reg:
    if is_null:
        new = number(0)
        new.precise = reg.precise
        return new
    new = not_null(reg)
    if record(walk, reg).lock is None:
        new.id = 0
    return new


def not_null(reg: Reg) -> Reg:
    """A pointer that may be null, and is not. Of maps that hold maps or sockets it becomes one of these;
    the kernel still tells a socket of a map from others when it compares states."""
    new = reg.copy()
    new.null = False
    if new.kind == VALUE and new.map is not None:
        kind = new.map.spec.type
        if new.map.inner is not None:
            new.kind, new.map, new.uid = MAP, new.map.inner, 0
        elif kind == "xskmap":
            new.kind, new.map, new.uid = XSK, None, id(new.map)
        elif kind in ("sockmap", "sockhash"):
            new.kind, new.map, new.uid = SOCK, None, id(new.map)
    return new


def _packet_end(walk: Walk, one: Insn, name: str, dst: Reg, src: Reg, other: State) -> None:
    """A comparison of a packet pointer with the packet's end, or of metadata with the packet's start."""
    if name not in ("jgt", "jge", "jlt", "jle"):
        return
    if _bounded(dst, src):
        packet, at, words = dst, one.dst, name
    elif _bounded(src, dst):
        packet, at, words = src, one.src, FLIPPED[name]
    else:
        return
    # words: packet `words` end. Before the end: not taken for jgt and jge, taken for jlt and jle.
    inside, outside = (walk.state, other) if words in ("jgt", "jge") else (other, walk.state)
    _found(inside, packet, strictly=words in ("jge", "jlt"))
    reg = outside.regs[at]
    if reg.kind == PACKET:
        new = reg.copy()
        new.range = BEYOND if words in ("jgt", "jle") else AT_END
        outside.regs[at] = new


def _bounded(packet: Reg, end: Reg) -> bool:
    if packet.null or end.null:
        return False
    start = end.kind == PACKET and not end.id and not end.off and not end.m and not end.v and end.range >= 0
    return (packet.kind == PACKET and end.kind == END) or (packet.kind == META and start)


def _found(state: State, packet: Reg, strictly: bool) -> None:
    """So many bytes are there behind every pointer with this variable part."""
    if packet.off < 0 or (packet.off == 0 and strictly):
        return
    if packet.umax > _FARTHEST or packet.umax + packet.off > _FARTHEST:
        return
    bytes_there = packet.off + strictly
    for depth, frame in enumerate(state.frames):
        for at, reg in enumerate(frame.regs):
            if reg.kind == packet.kind and reg.id == packet.id and reg.range < bytes_there:
                frame.regs[at] = _with_range(reg, bytes_there)
        for at, slot in list(frame.stack.items()):
            reg = slot.reg
            if slot.types[0] == SPILL and reg.kind == packet.kind and reg.id == packet.id and reg.range < bytes_there:
                put(state, depth, False, at, _with_range(reg, bytes_there))


def _with_range(reg: Reg, bytes_there: int) -> Reg:
    new = reg.copy()
    new.range = bytes_there
    return new
