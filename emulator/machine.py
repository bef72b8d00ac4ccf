"""The backend `interp`: an object's program on a system of its own, run by the reference tier."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.emulator import helpers
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.contexts import ContextBuilder
from bpfvm.emulator.interp import BUDGET, Interpreter
from bpfvm.emulator.system import System
from bpfvm.obj.model import ObjectSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES


class Interp:
    """The reference tier behind the protocol of all machines.

    budget: instructions that one run may execute. cpus: virtual CPUs of each machine.
    """

    name = "interp"

    def __init__(self, budget: int = BUDGET, cpus: int = 1) -> None:
        self.budget, self.cpus = budget, cpus

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        """Check and bind `program`. LoadError or Unavailable says what cannot run."""
        if program not in spec.programs:
            raise LoadError(f"the object has no program {program!r}; it has {', '.join(spec.programs) or 'none'}")
        if spec.endian != "little":
            raise LoadError(f"{program}: the object is {spec.endian}-endian, the emulated machine is little-endian")
        return Loaded(self, spec, program, maps)


class Loaded:
    """A program with its memory and maps."""

    def __init__(self, backend: Interp, spec: ObjectSpec, program: str, given: Mapping[str, Entries]) -> None:
        chosen = spec.programs[program]
        self._system = System(spec, (*chosen.map_names, *given), backend.cpus)
        self._code = self._system.code(program)
        table = {HELPERS[name].id: function for name, function in helpers.IMPLEMENTED.items()}
        self._interpreter = Interpreter(self._system, table, backend.budget)
        self._contexts = ContextBuilder(self._system.arena, PROGRAM_TYPES[chosen.type])
        self._system.fill(given)

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory. Once is enough, more does no harm."""
        self._system.close()

    def run(self, given: Input) -> Result:
        """One run; a machine fault is part of the result."""
        self._system.begin(given)
        context = self._contexts.build(given)
        interpreter, fault, r0 = self._interpreter, None, 0
        try:
            r0 = interpreter.run(self._code, context, given.seed)
        except Stop as stop:
            fault = self._fault(stop.kind, stop.message, interpreter.slot)
        warnings = (self._fault("uninitialised", message, slot) for slot, message in interpreter.warnings.items())
        return Result(
            r0=r0,
            packet=bytes(context.packet.data) if context.packet is not None else None,
            ctx=bytes(context.region.data) if context.packet is None else None,
            trace=tuple(self._system.trace),
            events={name: tuple(records) for name, records in self._system.events.items()},
            redirect=self._system.redirect,
            fault=fault,
            insns=interpreter.executed,
            warnings=tuple(warnings),
        )

    def read_map(self, name: str) -> Entries:
        """The contents of a map. UsageError for one that the program does not use."""
        return self._system.read_map(name)

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map. UsageError for one that the program does not use."""
        self._system.write_map(name, entries)

    def _fault(self, kind: str, message: str, slot: int) -> Fault:
        """A fault in the program that ran last, which a tail call may have changed."""
        code = self._interpreter.code or self._code
        return Fault(kind, message, slot, code.program.source_of(slot))
