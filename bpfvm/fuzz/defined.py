"""Whether a program computes the same on every machine that is right: no unset register, no address as a number.

Programs that are cut by the shrinker or changed at random can be such that a verifier takes them and machines still
may differ: privileged programs may read stack that was never written, and look at addresses, which are each machine's
own. Such a case says nothing. What is found here errs to that side: a program is defined only where it is seen to be.

A register holds nothing, a number, or a pointer to a kind of memory. Pointers may be moved, stored whole on the stack,
passed on, compared with the packet's end and with null, and used as addresses; nothing else.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from bpfvm.core.errors import LoadError
from bpfvm.emulator.contexts.access import Access, rules
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.edges import fits
from bpfvm.fuzz.edit import Step, opened, reachable
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import Kind
from bpfvm.obj.model import MapSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS

R0, R1, R6, R10 = 0, 1, 6, 10
_DEPTH = 8  # frames
_PACKET = ("packet", "packet_end", "packet_meta")
_LOADS = (Kind.LOAD, Kind.LOAD_SX, Kind.LOAD_ACQUIRE)
_STORES = (Kind.STORE, Kind.STORE_RELEASE)
_NAMING = (Kind.CALL, Kind.IMM64)  # of which some name functions
_WORD = 8  # bytes of its stack that a function hands to one that a helper calls


@dataclass(frozen=True, slots=True)
class Address:
    """region: "context", "stack", "value", "map", "function", "key" and "word" (what functions get that helpers call),
    or a name of _PACKET. offset: from r10, of a function its index, None where not known."""

    region: str
    offset: int | None = 0
    map: str | None = None


Value: TypeAlias = "Address | bool"  # True: a number, False: nothing that may be read
NUMBER, UNSET = True, False
# A byte of the stack: a number's, or byte n of a pointer. Bytes that are not there were never written.
Byte: TypeAlias = "bool | tuple[Address, int]"


class Undefined(Exception):
    """What the program does that machines need not agree on."""


@dataclass(slots=True)
class _State:
    registers: list[Value]
    stack: dict[int, Byte]

    def copy(self) -> _State:
        return _State(self.registers[:], dict(self.stack))

    def join(self, other: _State) -> bool:
        """Keep what both have; whether anything was lost."""
        before = (self.registers[:], len(self.stack))
        pairs = zip(self.registers, other.registers, strict=True)
        self.registers = [a if a == b else UNSET for a, b in pairs]
        self.stack = {at: byte for at, byte in self.stack.items() if other.stack.get(at) == byte}
        return before != (self.registers, len(self.stack))


def undefined(case: Case) -> str | None:
    """Why machines need not agree on the case's program, or None where they must."""
    program = case.program
    try:
        steps = opened(program.insns)
        if len(reachable(steps)) != len(steps):
            return "instructions that nothing leads to"
        if steps[-1].insn.op.kind not in (Kind.EXIT, Kind.GOTO):
            return "the last instruction falls off the end"
        if _leaves_its_function(steps):
            return "a jump between functions"
        walk = _Walk(steps, case.spec.maps, program.type)
        if walk.function(0, [UNSET, Address("context"), *[UNSET] * 8], 1) is not NUMBER:
            return "it does not return a number"
    except (Undefined, LoadError) as error:
        return str(error)
    return None


def _leaves_its_function(steps: Sequence[Step]) -> bool:
    """Whether a jump leads out of the function that it stands in: functions begin where calls go."""
    named = {step.target for step in steps if step.insn.op.kind in _NAMING and step.target is not None}
    entries = sorted({0, *named})
    return any(
        step.target is not None and step.insn.op.kind not in _NAMING
        and bisect(entries, number) != bisect(entries, step.target)
        for number, step in enumerate(steps)
    )  # fmt: skip


