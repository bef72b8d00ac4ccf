"""Running a function in CPython as if it were loaded: the backend named `cpython`.

The function object is the user's own: nothing is rewritten, so a debugger, a profiler and coverage see it. While it
runs, maps and the packet ask the machine of this file. A fault of the language (bpfvm.lang.faults) ends the run with
the hook's value, as it ends the compiled program.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from bpfvm.core.bits import mask
from bpfvm.core.machine import Entries, Fault, Input, Location, Result
from bpfvm.emulator import machine
from bpfvm.emulator.answers import Answer
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.caller import Stop
from bpfvm.emulator.machine import Emulator, Tier
from bpfvm.emulator.system import System
from bpfvm.lang.active import running
from bpfvm.lang.contexts.arguments import declared
from bpfvm.lang.faults import FAULTS, LoopLimit
from bpfvm.lang.functions import capture
from bpfvm.lang.functions.callee import Callee
from bpfvm.lang.functions.capture import Capture
from bpfvm.lang.functions.signature import WORD, Signature, argument_offset, signature
from bpfvm.lang.helpers.trace import traced
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map
from bpfvm.lang.maps.base import Memory
from bpfvm.lang.packets.packet import PACKET, pkt
from bpfvm.lang.types.layout import view
from bpfvm.obj.model import ObjectSpec
from bpfvm.sim.context import Context
from bpfvm.sim.limits import limited
from bpfvm.sim.tier import Function, Jump


class Entry:
    """One program: the function, what its parameters are, how a fault ends it."""

    def __init__(self, callee: Callee, hook: Hook) -> None:
        self.callee, self.hook = callee, hook
        self.signature: Signature | None = signature(callee) if hook.scalars else None
        self._declared = declared(callee, hook)

    def arguments(self, tier: Function) -> dict[str, Any]:
        if self._declared is not None:
            assert tier.context is not None, "a program runs"
            words, base = tier.arguments(), tier.context.region.base
            return {
                one.name: view(one.type, Memory(tier), base + one.offset) if one.writable else one.value(words, base)
                for one in self._declared.params
            }
        if self.signature is None:
            return dict.fromkeys(self.callee.parameters[:1], Context(self.hook))
        words = tier.arguments()
        return {
            name: scalar.value(int.from_bytes(words[argument_offset(i) : argument_offset(i) + WORD], "little"))
            for i, (name, scalar) in enumerate(self.signature.params)
        }


class CPython(Emulator):
    """The backend for one object: an emulator whose programs are Python functions.

    programs: by name, the functions. maps, captured, functions: what the compiler found them to use and to call. A run
    raises StaleCapture where a name has another value by now.
    """

    def __init__(
        self, programs: Mapping[str, tuple[Callee, Hook]], maps: Mapping[str, Map], captured: Sequence[Capture] = (),
        functions: Sequence[types.FunctionType] = (), answers: Mapping[str, Answer] | None = None, cpus: int = 1,
    ) -> None:  # fmt: skip
        super().__init__("cpython", cpus=cpus, answers=answers)
        self.entries = {name: Entry(*one) for name, one in programs.items()}
        self.maps, self.captured = dict(maps), captured
        called = (*(one.callee.function for one in self.entries.values()), *functions)
        own = dict.fromkeys(one.__code__ for one in called)
        self.codes = [one for code in own for one in _inside(code)]
        self.enter: Callable[[Function], int] = lambda tier: 0  # of what is loaded
        self.handles: Callable[[], Mapping[int, int]] = dict
        self.kind = next(iter(self.entries.values())).hook.program_type

    def load(
        self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries], beside: machine.Loaded | None = None
    ) -> Loaded:  # fmt: skip
        """`spec` gives the maps' layout; what runs is the function."""
        return Loaded(self, spec, program, maps, beside)

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """CPython, on `system`."""
        return Function(system, table, self.budget, self.enter, self.handles, self.kind, self.maps)


