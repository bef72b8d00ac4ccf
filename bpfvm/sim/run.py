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
from bpfvm.lang import capture
from bpfvm.lang.active import running
from bpfvm.lang.arguments import declared
from bpfvm.lang.callee import Callee
from bpfvm.lang.capture import Capture
from bpfvm.lang.faults import FAULTS, LoopLimit
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map
from bpfvm.lang.packet import PACKET, pkt
from bpfvm.lang.signature import WORD, Signature, argument_offset, signature
from bpfvm.lang.trace import traced
from bpfvm.obj.model import ObjectSpec
from bpfvm.sim.context import Context
from bpfvm.sim.limits import limited
from bpfvm.sim.tier import Function


class CPython(Emulator):
    """The backend for one function: an emulator whose programs are Python functions.

    maps, captured, functions: what the compiler found the function to use and to call. A run raises StaleCapture where
    a name has another value by now.
    """

    def __init__(
        self, callee: Callee, hook: Hook, maps: Mapping[str, Map], captured: Sequence[Capture] = (),
        functions: Sequence[types.FunctionType] = (), answers: Mapping[str, Answer] | None = None, cpus: int = 1,
    ) -> None:  # fmt: skip
        super().__init__("cpython", cpus=cpus, answers=answers)
        self.callee, self.hook, self.maps = callee, hook, dict(maps)
        self.captured = captured
        own = dict.fromkeys((callee.function.__code__, *(one.__code__ for one in functions)))
        self.codes = [one for code in own for one in _inside(code)]
        self.enter: Callable[[Function], int] = lambda tier: 0  # of what is loaded
        self.handles: Callable[[], Mapping[int, int]] = dict

    def load(
        self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries], beside: machine.Loaded | None = None
    ) -> Loaded:  # fmt: skip
        """`spec` gives the maps' layout; what runs is the function."""
        return Loaded(self, spec, program, maps, beside)

    def tier(self, system: System, table: Mapping[int, Helper]) -> Tier:
        """CPython, on `system`."""
        return Function(system, table, self.budget, self.enter, self.handles, self.hook.program_type)


class Loaded(machine.Loaded):
    """A function with its maps."""

    def __init__(
        self, backend: CPython, spec: ObjectSpec, program: str, given: Mapping[str, Entries],
        beside: machine.Loaded | None = None,
    ) -> None:  # fmt: skip
        self._callee, self._hook = backend.callee, backend.hook
        self._captured, self._codes = backend.captured, backend.codes
        self._declared = declared(backend.callee, backend.hook)
        self._signature: Signature | None = signature(backend.callee) if backend.hook.scalars else None
        # classes of exceptions that the function itself raises, as the compiler found them
        self._raised = {site.kind for one in spec.programs.values() for site in one.fault_sites}
        sites = [site for one in spec.programs.values() for site in one.fault_sites if site.kind == LoopLimit.__name__]
        self._limited = {(site.source.file, site.source.line) for site in sites}
        self._fault: Fault | None = None
        self._handles: dict[int, int] = {}
        backend.enter, backend.handles = self._enter, lambda: self._handles
        super().__init__(backend, spec, program, given, beside)
        self._handles.update(
            (id(declared), self.system.make_map(name).handle.base) for name, declared in backend.maps.items()
        )

    def run(self, given: Input) -> Result:
        """Call the function once. An exception that is no fault of the language is the caller's to see."""
        capture.check(self._callee.function.__name__, self._captured)
        self._fault = None
        result = super().run(given)
        fault = result.fault or self._fault
        bits = 32 if self._signature is None else 64
        return replace(result, r0=result.r0 & mask(bits), r0_bits=bits, fault=fault)

    def _enter(self, tier: Function) -> int:
        """Call the function on the context of `tier`: r0."""
        tier.probe_faults = self._hook.probe == "fault"
        try:
            with running(tier), self._implied(), limited(self._codes, self._limited):
                value = self._callee.call(self._arguments(tier))
        except Exception as error:
            if isinstance(error, Stop) or (not isinstance(error, FAULTS) and type(error).__name__ not in self._raised):
                raise
            self._fault = self._told(error)
            tier.give_back()
            value = None
        given = self._hook.on_fault if value is None else value
        if self._signature is None:
            return int(given)
        tier.give(self._signature.result.word(given))
        return 0

    @contextmanager
    def _implied(self) -> Iterator[None]:
        """What stands among the builtins during a run: `print`, which writes the trace, and in programs of packets
        `pkt`, which they know without an import (W101)."""
        space: dict[str, Any] = self._callee.function.__getattribute__("__builtins__")
        known = {"print": traced} if self._hook.program_type.layer is None else {"print": traced, PACKET: pkt}
        before = {name: space[name] for name in known if name in space}
        space.update(known)
        try:
            yield
        finally:
            for name in known:
                del space[name]
            space.update(before)

    def _arguments(self, tier: Function) -> dict[str, Any]:
        if self._declared is not None:
            assert tier.context is not None, "a program runs"
            words, base = tier.arguments(), tier.context.region.base
            return {one.name: one.value(words, base) for one in self._declared.params}
        if self._signature is None:
            return dict.fromkeys(self._callee.parameters[:1], Context(self._hook))
        words = tier.arguments()
        return {
            name: scalar.value(int.from_bytes(words[argument_offset(i) : argument_offset(i) + WORD], "little"))
            for i, (name, scalar) in enumerate(self._signature.params)
        }

    def _told(self, error: Exception) -> Fault:
        """The fault that `error` is, at the user's line that raised it, not at a line of this package."""
        place, at = Location(self._callee.function.__code__.co_filename, 0), error.__traceback__
        while at is not None:
            if at.tb_frame.f_code in self._codes:
                place = Location(at.tb_frame.f_code.co_filename, at.tb_lineno)
            at = at.tb_next
        if isinstance(error, LoopLimit) and error.line:
            place = Location(error.file, error.line)
        return Fault(type(error).__name__, str(error), source=place, machine=False)


def _inside(code: types.CodeType) -> list[types.CodeType]:
    """The code of a function and of those inside of it."""
    return [code, *(inner for one in code.co_consts if isinstance(one, types.CodeType) for inner in _inside(one))]
