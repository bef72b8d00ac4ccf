"""Which registers are read later, before each instruction; and the loops that instructions stand in."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.obj.btf.view import essential_name
from bpfvm.tables.helpers import BY_ID
from bpfvm.tables.kernel_functions import BY_NAME as KERNEL_FUNCTIONS
from bpfvm.verifier.program.code import Code, Marks

_CLOBBERED = 0b111111  # r0 to r5, by every call
_ARGUMENTS = 0b111110
_ALL = 0b1111111111  # legacy packet loads may end the program, and the kernel takes all for read


def uses(one: Insn) -> tuple[int, int]:
    """Masks of the registers that an instruction reads and that it sets."""
    kind, dst, src = one.op.kind, 1 << one.dst, 1 << one.src
    match kind:
        case Kind.ALU:
            read = src if "src" in one.op.uses else 0
            if not one.op.name.startswith("mov"):
                read |= dst
            return read, dst
        case Kind.CAST | Kind.LOAD | Kind.LOAD_SX | Kind.LOAD_ACQUIRE:
            return src, dst
        case Kind.STORE | Kind.JUMP | Kind.STORE_RELEASE:
            return dst | (src if "src" in one.op.uses else 0), 0
        case Kind.ATOMIC:
            if one.op.name.startswith("atomic_cmpxchg"):
                return dst | src | 1, 1
            return dst | src, src if one.op.fetches else 0
        case Kind.IMM64:
            return 0, dst
        case Kind.EXIT:
            return 1, 0
        case Kind.CALL:
            return _call_uses(one), _CLOBBERED
        case Kind.PACKET:
            return _ALL, 0
    return 0, 0


def _call_uses(one: Insn) -> int:
    if one.op.name == "call_kfunc":
        function = KERNEL_FUNCTIONS.get(essential_name(one.symbol or ""))
        return _ARGUMENTS if function is None else ((1 << len(function.parameters)) - 1) << 1
    row = BY_ID.get(one.imm) if one.op.name == "call" else None
    return _ARGUMENTS if row is None else ((1 << len(row.args)) - 1) << 1


def live_registers(code: Code, marks: Marks) -> list[int]:
    """For each slot the mask of registers that are live before it."""
    effects = {slot: uses(one) for slot, one in code.each()}
    live = [0] * len(code)
    order = sorted(effects, reverse=True)
    changed = True
    while changed:
        changed = False
        for slot in order:
            read, set_ = effects[slot]
            behind = 0
            for following in marks.successors[slot]:
                behind |= live[following]
            now = read | behind & ~set_
            if now != live[slot]:
                live[slot], changed = now, True
    return live


def loops(code: Code, marks: Marks) -> list[int]:
    """A number for each cycle of instructions, 0 for those that are in none. Tarjan's algorithm, without recursion."""
    size = len(code)
    index, low, on = [-1] * size, [0] * size, [False] * size
    found, stack, count, number = [0] * size, list[int](), 0, 0
    for root, _ in code.each():
        if index[root] >= 0:
            continue
        walk = [(root, 0)]
        while walk:
            node, at = walk.pop()
            if at == 0:
                index[node] = low[node] = count
                count += 1
                stack.append(node)
                on[node] = True
            following = marks.successors[node]
            if at and at <= len(following):
                low[node] = min(low[node], low[following[at - 1]]) if on[following[at - 1]] else low[node]
            if at < len(following):
                walk.append((node, at + 1))
                if index[following[at]] < 0:
                    walk.append((following[at], 0))
                continue
            if low[node] == index[node]:
                number += _component(node, stack, on, found, number + 1, node in following)
    return found


def _component(root: int, stack: list[int], on: list[bool], found: list[int], number: int, itself: bool) -> int:
    members = []
    while True:
        member = stack.pop()
        on[member] = False
        members.append(member)
        if member == root:
            break
    if len(members) == 1 and not itself:
        return 0
    for member in members:
        found[member] = number
    return 1