class _Walk:
    """Forward over all paths, function by function, until nothing changes."""

    def __init__(self, steps: Sequence[Step], maps: Mapping[str, MapSpec], kind: str) -> None:
        self.steps, self.maps = steps, maps
        self.rules = rules(kind, kind)
        self._known: dict[tuple[int, tuple[Value, ...]], Value] = {}

    def function(self, entry: int, arguments: list[Value], depth: int) -> Value:
        """What a function returns, by what r0 to r9 hold when it begins."""
        if depth > _DEPTH:
            raise Undefined(f"more than {_DEPTH} frames")
        key = (entry, tuple(arguments))
        if key in self._known:
            return self._known[key]
        states = {entry: _State([*arguments, Address("stack")], {})}
        waiting, result = [entry], None
        while waiting:
            number = waiting.pop()
            state, step = states[number].copy(), self.steps[number]
            if step.insn.op.kind is Kind.EXIT:
                value = state.registers[R0]
                result = value if result is None or result == value else UNSET
                continue
            self._step(state, step, depth)
            for following in _following(number, step):
                if following >= len(self.steps):
                    raise Undefined("a path falls off the end")
                passed = _known_null(state, step, following)
                if following not in states:
                    states[following] = passed.copy()
                elif not states[following].join(passed):
                    continue
                waiting.append(following)
        if isinstance(result, Address) and result.region == "stack":
            result = UNSET
        self._known[key] = result or UNSET
        return self._known[key]

    def _step(self, state: _State, step: Step, depth: int) -> None:
        one, kind = step.insn, step.insn.op.kind
        if kind is Kind.CALL:
            self._call(state, step, depth)
        elif one.op.name == "lddw_func":
            state.registers[one.dst] = Address("function", step.target)
        elif kind is Kind.IMM64:
            _imm64(state, one)
        elif kind in _LOADS:
            state.registers[one.dst] = self._load(state, one)
        elif kind in _STORES:
            value: Value = _read(state, one.src) if one.op.operand == "src" else NUMBER
            self._store(state, one, value)
        elif kind is Kind.ATOMIC:
            self._atomic(state, one)
        elif kind is Kind.ALU:
            state.registers[one.dst] = _arithmetic(state, one)
        elif kind is Kind.JUMP:
            _compare(state, one)
        elif kind is Kind.PACKET:
            self._packet(state, one, depth)
        elif kind not in (Kind.GOTO, Kind.MAY_GOTO) or one.op.name == "gotox":
            raise Undefined(f"{one.op.name} is not followed here")

    def _load(self, state: _State, one: Insn) -> Value:
        at, size = _address(state, one.src), one.op.bits // 8
        if at.region == "stack":
            found = [state.stack.get(_known(at, one.off) + byte, UNSET) for byte in range(size)]
            if all(byte is NUMBER for byte in found):
                return NUMBER
            if size == 8 and isinstance(found[0], tuple):
                pointer = found[0][0]
                if found == [(pointer, byte) for byte in range(8)]:
                    return pointer
            raise Undefined("a read of stack that holds no number")
        if at.region == "context" and self.rules is not None:
            return self._field(self.rules, one, _known(at, one.off))
        if at.region in ("key", "word"):
            self._within(at, one)
        return NUMBER

    def _field(self, access: Access, one: Insn, at: int) -> Value:
        found = access.reads.get((at, one.op.bits // 8))
        if found is None or one.op.kind is not Kind.LOAD:
            raise Undefined("no field of the context, or a part of an address in it")
        if found.pointer in _PACKET:
            return Address(found.pointer)
        if found.pointer is not None:
            raise Undefined(f"the context's {found.name}, which is not followed here")
        return NUMBER

    def _within(self, at: Address, one: Insn) -> None:
        size = _WORD if at.region == "word" else self.maps[at.map or ""].key_size
        start = _known(at, one.off)
        if not 0 <= start <= size - one.op.bits // 8:
            raise Undefined(f"a place outside of the {at.region}")

    def _store(self, state: _State, one: Insn, value: Value) -> None:
        at, size = _address(state, one.dst), one.op.bits // 8
        if at.region == "stack":
            start = _known(at, one.off)
            if value is not NUMBER and (size != 8 or one.op.kind is not Kind.STORE):
                raise Undefined("a part of an address on the stack")
            for byte in range(size):
                state.stack[start + byte] = NUMBER if not isinstance(value, Address) else (value, byte)
        elif value is not NUMBER:
            raise Undefined("an address in memory")
        elif at.region == "context" and self.rules is not None:
            if (_known(at, one.off), size) not in self.rules.writes or one.op.kind is not Kind.STORE:
                raise Undefined("a store into no field of the context that may be written")
        elif at.region == "key":
            raise Undefined("a store into a key")
        elif at.region == "word":
            self._within(at, one)

    def _packet(self, state: _State, one: Insn, depth: int) -> None:
        """A legacy load of the packet, which wants the context in r6 and spoils what calls spoil."""
        if depth > 1:
            raise Undefined("a packet load in a function, which kernels must not be given: see bpfvm.fuzz.case")
        if state.registers[R6] != Address("context"):
            raise Undefined("a packet load without the context in r6")
        if "src" in one.op.uses and state.registers[one.src] is not NUMBER:
            raise Undefined("a packet load at an address")
        state.registers[R0] = NUMBER
        state.registers[1:6] = [UNSET] * 5

    def _atomic(self, state: _State, one: Insn) -> None:
        if state.registers[one.src] is not NUMBER:
            raise Undefined("an atomic operation with an address")
        exchange = one.op.name.startswith("atomic_cmpxchg")
        if exchange and state.registers[R0] is not NUMBER:
            raise Undefined("an exchange that compares an address")
        # whatever the operation makes of it, the memory held a number before it and holds one after it
        if self._load(state, replace(one, src=one.dst)) is not NUMBER:
            raise Undefined("an atomic operation on an address")
        self._store(state, one, NUMBER)
        if one.op.fetches:
            state.registers[R0 if exchange else one.src] = NUMBER

    def _call(self, state: _State, step: Step, depth: int) -> None:
        registers = state.registers
        if step.insn.op.name == "call_local":
            assert step.target is not None, "every local call has a target"
            passed = [UNSET if isinstance(one, Address) and one.region == "stack" else one for one in registers[1:6]]
            result = self.function(step.target, [UNSET, *passed, *[UNSET] * 4], depth + 1)
        elif step.insn.op.name == "call":
            result = self._helper(state, step.insn.imm, depth)
        else:
            raise Undefined(f"{step.insn.op.name} is not followed here")
        registers[R0] = result
        registers[1:6] = [UNSET] * 5

    def _helper(self, state: _State, number: int, depth: int) -> Value:
        found = _READS.get(number)
        owner = state.registers[R1]
        if number == _LOOP and owner is NUMBER:
            return self._calls_back(state, [NUMBER], depth)
        if number == _EACH and isinstance(owner, Address) and owner.region == "map" and owner.offset == 0:
            return self._calls_back(state, [owner, Address("key", 0, owner.map), Address("value", None)], depth)
        if found is None or not isinstance(owner, Address) or owner.region != "map" or owner.offset != 0:
            raise Undefined(f"helper {number} is not followed here")
        assert owner.map is not None, "the address of a map names it"
        for register, size in found(self.maps[owner.map]):
            at = _address(state, register)
            if at.region == "stack":
                start = _known(at, 0)
                if any(state.stack.get(start + byte) is not NUMBER for byte in range(size)):
                    raise Undefined("a helper reads stack that holds no number")
        if number == HELPERS["map_update_elem"].id and state.registers[4] is not NUMBER:
            raise Undefined("a helper's flags are no number")
        return Address("value", None) if number == HELPERS["map_lookup_elem"].id else NUMBER

    def _calls_back(self, state: _State, passed: list[Value], depth: int) -> Value:
        """A helper that calls the function in r2, with what is passed to it and a word of the stack, which is r3."""
        function, word, flags = state.registers[2:5]
        if not isinstance(function, Address) or function.region != "function" or function.offset is None:
            raise Undefined("what shall be called is no function of the program")
        if not isinstance(word, Address) or word.region != "stack" or flags is not NUMBER:
            raise Undefined("a function that is called gets no word of the stack")
        start = _known(word, 0)
        if any(state.stack.get(start + byte) is not NUMBER for byte in range(_WORD)):
            raise Undefined("a function that is called gets stack that holds no number")
        given = [UNSET, *passed, Address("word")]
        if self.function(function.offset, given + [UNSET] * (R10 - len(given)), depth + 1) is not NUMBER:
            raise Undefined("a function that a helper calls does not return a number")
        return NUMBER


_LOOP, _EACH = HELPERS["loop"].id, HELPERS["for_each_map_elem"].id

# helper -> (register that points to what it reads, bytes)
_READS: Mapping[int, Callable[[MapSpec], list[tuple[int, int]]]] = {
    HELPERS["map_lookup_elem"].id: lambda owner: [(2, owner.key_size)],
    HELPERS["map_delete_elem"].id: lambda owner: [(2, owner.key_size)],
    HELPERS["map_update_elem"].id: lambda owner: [(2, owner.key_size), (3, owner.value_size)],
}


def _following(number: int, step: Step) -> list[int]:
    kind = step.insn.op.kind
    after = [] if kind is Kind.GOTO else [number + 1]
    if step.target is not None and kind in (Kind.GOTO, Kind.JUMP, Kind.MAY_GOTO):
        after.append(step.target)
    return after


def _known_null(state: _State, step: Step, following: int) -> _State:
    """The state on the way to `following`: where a lookup found nothing, its result is the number 0."""
    one = step.insn
    if one.op.name not in ("jeq64_k", "jne64_k") or not isinstance(state.registers[one.dst], Address):
        return state
    if (following == step.target) != (one.op.name == "jeq64_k"):
        return state
    null = state.copy()
    null.registers[one.dst] = NUMBER
    return null


def _read(state: _State, register: int) -> Value:
    value = state.registers[register]
    if value is UNSET:
        raise Undefined(f"r{register} is read and holds nothing")
    return value


def _address(state: _State, register: int) -> Address:
    value = state.registers[register]
    if isinstance(value, Address) and value.region not in ("map", "function"):
        return value
    raise Undefined(f"r{register} is used as an address and is none")


def _known(at: Address, off: int) -> int:
    if at.offset is None:
        raise Undefined(f"an unknown place in the {at.region}")
    return at.offset + off


def _imm64(state: _State, one: Insn) -> None:
    if one.op.name == "lddw":
        state.registers[one.dst] = NUMBER
    elif one.op.name == "lddw_map":
        state.registers[one.dst] = Address("map", 0, one.symbol)
    elif one.op.name == "lddw_map_value":
        state.registers[one.dst] = Address("value", None)
    else:
        raise Undefined(f"{one.op.name} is not followed here")


def _arithmetic(state: _State, one: Insn) -> Value:
    name = one.op.name
    if name.startswith("mov"):
        value = _read(state, one.src) if "src" in one.op.uses else NUMBER
        if isinstance(value, Address) and name != "mov64_x":
            raise Undefined("a part of an address")
        return value
    if not fits(one.op, one.imm):
        raise Undefined(f"{one.op.name} by {one.imm}, which verifiers refuse")
    left = _read(state, one.dst)
    right = _read(state, one.src) if "src" in one.op.uses else NUMBER
    if left is NUMBER and right is NUMBER:
        return NUMBER
    if name.startswith("sub64") and _both_packet(left, right):
        return NUMBER
    if not isinstance(left, Address) or right is not NUMBER or left.region in ("map", "function"):
        raise Undefined("arithmetic on an address")
    if name in ("add64_k", "sub64_k") and left.offset is not None:
        return replace(left, offset=left.offset + (one.imm if name == "add64_k" else -one.imm))
    if name.startswith(("add64", "sub64")):
        return replace(left, offset=None)
    raise Undefined("arithmetic on an address")


def _compare(state: _State, one: Insn) -> None:
    left = _read(state, one.dst)
    right = _read(state, one.src) if "src" in one.op.uses else NUMBER
    if left is NUMBER and right is NUMBER:
        return
    null = one.op.name in ("jeq64_k", "jne64_k") and one.imm == 0
    if null and isinstance(left, Address):
        return
    if one.op.bits != 64 or not _both_packet(left, right):
        raise Undefined("a comparison of an address")


def _both_packet(left: Value, right: Value) -> bool:
    return all(isinstance(one, Address) and one.region in _PACKET for one in (left, right))