class Loaded(machine.Loaded):
    """A function with its maps."""

    def __init__(
        self, backend: CPython, spec: ObjectSpec, program: str, given: Mapping[str, Entries],
        beside: machine.Loaded | None = None,
    ) -> None:  # fmt: skip
        self._entries, self._program = backend.entries, program
        self._captured, self._codes = backend.captured, backend.codes
        # classes of exceptions that the function itself raises, as the compiler found them
        self._raised = {site.kind for one in spec.programs.values() for site in one.fault_sites}
        sites = [site for one in spec.programs.values() for site in one.fault_sites if site.kind == LoopLimit.__name__]
        self._limited = {(site.source.file, site.source.line) for site in sites}
        self._fault: Fault | None = None
        self._stopped: Location | None = None  # where a machine fault ended the run
        self._handles: dict[int, int] = {}
        backend.enter, backend.handles = self._enter, lambda: self._handles
        backend.kind = backend.entries[program].hook.program_type  # which a tail call does not leave
        super().__init__(backend, spec, program, given, beside)
        self._handles.update(
            (id(declared), self.system.make_map(name).handle.base) for name, declared in backend.maps.items()
        )

    def run(self, given: Input) -> Result:
        """Call the function once. An exception that is no fault of the language is the caller's to see."""
        capture.check(self._entries[self._program].callee.function.__name__, self._captured)
        self._fault = self._stopped = None
        result = super().run(given)
        fault = result.fault or self._fault
        if result.fault is not None and self._stopped is not None:
            fault = replace(result.fault, insn=None, source=self._stopped)
        bits = 32 if self._entries[self._program].signature is None else 64
        return replace(result, r0=result.r0 & mask(bits), r0_bits=bits, fault=fault)

    def _enter(self, tier: Function) -> int:
        """Call the function on the context of `tier`, and those that it jumps to: r0. Or a timer's callback."""
        if tier.due is not None:
            assert tier.code is not None, "a program has started the timer"
            self._guarded(tier, self._entries[tier.code.program.name], tier.due)
            return 0
        entry = self._entries[self._program]
        while True:
            try:
                return self._called(tier, entry)
            except Jump as jump:
                tier.code = jump.code
                entry = self._entries[jump.code.program.name]

    def _called(self, tier: Function, entry: Entry) -> int:
        value = self._guarded(tier, entry, lambda: entry.callee.call(entry.arguments(tier)))
        given = entry.hook.on_fault if value is None else value
        if entry.signature is None:
            return int(given)
        tier.give(entry.signature.result.word(given))
        return 0

    def _guarded(self, tier: Function, entry: Entry, call: Callable[[], Any]) -> Any:
        """What `call` gives as a part of a program; None after a fault, which is noted."""
        tier.probe_faults, tier.direct = entry.hook.probe == "fault", entry.hook.direct
        try:
            with running(tier), _implied(entry), limited(self._codes, self._limited):
                return call()
        except Exception as error:
            if isinstance(error, Stop):
                self._stopped = self._line(error, entry)
                raise
            if not isinstance(error, FAULTS) and type(error).__name__ not in self._raised:
                raise
            self._fault = self._told(error, entry)
            tier.give_back()
            return None

    def _told(self, error: Exception, entry: Entry) -> Fault:
        """The fault that `error` is, at the user's line that raised it, not at a line of this package."""
        place = self._line(error, entry)
        if isinstance(error, LoopLimit) and error.line:
            place = Location(error.file, error.line)
        return Fault(type(error).__name__, str(error), source=place, machine=False)

    def _line(self, error: Exception, entry: Entry) -> Location:
        """The last line of the program's own functions on the way to where an exception was raised."""
        place, at = Location(entry.callee.function.__code__.co_filename, 0), error.__traceback__
        while at is not None:
            if at.tb_frame.f_code in self._codes:
                place = Location(at.tb_frame.f_code.co_filename, at.tb_lineno)
            at = at.tb_next
        return place


@contextmanager
def _implied(entry: Entry) -> Iterator[None]:
    """What stands among the builtins during a run: `print`, which writes the trace, and in programs of packets
    `pkt`, which they know without an import (W101)."""
    space: dict[str, Any] = entry.callee.function.__getattribute__("__builtins__")
    known = {"print": traced} if entry.hook.program_type.layer is None else {"print": traced, PACKET: pkt}
    before = {name: space[name] for name in known if name in space}
    space.update(known)
    try:
        yield
    finally:
        for name in known:
            del space[name]
        space.update(before)


def _inside(code: types.CodeType) -> list[types.CodeType]:
    """The code of a function and of those inside of it."""
    return [code, *(inner for one in code.co_consts if isinstance(one, types.CodeType) for inner in _inside(one))]
