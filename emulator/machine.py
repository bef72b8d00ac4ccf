"""The emulator's backends: an object's program on a system of its own, run by one of the tiers."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.emulator import helpers
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.code import Code
from bpfvm.emulator.contexts import Context, ContextBuilder
from bpfvm.emulator.interp import BUDGET, Interpreter
from bpfvm.emulator.system import System
from bpfvm.obj.model import ObjectSpec
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

if TYPE_CHECKING:
    from bpfvm.emulator.coverage import Coverage


class Tier(Protocol):
    """What runs programs: emulator.interp.Interpreter and emulator.portable.runtime.Runtime.

    After a run: the program that ran last, the slot of a fault, instructions executed, doubtful things by slot.
    """

    code: Code | None
    slot: int
    executed: int
    warnings: dict[int, str]

    def run(self, code: Code, context: Context, seed: int, registers: Mapping[int, int]) -> int: ...


class Emulator:
    """One tier behind the protocol of all machines.

    name: the engine's. budget: instructions that one run may execute. cpus: virtual CPUs of each machine.
    """

    def __init__(self, name: str, budget: int = BUDGET, cpus: int = 1) -> None:
        self.name, self.budget, self.cpus = name, budget, cpus

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        """Check and bind `program`. LoadError or Unavailable says what cannot run."""
        if program not in spec.programs:
            raise LoadError(f"the object has no program {program!r}; it has {', '.join(spec.programs) or 'none'}")
        if spec.endian != "little":
            raise LoadError(f"{program}: the object is {spec.endian}-endian, the emulated machine is little-endian")
        return Loaded(self, spec, program, maps)

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """The tier that this engine is, on `system`, with helpers by number."""
        if self.name == "interp":
            return Interpreter(system, table, self.budget)
        from bpfvm.emulator.portable.runtime import Runtime

        return Runtime(system, table, self.budget)


class Loaded:
    """A program with its memory and maps. system, tier: for what looks inside, such as a debugger."""

    def __init__(self, backend: Emulator, spec: ObjectSpec, program: str, given: Mapping[str, Entries]) -> None:
        chosen = spec.programs[program]
        self.system = System(spec, (*chosen.map_names, *given), backend.cpus)
        self._code = self.system.code(program)
        self.tier = backend.tier(self.system, helpers.table(chosen.type))
        self._contexts = ContextBuilder(self.system.arena, PROGRAM_TYPES[chosen.type])
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
        self.system.begin(given)
        context = self._contexts.build(given)
        tier, fault, r0 = self.tier, None, 0
        try:
            r0 = tier.run(self._code, context, given.seed, given.registers)
        except Stop as stop:
            fault = self._fault(stop.kind, stop.message, tier.slot)
        warnings = (self._fault("uninitialised", message, slot) for slot, message in tier.warnings.items())
        return Result(
            r0=r0,
            packet=bytes(context.packet.data) if context.packet is not None else None,
            ctx=bytes(context.region.data) if context.packet is None else None,
            trace=tuple(self.system.trace),
            events={name: tuple(records) for name, records in self.system.events.items()},
            redirect=self.system.redirect,
            fault=fault,
            insns=tier.executed,
            warnings=tuple(warnings),
        )

    def read_map(self, name: str) -> Entries:
        """The contents of a map. UsageError for one that the program does not use."""
        return self.system.read_map(name)

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map. UsageError for one that the program does not use."""
        self.system.write_map(name, entries)

    def cover(self) -> Coverage:
        """Counts what runs execute while it is entered. Unavailable in other tiers than the reference."""
        from bpfvm.emulator.coverage import Coverage

        if not isinstance(self.tier, Interpreter):
            raise Unavailable("coverage is counted by engine interp")
        return Coverage(self.tier)

    def _fault(self, kind: str, message: str, slot: int) -> Fault:
        """A fault in the program that ran last, which a tail call may have changed."""
        code = self.tier.code or self._code
        return Fault(kind, message, slot, code.program.source_of(slot))
