"""The programs of a script on one machine: one object, one memory, the same maps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from bpfvm.compiler import Compiled, compile_programs
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input, Result
from bpfvm.lang.maps import Map
from bpfvm.lang.maps.rings import Events
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.layout import Layout, size_of, view
from bpfvm.lang.types.scalars import Storage
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.model import ObjectSpec
from bpfvm.program import Answers, Maps, Program
from bpfvm.run.backend import Backend, configured, engine, known
from bpfvm.run.outcome import Outcome
from bpfvm.run.session import Session
from bpfvm.sim.run import CPython
from bpfvm.timeline.seen import Ran, Seen


class Stage:
    """Programs as one object, which is made once."""

    def __init__(self, programs: Sequence[Program]) -> None:
        """Raises CompileError; UsageError for programs of functions and of an object file together, or of several."""
        self.programs = {one.name: one for one in programs}
        self.compiled: Compiled | None = None
        functions = [
            (one.callee.target, one.hook) for one in programs if one.callee is not None and one.hook is not None
        ]
        files = {id(one.object) for one in programs if one.callee is None}
        if len(files) + bool(functions) > 1:
            raise UsageError("the programs of a timeline are those of one object file, or functions: they share maps")
        if functions:
            self.compiled = compile_programs(functions, record_faults=True)
        # what CO-RE asks of an object file is answered by the types in use: objects of the kernel are laid out by them
        self.spec: ObjectSpec = (
            self.compiled.spec if self.compiled is not None else relocate(programs[0].object, KERNEL.types)
        )
        self.declared: Mapping[str, Map] = self.compiled.maps if self.compiled is not None else {}

    @contextmanager
    def on(
        self, name: str, maps: Maps | None, helpers: Answers | None, cpus: int, arch: str
    ) -> Iterator[Playing]:  # fmt: skip
        """The programs loaded on a machine. Unavailable where it cannot be, or is the kernel."""
        known(name)
        if name == "kernel":
            raise Unavailable(
                "a timeline plays on emulators: the events of a kernel are its own, see docs/attaching.md"
            )
        with ExitStack() as opened:
            sessions: dict[str, Session] = {}
            first: Session | None = None
            for one in self.programs.values():
                backend = self._backend(one, name, helpers, cpus, arch)
                is_python = name == "cpython"
                made = Session(backend, self.spec, one.name, one.signature, maps if first is None else None,
                               not is_python, first)  # fmt: skip
                sessions[one.name] = opened.enter_context(made)
                first = first or made
            yield Playing(sessions, self.declared)

    def _backend(self, one: Program, name: str, helpers: Answers | None, cpus: int, arch: str) -> Backend:
        if name != "cpython":
            return configured(engine(name), helpers or {}, cpus, arch)
        if one.callee is None or one.hook is None or self.compiled is None:
            raise Unavailable(f"engine cpython: {one.name} comes from an object file, not from a Python function")
        made = self.compiled
        return CPython(made.programs, made.maps, made.captured, made.functions, helpers, cpus)


class Playing:
    """Programs that run now."""

    def __init__(self, sessions: Mapping[str, Session], declared: Mapping[str, Map]) -> None:
        self.sessions, self.declared = sessions, declared
        self._runs: list[Ran] = []

    def step(self, program: str, event: str, given: Input) -> Result:
        """One run of a program."""
        session = self.sessions[program]
        result = session.run(given)
        value = session.value_of(result)
        outcome = Outcome(
            value, session.type.action(value), None, {}, list(result.trace), dict(result.fields),
            {name: list(records) for name, records in result.events.items()}, result.lost, result.redirect,
            result.fault, result.insns, result.warnings, (session.engine,),
        )  # fmt: skip
        events = {name: [self._record(name, one) for one in records] for name, records in result.events.items()}
        self._runs.append(Ran(given.clock, event, program, outcome, events))
        return result

    def seen(self) -> Seen:
        """What there is now."""
        maps: dict[str, dict[Any, Any]] = {}
        for session in self.sessions.values():
            maps |= {name: one for name, one in session.maps().items() if name not in maps}
        engines = tuple({session.engine for session in self.sessions.values()})
        return Seen(maps, tuple(self._runs), engines)

    def _record(self, name: str, data: bytes) -> Any:
        """A record as a value of the type that its map was declared with; bytes of another size stay bytes."""
        declared = self.declared.get(name)
        kind = declared.event if isinstance(declared, Events) else None
        if kind is None or len(data) != size_of(kind):
            return data
        if isinstance(kind, Layout):
            return view(kind, data, 0, True)
        assert isinstance(kind, Storage), "elements are layouts and storage types"
        return kind.unpack(data)
