"""Running a function in CPython as if it were loaded: the backend named `cpython`.

The function object is the user's own: nothing is rewritten, so a debugger, a profiler and coverage see it. While it
runs, maps and the packet ask the machine of this file. A fault of the language (bpfvm.lang.faults) ends the run with
the hook's value, as it ends the compiled program.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from bpfvm.core.bits import M32
from bpfvm.core.machine import Entries, Fault, Input, Location, Result
from bpfvm.emulator.system import System
from bpfvm.lang import capture
from bpfvm.lang.active import running
from bpfvm.lang.callee import Callee
from bpfvm.lang.capture import Capture
from bpfvm.lang.faults import FAULTS, LoopLimit, PacketError
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps import Map
from bpfvm.lang.packet import PACKET, pkt
from bpfvm.lang.signature import RESULT_OFFSET, WORD, Signature, argument_offset, signature
from bpfvm.obj.model import ObjectSpec
from bpfvm.sim.context import Context
from bpfvm.sim.limits import limited
from bpfvm.tables.ctx import CONTEXTS


class CPython:
    """The backend for one function.

    maps, captured, functions: what the compiler found the function to use and to call. A run raises StaleCapture where
    a name has another value by now.
    """

    name = "cpython"

    def __init__(
        self, callee: Callee, hook: Hook, maps: Mapping[str, Map], captured: Sequence[Capture] = (),
        functions: Sequence[types.FunctionType] = (),
    ) -> None:  # fmt: skip
        self.callee, self.hook, self.maps = callee, hook, dict(maps)
        self.captured = captured
        own = dict.fromkeys((callee.function.__code__, *(one.__code__ for one in functions)))
        self.codes = [one for code in own for one in _inside(code)]

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        """`spec` gives the maps' layout; what runs is the function."""
        return Loaded(self, spec, maps)


class Loaded:
    """A function with its maps."""

    def __init__(self, backend: CPython, spec: ObjectSpec, given: Mapping[str, Entries]) -> None:
        self._callee, self._hook = backend.callee, backend.hook
        self._captured, self._codes = backend.captured, backend.codes
        self._signature: Signature | None = signature(backend.callee) if backend.hook.scalars else None
        self._system = System(spec, [name for name, one in spec.maps.items() if not one.hidden])
        # classes of exceptions that the function itself raises, as the compiler found them
        self._raised = {site.kind for one in spec.programs.values() for site in one.fault_sites}
        sites = [site for one in spec.programs.values() for site in one.fault_sites if site.kind == LoopLimit.__name__]
        self._limited = {(site.source.file, site.source.line) for site in sites}
        self._by_map = {id(declared): self._system.maps[name] for name, declared in backend.maps.items()}
        self._packet = b""
        self._system.fill(given)

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory."""
        self._system.close()

    def run(self, given: Input) -> Result:
        """Call the function once. An exception that is no fault of the language is the caller's to see."""
        capture.check(self._callee.function.__name__, self._captured)
        self._system.begin(given)
        self._packet = given.packet or b""
        arguments = self._arguments(given)
        fault = None
        try:
            with running(self), self._implied(), limited(self._codes, self._limited):
                value = self._callee.call(arguments)
        except Exception as error:
            if not isinstance(error, FAULTS) and type(error).__name__ not in self._raised:
                raise
            fault = self._fault(error)
            value = None
        return self._result(given, value, fault)

    @contextmanager
    def _implied(self) -> Iterator[None]:
        """A program of packets knows `pkt` without an import (W101): it stands among the builtins during a run."""
        space: dict[str, Any] = self._callee.function.__getattribute__("__builtins__")
        if self._hook.program_type.layer is None or PACKET in space:
            yield
            return
        space[PACKET] = pkt
        try:
            yield
        finally:
            del space[PACKET]

    def read_map(self, name: str) -> Entries:
        """The contents of a map; the compiled program's hidden maps do not exist here."""
        return self._system.read_map(name)

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map."""
        self._system.write_map(name, entries)

    def packet_length(self) -> int:
        return len(self._packet)

    def packet_read(self, offset: int, size: int) -> bytes:
        """Part of bpfvm.lang.active.Machine: bytes of the packet, or PacketError."""
        if offset + size > len(self._packet):
            raise PacketError(f"{size}-byte read at packet+{offset}, packet is {len(self._packet)} bytes")
        return self._packet[offset : offset + size]

    def lookup(self, declared: Map, key: bytes) -> bytes | None:
        """Part of bpfvm.lang.active.Machine: the value under `key`."""
        store = self._by_map[id(declared)]
        address = store.lookup(key)
        return bytes(self._system.arena.read(address, store.spec.value_size)) if address else None

    def update(self, declared: Map, key: bytes, value: bytes) -> None:
        """Part of bpfvm.lang.active.Machine: store `value` under `key`."""
        self._by_map[id(declared)].update(key, value, 0)

    def _arguments(self, given: Input) -> dict[str, Any]:
        if self._signature is None:
            layout = CONTEXTS[self._hook.program_type.context or ""]
            return dict.fromkeys(self._callee.parameters[:1], Context(layout, given.fields))
        words = given.ctx or bytes(self._signature.context_size)
        return {
            name: scalar.value(int.from_bytes(words[argument_offset(i) : argument_offset(i) + WORD], "little"))
            for i, (name, scalar) in enumerate(self._signature.params)
        }

    def _result(self, given: Input, value: Any, fault: Fault | None) -> Result:
        if self._signature is None:
            r0 = self._hook.on_fault if value is None else int(value)
            return Result(r0=r0 & M32, r0_bits=32, packet=given.packet, fault=fault)
        words = bytearray(given.ctx or bytes(self._signature.context_size))
        word = self._signature.result.word(self._hook.on_fault if value is None else value)
        words[RESULT_OFFSET : RESULT_OFFSET + WORD] = word.to_bytes(WORD, "little")
        return Result(r0=0, ctx=bytes(words), fault=fault)

    def _fault(self, error: Exception) -> Fault:
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
