"""One case of a data file: the object to load, the input to run it on, and what is wrong with an outcome."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.core.bits import mask
from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Fault, Input, Location, Result
from bpfvm.isa.codec import SLOT, decode
from bpfvm.isa.disasm import target_slot
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import Kind, Op
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

NAME = "case"  # of the program in a case's object
WORD = 8
UNSTORED = b"\xa5" * WORD  # where r0 goes; what stays there was never stored


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case must give: `result`, or `fault` (kind, part of the message), or `refused` (part of the message).

    memory: the bytes of mem, or of the packet, after the run; None where they are not looked at.
    warning: (kind, part of the message) of the one warning that the reference tier gives; None for no warning.
    insns: how many instructions are executed, None where it does not matter.
    kernel: part of what the kernel's verifier says, for a program that it refuses; None where it takes it.
    """

    result: int | None = None
    fault: tuple[str, str] | None = None
    refused: str | None = None
    memory: bytes | None = None
    warning: tuple[str, str] | None = None
    insns: int | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One program and one run of it. `place`: where it stands; `insns` carry their own lines.

    code: the program's bytes in place of `insns`, which are then empty. budget: instructions that the run may execute,
    None for as many as the machine allows. plain: r0 is never stored (`spec`). has_words: `mem` is words that the first
    instructions load into registers, one each.
    """

    name: str
    type: str
    insns: tuple[Insn, ...]
    mem: bytes
    expect: Expectation
    place: Location
    code: bytes = b""
    maps: tuple[MapSpec, ...] = ()
    budget: int | None = None
    plain: bool = False
    has_words: bool = False

    @property
    def result(self) -> int | None:
        """r0, unsigned 64 bits, or None for a case that ends otherwise."""
        return self.expect.result

    @property
    def has_packet(self) -> bool:
        """Whether `mem` is a packet; otherwise it is a syscall program's context."""
        return PROGRAM_TYPES[self.type].layer is not None

    def spec(self, store_result: bool = False, unread: bool = False) -> ObjectSpec:
        """An object whose one program, called "case", is this one.

        store_result: r0 goes into the last 8 bytes of `context()`. A packet program has no place for it, and is the
        same either way, as is a plain one.
        unread: bytes that are no instructions go into the object as they are, for a machine that reads them itself.
        Else LoadError says what is wrong with them.
        """
        body = self.insns
        if self.code:
            body = _unread(self.code) if unread else tuple(decode(self.code))
        insns, functions = body, _functions(body, 0)
        if self._stores(store_result):
            entry = _entry(len(self._padded))
            insns = (*entry, *body)
            functions = (FunctionSpec("body", len(entry), is_static=True), *_functions(body, len(entry)))
        program = ProgramSpec(NAME, self.type, self.type, insns, functions=functions)
        return ObjectSpec({NAME: program}, {one.name: one for one in self.maps})

    def context(self) -> bytes:
        """The memory, and behind it the word that `spec(store_result=True)` stores r0 in."""
        return self._padded + UNSTORED

    def input(self, store_result: bool = False) -> Input:
        """What goes into a machine that has loaded `spec(store_result)`."""
        if self.has_packet:
            return Input(packet=self.mem)
        return Input(ctx=self.context() if self._stores(store_result) else self.mem)

    def check(self, outcome: Result, reference: bool = False) -> list[str]:
        """What is wrong with a run of either form of the program, one line each; [] for a right one.

        reference: the run is the reference tier's, the only one that has to warn.
        """
        want = self.expect
        if want.refused is not None:
            return [f"{self.place}: it was loaded, and must be refused with {want.refused!r}"]
        wrong = _fault_differences(want.fault, outcome.fault)
        if want.result is not None and outcome.fault is None:
            r0, bits = self._r0(outcome)
            if r0 != want.result & mask(bits):
                wrong.append(f"r0 is {r0:#x}, and must be {want.result & mask(bits):#x} ({bits} bits)")
        after = outcome.packet if self.has_packet else (outcome.ctx or b"")[: len(self.mem)]
        if want.memory is not None and after != want.memory:
            shown = "not known" if after is None else after.hex(" ")
            wrong.append(f"memory after is {shown}, and must be {want.memory.hex(' ')}")
        if outcome.insns and want.insns not in (None, outcome.insns):
            wrong.append(f"{outcome.insns} instructions were executed, and must be {want.insns}")
        wrong += _warning_differences(want.warning, outcome.warnings, reference)
        return [f"{self.place}: {line}" for line in wrong]

    def check_refusal(self, error: BpfvmError) -> list[str]:
        """What is wrong with a load that failed, one line each; [] where it had to fail so."""
        wanted = self.expect.refused
        if wanted is None:
            return [f"{self.place}: it was refused: {error}"]
        return [] if wanted in str(error) else [f"{self.place}: it must be refused with {wanted!r}, not {error}"]

    def _stores(self, asked: bool) -> bool:
        return asked and not self.has_packet and not self.plain

    @property
    def _padded(self) -> bytes:
        return self.mem + bytes(-len(self.mem) % WORD)

    def _r0(self, outcome: Result) -> tuple[int, int]:
        """r0 and how many bits of it are known. The context's size tells which form of the program ran."""
        if not self.has_packet and outcome.ctx is not None and len(outcome.ctx) == len(self.context()):
            return int.from_bytes(outcome.ctx[-WORD:], "little"), 64
        return outcome.r0 & mask(outcome.r0_bits), outcome.r0_bits


