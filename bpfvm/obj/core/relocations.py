"""CO-RE: instructions adapted to the types of the machine that they are to run on.

`relocate(spec, target)` asks the target's types what every relocation wants to know and writes the answers into the
instructions, as libbpf does:

    immediate of arithmetic            the answer
    offset of a load or store          the field's byte offset; the access takes the size that the field has there
    64-bit immediate                   the answer

An instruction that asks about something the target does not have may stand behind a test for its existence, so that is
no error: it becomes a call of a helper that no kernel has, and carries the name of what is missing (`missing`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M32, M64, signed
from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import ALU, ALU64, BY_CODE, LDX, SIZES, ST, STX, Kind
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int, Ptr, Type
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.core.access import Access, parse, words
from bpfvm.obj.core.match import Matcher
from bpfvm.obj.core.value import Value, value_of
from bpfvm.obj.model import CoreReloc, ObjectSpec, ProgramSpec

POISON = 0xBAD2310  # the helper's number that libbpf writes too: "bad relo"; verifiers name it in their refusal


@dataclass(frozen=True, slots=True)
class Answer:
    """What a relocation comes to. about: what it asks about, in words. old, new: by the object's own and the target's
    types; `new` is None where the target has no such thing. reason: why an instruction must not run with the answer:
    none may without one, and no load or store whose size cannot become the field's.
    """

    about: str
    old: Value
    new: Value | None
    reason: str = ""


def relocate(
    spec: ObjectSpec, target: TypeView, name: str = "", modules: Callable[[], Iterable[TypeView]] = tuple
) -> ObjectSpec:
    """`spec` with its CO-RE relocations resolved against `target`; of program `name` only, where one is given.

    modules: gives the BTF of kernel modules, when `target` does not have a type. LoadError names program, instruction
    and field where a relocation has no one answer, or does not fit its instruction.
    """
    wanted = {key: one for key, one in spec.programs.items() if one.core and name in ("", key)}
    if not wanted:
        return spec
    if spec.btf is None:
        raise LoadError("the programs have CO-RE relocations, and the object has no BTF to tell what they ask about")
    if target.endian not in ("", spec.endian):
        raise LoadError(
            f"{an(spec.endian)}-endian object cannot be adapted to the types of {an(target.endian)}-endian machine"
        )
    resolver = Resolver(spec.btf, target, modules, spec.endian)
    done = {key: _relocated(one, resolver) for key, one in wanted.items()}
    return replace(spec, programs={key: done.get(key, one) for key, one in spec.programs.items()})


def missing(one: Insn) -> str | None:
    """What an instruction asks about in vain, and why ("struct task_struct.foo, which the target does not have"), or
    None for an instruction that may run.
    """
    return one.symbol if one.op.name == "call" and one.imm == POISON else None


class Resolver:
    """The answers to one object's relocations. target: the kernel's types; modules: gives those of its modules."""

    def __init__(self, local: Btf, target: TypeView, modules: Callable[[], Iterable[TypeView]], endian: str) -> None:
        self.local, self.endian = local, endian
        self._kernel = Matcher(local, target)
        self._open_modules = modules
        self._candidates: dict[int, list[tuple[Matcher, int]]] = {}
        self._answers: dict[tuple[str, int, str], Answer] = {}

    def answer(self, one: CoreReloc) -> Answer:
        """The answer to `one`; LoadError where there is no one answer."""
        key = (one.kind, one.type, one.access)
        found = self._answers.get(key)
        if found is None:
            found = self._answers[key] = self._answer(one)
        return found

    def _answer(self, one: CoreReloc) -> Answer:
        access = parse(self.local, one.kind, one.type, one.access)
        about = words(self.local, access)
        try:
            old = value_of(self.local, one.kind, access, self.endian)
            assert old is not None, "the object has what it asks about"
            if one.kind == "type_id_local":
                return Answer(about, old, old)
            matcher, found = self._found(one.kind, access)
            new = value_of(matcher.target, one.kind, found, self.endian)
            if new is not None:
                return Answer(about, old, new, self._misfit(about, matcher, old, new))
            name = essential_name(self.local.name_of(one.type))
            lacks = "does not have" if self._candidates_of(one.type) else f"does not have, nor any {name}"
            return Answer(about, old, None, f"{about}, which the target {lacks}")
        except LoadError as error:
            raise LoadError(f"{one.kind} of {about}: {error}") from None

    def _found(self, kind: str, access: Access) -> tuple[Matcher, Access | None]:
        """What is asked about in the target. All candidates that have it must agree on its place and on the answer.

        Candidates that do not have it are out of question for later relocations of the same type, as in libbpf.
        """
        candidates = self._candidates_of(access.root)
        found = [(matcher, number, matcher.find(kind, access, number)) for matcher, number in candidates]
        had = [(matcher, number, one) for matcher, number, one in found if one is not None]
        if not had:
            return self._kernel, None
        first, _, best = had[0]
        self._candidates[access.root] = [(matcher, number) for matcher, number, _ in had]
        for matcher, number, one in had[1:]:
            both = [value_of(m.target, kind, a, self.endian) for m, a in ((first, best), (matcher, one))]
            numbers = [None if value is None else value.number for value in both]
            if numbers[0] != numbers[1] or best.bit_offset != one.bit_offset:
                reason = f"types {best.root} and {number} differ: {numbers[0]} and {numbers[1]}"
                raise LoadError(f"the target has several types of this name, and they do not agree; {reason}")
        return first, best

    def _candidates_of(self, number: int) -> list[tuple[Matcher, int]]:
        """Modules are asked only for what the kernel itself does not have."""
        known = self._candidates.get(number)
        if known is not None:
            return known
        if not number or not getattr(self.local[number], "name", ""):
            raise LoadError("a type without a name cannot be looked for in the target")
        found = [(self._kernel, one) for one in self._kernel.candidates(number)]
        if not found:
            found = [(matcher, one) for matcher in self._modules for one in matcher.candidates(number)]
        self._candidates[number] = found
        return found

    @functools.cached_property
    def _modules(self) -> list[Matcher]:
        return [Matcher(self.local, one) for one in self._open_modules()]

    def _misfit(self, about: str, matcher: Matcher, old: Value, new: Value) -> str:
        """Why code that reads or writes the field in its old size may not do so in the new one, or "". It may with a
        pointer, and with an unsigned integer, which registers hold zero-extended. A bit-field has no size at all.
        """
        if old.size == new.size:
            return ""
        mine, theirs = _type_at(self.local, old.type), _type_at(matcher.target, new.type)
        if isinstance(mine, Ptr) and isinstance(theirs, Ptr):
            return ""
        if isinstance(mine, Int) and isinstance(theirs, Int) and not (mine.is_signed or theirs.is_signed):
            return ""
        sizes = [octets(one.size) if one.size else "a bit-field" for one in (old, new)]
        return f"{about}, {sizes[0]} in the object and {sizes[1]} in the target: no unsigned integer in both"


def _type_at(types: TypeView, number: int) -> Type | None:
    return types[number] if number else None


def _relocated(program: ProgramSpec, resolver: Resolver) -> ProgramSpec:
    by_slot: dict[int, list[CoreReloc]] = {}
    for one in program.core:
        by_slot.setdefault(one.slot, []).append(one)
    out: list[Insn] = []
    for slot, old in zip(slots(program.insns), program.insns, strict=False):
        changed = [old]
        for one in by_slot.pop(slot, ()):
            try:
                changed = _patched(changed[0], resolver.answer(one))
            except LoadError as error:
                raise LoadError(f"program {program.name}: instruction {slot} ({old.op.name}): {error}") from None
        out += changed
    for slot in by_slot:
        raise LoadError(f"program {program.name}: a CO-RE relocation at slot {slot}, where no instruction starts")
    return replace(program, insns=tuple(out), core=())


def _patched(one: Insn, answer: Answer) -> list[Insn]:
    """`one` with the answer in it: an instruction, or as many that must not run as it has slots."""
    if answer.new is None:
        return [_poison(one, answer)] * one.width
    if one.op.code & 7 in (ALU, ALU64) and "imm" in one.op.uses:
        return [_with_imm(one, answer, answer.new)]
    if one.op.code & 7 in (LDX, ST, STX) and "off" in one.op.uses:
        return [_with_offset(one, answer, answer.new)]
    if one.op.kind is Kind.IMM64 and one.op.name == "lddw":
        _check(answer, one.imm, answer.old.number)
        return [replace(one, imm=answer.new.number)]
    raise LoadError(f"this instruction has no operand that could take {answer.about}")


def _poison(one: Insn, answer: Answer) -> Insn:
    return replace(insn("call", imm=POISON, symbol=answer.reason), source=one.source)


def _check(answer: Answer, holds: int, wanted: int) -> None:
    if answer.old.is_checked and holds != wanted:
        raise LoadError(f"it holds {holds}, and by the object's own types {answer.about} gives {wanted}")


def _with_imm(one: Insn, answer: Answer, new: Value) -> Insn:
    _check(answer, one.imm & M64, answer.old.number)
    number = signed(new.number, 64)
    if one.op.bits == 32 and number <= M32:
        number = signed(number, 32)
    if number != signed(number, 32):
        raise LoadError(f"{answer.about} gives {number}, and the immediate takes 32 bits")
    return replace(one, imm=number)


def _with_offset(one: Insn, answer: Answer, new: Value) -> Insn:
    _check(answer, one.off, answer.old.number)
    if new.number > (1 << 15) - 1:
        raise LoadError(f"{answer.about} is {octets(new.number)} from the start, and the offset takes 32767 at most")
    if answer.reason:
        return _poison(one, answer)
    one = replace(one, off=new.number)
    if new.size == answer.old.size:
        return one
    if one.op.bits != answer.old.size * 8:
        raise LoadError(f"it takes {octets(one.op.bits // 8)} of {answer.about}, which has {answer.old.size}")
    code = one.op.code & ~0x18 | SIZES.get(new.size * 8, 0x18)
    rows = [op for op in BY_CODE.get(code, ()) if op.bits == new.size * 8 and op.imm_is == one.op.imm_is]
    if not rows:
        raise LoadError(f"{answer.about} has {octets(new.size)} in the target, and no {one.op.name} takes as many")
    return replace(one, op=rows[0])
