"""The emulator's backends: an object's program on a system of its own, run by one of the tiers."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.emulator import helpers
from bpfvm.emulator.access import resolve
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Operand, Stop
from bpfvm.emulator.code import Code
from bpfvm.emulator.contexts import Context, ContextBuilder
from bpfvm.emulator.destination import destination
from bpfvm.emulator.interp import BUDGET, Interpreter
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.emulator.system import System
from bpfvm.isa.insn import Insn
from bpfvm.obj.model import ObjectSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

if TYPE_CHECKING:
    from bpfvm.emulator.answers import Answer
    from bpfvm.emulator.coverage import Coverage
    from bpfvm.emulator.native.coverage import NativeCoverage


_WALKS = ("tracing", "lsm", "struct_ops")  # types of programs whose arguments are the kernel's objects


def _gives_object(one: Insn) -> bool:
    """Whether an instruction calls the helper that gives the current task as an object of the kernel's."""
    return one.op.name == "call" and one.imm == HELPERS["get_current_task_btf"].id


def _kernel_function(name: str, program_type: str) -> Helper | None:
    """What programs of a type call under a name, of what the emulator has; few programs call any."""
    from bpfvm.emulator.kfuncs import builtin

    return builtin(name, program_type)


class Tier(Protocol):
    """What runs programs: emulator.interp.Interpreter and emulator.portable.runtime.Runtime.

    After a run: the program that ran last, the slot of a fault, instructions executed, doubtful things by slot.
    """

    code: Code | None
    slot: int
    executed: int
    warnings: dict[int, str]

    def run(
        self, code: Code, context: Context, seed: int, registers: Mapping[int, Operand], slot: int = 0
    ) -> int: ...  # fmt: skip


class Emulator:
    """One tier behind the protocol of all machines.

    name: the engine's. budget: instructions that one run may execute. cpus: virtual CPUs of each machine.
    answers: Python functions in place of helpers and kernel functions, by name; see emulator.answers.
    safe: of engine native, for programs that a verifier accepted: accesses stay in the arena, and nothing more is
    checked. arch: whose registers programs on probes see, a name of tables.ctx.REGISTERS. threads: of engine native,
    whether captures are run by a thread for each CPU.
    """

    def __init__(
        self, name: str, budget: int = BUDGET, cpus: int = 1, answers: Mapping[str, Answer] | None = None,
        safe: bool = False, arch: str = "x86_64", threads: bool = False,
    ) -> None:  # fmt: skip
        self.name, self.budget, self.cpus, self.answers = name, budget, cpus, dict(answers or {})
        self.safe, self.arch, self.threads = safe, arch, threads

    def load(
        self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries], beside: Loaded | None = None
    ) -> Loaded:  # fmt: skip
        """Check and bind `program`. beside: another program of the object, whose machine it is on too, with one memory
        and the same maps. LoadError or Unavailable says what cannot run."""
        if program not in spec.programs:
            raise LoadError(f"the object has no program {program!r}; it has {', '.join(spec.programs) or 'none'}")
        if spec.endian != "little":
            raise LoadError(f"{program}: the object is {spec.endian}-endian, the emulated machine is little-endian")
        return Loaded(self, spec, program, maps, beside)

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """The tier that this engine is, on `system`, with helpers by number."""
        if self.name == "interp":
            return Interpreter(system, table, self.budget)
        if self.name == "native":
            from bpfvm.emulator.native.runtime import Runtime as Native

            return Native(system, table, self.budget, self.safe, self.threads)
        from bpfvm.emulator.portable.runtime import Runtime

        return Runtime(system, table, self.budget)