def _unread(code: bytes) -> tuple[Insn, ...]:
    """Slots as they are, each by a row of its own in which every field is an operand."""
    fields = frozenset({"dst", "src", "off", "imm"})
    found = []
    for at in range(0, len(code), SLOT):
        slot = code[at : at + SLOT]
        op = Op(f"slot {at // SLOT}", slot[0], Kind.ALU, 64, "", fields)
        off, imm = (int.from_bytes(part, "little", signed=True) for part in (slot[2:4], slot[4:]))
        found.append(Insn(op, slot[1] & 15, slot[1] >> 4, off, imm))
    return tuple(found)


def _functions(insns: tuple[Insn, ...], start: int) -> tuple[FunctionSpec, ...]:
    """The local functions that `insns`, which begin at slot `start`, call."""
    called = {target_slot(one, slot): None for slot, one in zip(slots(insns), insns, strict=False) if _is_call(one)}
    return tuple(
        FunctionSpec(f"f{number}", start + slot, is_static=True)
        for number, slot in enumerate(sorted(slot for slot in called if slot is not None), 1)
    )


def _is_call(one: Insn) -> bool:
    return one.op.name == "call_local"


def _entry(tail: int) -> tuple[Insn, ...]:
    """The function before a case that stores its r0 at `tail` of the context."""
    return (
        insn("mov64_x", 6, 1),
        insn("call_local", imm=3),
        insn("stx64", 6, 0, tail),
        insn("mov64_k", 0),
        insn("exit"),
    )


def _fault_differences(wanted: tuple[str, str] | None, met: Fault | None) -> list[str]:
    if wanted is None:
        return [f"it ended by a fault, {met}"] if met is not None else []
    if met is None:
        return [f"it ended without a fault, and must end by {wanted[0]}: {wanted[1]}"]
    if met.kind != wanted[0] or wanted[1] not in met.message:
        return [f"it ended by {met}, and must end by {wanted[0]}: {wanted[1]}"]
    return []


def _warning_differences(wanted: tuple[str, str] | None, met: tuple[Fault, ...], reference: bool) -> list[str]:
    if wanted is None or not (met or reference):
        return [f"it gave a warning, {one}" for one in met]
    if len(met) != 1 or met[0].kind != wanted[0] or wanted[1] not in met[0].message:
        shown = "; ".join(str(one) for one in met) or "none"
        return [f"its warnings are {shown}, and must be one, {wanted[0]}: {wanted[1]}"]
    return []
