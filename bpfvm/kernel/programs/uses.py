"""What a program takes the words of its context for, told by its instructions: a word is loaded, and a CO-RE relocation
says a field of which struct is read behind it.

Types of an object alone do not say it: compilers write `BPF_PROG(issue, struct request *rq)` into the program that gets
the bare context. Ways that constants of the object or answers of the kernel's types close are not gone: a program may
have one for each form of what it is loaded for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bpfvm.core.bits import M64, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.cfg import Block, Cfg, Way, control_flow
from bpfvm.isa.insn import Insn, slots
from bpfvm.isa.ops import Kind, alu, taken
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.obj.model import CoreReloc, ProgramSpec

_CONTEXT, _FRAME, _CLOBBERED = 1, 10, range(6)
_WORD = 8
_FIELDS = "field_byte_offset"


@dataclass(frozen=True, slots=True)
class _Value:
    """What is known. kind: "context", "argument" (number: the word), "number", "data" (number: the offset in map
    `name`), "field" (an offset; number: the root's type)."""

    kind: str
    number: int = 0
    name: str = ""


_State: TypeAlias = "dict[int, _Value]"  # by register, or by place below the frame pointer
_AT_ENTRY = _Value("context")


@dataclass(frozen=True, slots=True)
class Use:
    """word: of the context. type: id in the object's BTF of the struct whose field is read there, 0 of the word's own
    load."""

    word: int
    slot: int
    type: int = 0


def uses(program: ProgramSpec, core: Sequence[CoreReloc], data: Mapping[str, bytes]) -> list[Use]:
    """Of the entry function, in the order of slots. program: its relocations resolved; core: those that it had. data:
    contents of maps that stay as they are."""
    try:
        graph = control_flow(program.insns, (one.slot for one in program.functions))
    except LoadError:
        return []
    return list(_Walk(program.insns, graph, {one.slot: one for one in core}, data).uses())


class _Walk:
    """The states at the heads of blocks that can be reached, each what all ways to it have in common."""

    def __init__(
        self, insns: Sequence[Insn], graph: Cfg, core: Mapping[int, CoreReloc], data: Mapping[str, bytes]
    ) -> None:
        self._insns, self._graph, self._core, self._data = insns, graph, core, data
        self._slots = slots(insns)
        self._heads: dict[int, _State] = {0: {_CONTEXT: _AT_ENTRY}}
        waiting = [0]
        while waiting:
            number = waiting.pop()
            block, state = graph.blocks[number], dict(self._heads[number])
            for at in range(block.first, block.last):
                if at < block.last - 1 or insns[at].op.kind is not Kind.JUMP:
                    self._step(at, state)
            for to in self._ways(block, state):
                if self._reach(to, state):
                    waiting.append(to)

    def uses(self) -> Iterator[Use]:
        """What all states together say."""
        for number in sorted(self._heads):
            block, state = self._graph.blocks[number], dict(self._heads[number])
            for at in range(block.first, block.last):
                yield from self._used(at, state)
                self._step(at, state)

    def _reach(self, to: int, state: _State) -> bool:
        """Whether a way to a block changes what is known there."""
        known = self._heads.get(to)
        self._heads[to] = state.copy() if known is None else {
            key: value for key, value in known.items() if state.get(key) == value
        }  # fmt: skip
        return self._heads[to] != known

    def _ways(self, block: Block, state: _State) -> Iterator[int]:
        last = self._insns[block.last - 1]
        one, other = state.get(last.dst), self._operand(last, state)
        decided = None
        if last.op.kind is Kind.JUMP and one is not None and other is not None and one.kind == other.kind == "number":
            decided = Way.JUMP if taken(last.op, one.number, other.number) else Way.FALL
        for edge in block.edges:
            if decided is None or edge.way is decided:
                yield edge.to

    def _operand(self, one: Insn, state: _State) -> _Value | None:
        return state.get(one.src) if one.op.operand == "src" else _Value("number", one.imm & M64)

    def _used(self, at: int, state: _State) -> Iterator[Use]:
        one, slot = self._insns[at], self._slots[at]
        asked = self._core.get(slot)
        if one.op.kind in (Kind.LOAD, Kind.LOAD_SX):
            base = state.get(one.src)
            if base == _AT_ENTRY and asked is None:
                yield Use(one.off // _WORD, slot)
            elif base is not None and base.kind == "argument" and asked is not None:
                yield Use(base.number, slot, asked.type)
        elif one.op.name in ("add64_k", "add64_x"):
            both = [state.get(one.dst), self._added(one, asked, state)]
            words = [value.number for value in both if value is not None and value.kind == "argument"]
            roots = [value.number for value in both if value is not None and value.kind == "field"]
            if words and roots:
                yield Use(words[0], slot, roots[0])

    def _added(self, one: Insn, asked: CoreReloc | None, state: _State) -> _Value | None:
        return _asked(asked) or self._operand(one, state)

    def _step(self, at: int, state: _State) -> None:
        one = self._insns[at]
        kind = one.op.kind
        if kind is Kind.CALL:
            for register in _CLOBBERED:
                state.pop(register, None)
        elif kind is Kind.STORE and one.dst == _FRAME:
            self._store(one, state)
        elif kind in (Kind.ALU, Kind.CAST, Kind.LOAD, Kind.LOAD_SX, Kind.IMM64, Kind.LOAD_ACQUIRE):
            value = self._result(at, one, state)
            state.pop(one.dst, None)
            if value is not None:
                state[one.dst] = value
        elif kind is Kind.PACKET:
            state.clear()
        elif kind is Kind.ATOMIC and one.op.fetches:
            state.pop(0 if "cmpxchg" in one.op.name else one.src, None)

    def _store(self, one: Insn, state: _State) -> None:
        """Numbers are not kept: helpers write to the stack, too, by addresses that are not followed."""
        for place in range(one.off - _WORD + 1, one.off + one.op.bits // 8):
            state.pop(place, None) if place < 0 else None
        value = self._operand(one, state)
        if one.op.bits == _WORD * 8 and one.off < 0 and value is not None and value.kind in ("context", "argument"):
            state[one.off] = value

    def _result(self, at: int, one: Insn, state: _State) -> _Value | None:
        asked = self._core.get(self._slots[at])
        match one.op.kind:
            case Kind.ALU:
                return self._computed(one, asked, state)
            case Kind.IMM64 if one.op.name == "lddw":
                return _asked(asked) or _Value("number", one.imm & M64)
            case Kind.IMM64 if one.op.name == "lddw_map_value" and one.symbol is not None:
                return _Value("data", one.imm >> 32, one.symbol)
            case Kind.LOAD | Kind.LOAD_SX:
                return self._loaded(one, asked, state)
        return None

    def _computed(self, one: Insn, asked: CoreReloc | None, state: _State) -> _Value | None:
        name, value = one.op.name, self._operand(one, state)
        if name in ("mov64_k", "mov32_k") and _asked(asked) is not None:
            return _asked(asked)
        if name in ("mov64_x", "mov64_k"):
            return value
        before = _Value("number") if name.startswith("mov32") else state.get(one.dst)
        if one.op.value is None or before is None or value is None or not before.kind == value.kind == "number":
            return None
        return _Value("number", alu(one.op, before.number, value.number))

    def _loaded(self, one: Insn, asked: CoreReloc | None, state: _State) -> _Value | None:
        if one.src == _FRAME:
            return state.get(one.off) if one.op.bits == _WORD * 8 else None
        base = state.get(one.src)
        if base == _AT_ENTRY and asked is None and one.op.bits == _WORD * 8 and not one.off % _WORD:
            return _Value("argument", one.off // _WORD)
        held = self._data.get(base.name) if base is not None and base.kind == "data" else None
        start, size = (base.number if base is not None else 0) + one.off, one.op.bits // 8
        if held is None or not 0 <= start <= len(held) - size:
            return None
        number = int.from_bytes(held[start : start + size], BYTE_ORDER)
        return _Value("number", (signed(number, one.op.bits) if one.op.kind is Kind.LOAD_SX else number) & M64)


def _asked(one: CoreReloc | None) -> _Value | None:
    """What an immediate is that a relocation gives the offset of a field."""
    return _Value("field", one.type) if one is not None and one.kind == _FIELDS else None


__all__ = ["Use", "uses"]