class Loaded:
    """A program with its memory and maps.

    system, tier, code: for what looks inside, such as a debugger. budget: of instructions, for one run.
    """

    def __init__(
        self, backend: Emulator, spec: ObjectSpec, program: str, given: Mapping[str, Entries],
        beside: Loaded | None = None,
    ) -> None:  # fmt: skip
        chosen, self.name = spec.programs[program], backend.name
        if backend.answers:
            from bpfvm.emulator.answers import check_names

            check_names(spec, backend.answers)
        if beside is None:
            self.system = System(spec, (), backend.cpus, backend.answers, _kernel_function, backend.arch)
        else:
            assert beside.system.spec is spec, "programs on one machine are of one object"
            self.system = beside.system
        for name in (*spec.maps_of(program), *given):
            self.system.make_map(name)
        self._walks = chosen.type in _WALKS or any(_gives_object(one) for one in chosen.insns)
        self.code = self.system.code(program)
        self.tier = backend.tier(self.system, helpers.table(chosen.type, backend.answers))
        self.budget = backend.budget
        self._contexts = ContextBuilder(self.system.arena, PROGRAM_TYPES[chosen.type], chosen.section, backend.arch)
        self.system.parts.append(self._contexts)
        self.system.fill(given)

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory. Once is enough, more does no harm."""
        self.system.close()

    def run(self, given: Input) -> Result:
        """One run; a machine fault is part of the result."""
        system, tier, fault, r0 = self.system, self.tier, None, 0
        context = self.context(given)
        try:
            if system.timers.due(given.clock):
                self._fire(given)
            r0 = tier.run(self.code, context, given.seed, given.registers)
        except Stop as stop:
            fault = self.fault(stop.kind, stop.message, tier.slot)
        owned = system.finish()
        if fault is None and (owned is not None or system.lock is not None or system.sections):
            fault = self.left_open(owned)
            r0 = 0 if owned is not None else r0
        return Result(
            r0=r0,
            packet=context.frame.whole() if context.frame is not None else None,
            ctx=context.buffer(),
            fields=context.fields(),
            trace=tuple(system.trace),
            events={name: tuple(records) for name, records in system.events.items()} if system.events else {},
            lost=system.lost,
            redirect=destination(system, self.code.program.type, r0),
            fault=fault,
            insns=tier.executed,
            warnings=self._doubts() if tier.warnings else (),
        )

    def left_open(self, owned: str | None) -> Fault:
        """The fault of a program that ends and has not given back what it took. owned: that, where it is no section."""
        held, sections = self.system.lock, self.system.sections
        if owned is not None:
            return Fault("helper", f"the program ends and still owns {owned}")
        if held is not None:
            return self.fault("helper", f"{held}, taken here, is held when the program ends", held.slot)
        section, slot = sections[-1]
        return self.fault("helper", f"{section} that began here is open when the program ends", slot)

    def _doubts(self) -> tuple[Fault, ...]:
        return tuple(self.fault("uninitialised", text, slot) for slot, text in self.tier.warnings.items())

    def context(self, given: Input) -> Context:
        """Make ready for a run that the caller makes: its context."""
        self.system.begin(given)
        self.system.walks = self._walks
        return self._contexts.build(given)

    def read_map(self, name: str) -> Entries:
        """The contents of a map. UsageError for one that the program does not use."""
        return self.system.read_map(name)

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map. UsageError for one that the program does not use."""
        self.system.write_map(name, entries)

    def cover(self) -> Coverage | NativeCoverage:
        """Counts what runs execute while it is entered. Unavailable in the portable tier."""
        from bpfvm.emulator.coverage import Coverage

        if isinstance(self.tier, Interpreter):
            return Coverage(self.tier)
        if self.name != "native":
            raise Unavailable("coverage is counted by engines interp and native")
        from bpfvm.emulator.native.coverage import NativeCoverage
        from bpfvm.emulator.native.runtime import Runtime

        assert isinstance(self.tier, Runtime), "the engine is native"
        return NativeCoverage(self.tier)

    def _fire(self, given: Input) -> None:
        """Run what is due when a run begins, each timer at its time."""
        system, spent = self.system, 0
        for one in system.timers.expire(given.clock):
            system.now, system.cpu = one.time, one.cpu
            code = system.code(one.program)
            for key, value in one.store.walk():
                if value == one.value:
                    passed = (Pointer(one.store.handle, 0), resolve(system.arena, key), resolve(system.arena, value))
                    nothing = Context(
                        Region("context", system.arena.size, 0, "context", memoryview(b"")), None, None, {}
                    )
                    r0 = self.tier.run(code, nothing, given.seed, dict(enumerate(passed, 1)), one.slot)
                    if r0:
                        raise Stop("helper", f"the callback of a timer returned {r0}, and must return 0")
                    spent += self.tier.executed
                    break
            if spent > self.budget:
                raise Stop("budget", f"timers executed over {self.budget} instructions before the program could run")
        system.now, system.cpu = given.clock, given.cpu

    def fault(self, kind: str, message: str, slot: int) -> Fault:
        """A fault in the program that ran last, which a tail call may have changed."""
        code = self.tier.code or self.code
        return Fault(kind, message, slot, code.program.source_of(slot))
