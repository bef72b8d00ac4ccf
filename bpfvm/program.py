"""Programs as users hold them: a decorated function or a program of an object file, run on any machine and compared.

What is of functions alone is loaded for functions, what is of one machine for that machine.
"""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import Mismatch, Unavailable, UsageError, not_here
from bpfvm.core.machine import Input, Location
from bpfvm.core.named import Named
from bpfvm.lang.target import DEFAULT, Target
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.values.contents import Contents
from bpfvm.tables.progs import BY_NAME
from bpfvm.tables.sections import of_section

if TYPE_CHECKING:
    from bpfvm.attached import Attached
    from bpfvm.compiler import Compiled
    from bpfvm.core.diag import Diag
    from bpfvm.kernel.objects.install import Installed
    from bpfvm.lang.contexts.arguments import Arguments
    from bpfvm.lang.functions.callee import Callee
    from bpfvm.lang.functions.signature import Signature
    from bpfvm.lang.hooks import Hook
    from bpfvm.lang.maps import Map
    from bpfvm.lang.traced.task import Task
    from bpfvm.run.backend import Backend
    from bpfvm.run.inputs import Args, Memory, Numbers
    from bpfvm.run.outcome import Outcome
    from bpfvm.run.running import Running
    from bpfvm.run.session import Session
    from bpfvm.verifier.report.verdict import Verdict

Maps = Mapping[str, Contents]
Answers = Mapping[str, Callable[..., Any]]


class Program:
    """One program: `cpython`, `emulate`, `kernel` run it on one machine, `check` on all that there are.

    A packet program takes one packet (anything that bytes() accepts); a function of scalars takes its arguments.
    Every call starts afresh, from empty maps or from `maps={name: {key: value}}`; `session` keeps maps.
    """

    def __init__(self, name: str, type: str, spec: ObjectSpec | None = None) -> None:
        self.name = name
        self.type = BY_NAME[type]
        self.callee: Callee | None = None
        self.hook: Hook | None = None
        self._spec = spec

    @classmethod
    def of_function(cls, target: Callable[..., Any], hook: Hook) -> Program:
        """The program that a function, method or partial is compiled to, for `hook`; nothing is compiled until it is
        needed."""
        from bpfvm.lang.functions.callee import callee

        behind = callee(target)
        name = behind.function.__name__
        program = cls("anonymous" if name == "<lambda>" else name, hook.type)
        program.callee, program.hook = behind, hook
        program.__doc__ = behind.function.__doc__
        return program

    @property
    def function(self) -> types.FunctionType | None:
        """The function that it is made of."""
        return self.callee.function if self.callee is not None else None

    def __repr__(self) -> str:
        return f"<bpfvm.Program {self.name} ({self.type.name})>"

    if not TYPE_CHECKING:  # type checkers shall find names that are not there

        def __getattr__(self, name: str) -> Any:
            raise AttributeError(not_here("a program", name, offered(Program)))

    @property
    def place(self) -> str:
        """Where the function stands, as the head of a message; "" for a program of an object file."""
        if self.callee is None:
            return ""
        code = self.callee.function.__code__
        return f"{Location(code.co_filename, code.co_firstlineno)}: "

    def __call__(self, *args: Any, **named: Any) -> Any:
        """Call the plain Python function itself, for use from another one."""
        return self.__bpf_function__(*args, **named)

    @property
    def __bpf_function__(self) -> Callable[..., Any]:
        """What a call of the program runs. UsageError for one of an object file."""
        if self.callee is None:
            raise UsageError(f"{self.name} comes from an object file and has no Python function to call")
        return self.callee.target

    @cached_property
    def signature(self) -> Signature | None:
        """Parameters and result of a function of scalars, None for programs of a hook."""
        if self.callee is None or self.hook is None or not self.hook.scalars:
            return None
        from bpfvm.lang.functions.signature import signature

        return signature(self.callee)

    @cached_property
    def compiled(self) -> Compiled:
        """What the compiler made of the function, without fault records. Raises CompileError."""
        return self._compile(record_faults=False)

    @cached_property
    def _recorded(self) -> Compiled:
        return self._compile(record_faults=True)

    @cached_property
    def _counted(self) -> Compiled:
        """As it is attached: events that find no room are counted."""
        from bpfvm.kernel.programs import target
        from bpfvm.lang.maps import Events

        has_events = any(isinstance(one, Events) for one in self.compiled.maps.values())
        machine = target.running()
        if has_events or machine != DEFAULT:
            return compile_object([self], count_lost=True, machine=machine)
        return self.compiled

    def _compile(self, record_faults: bool, machine: Target = DEFAULT) -> Compiled:
        from bpfvm.compiler import compile_program

        if self.callee is None or self.hook is None:
            raise UsageError(f"{self.name} comes from an object file and is compiled already")
        return compile_program(self.callee.target, self.hook, record_faults=record_faults, machine=machine)

    @property
    def object(self) -> ObjectSpec:
        """The program as an object: instructions, maps, BTF, line info."""
        return self._spec if self._spec is not None else self.compiled.spec

    @property
    def runnable(self) -> ObjectSpec:
        """The object that machines run: with a record of faults where the program is compiled here."""
        return self._spec if self._spec is not None else self._recorded.spec

    @cached_property
    def _of_the_kernel(self) -> ObjectSpec:
        """`runnable` for the running kernel, which may lack what other machines have."""
        from bpfvm.kernel.programs import target

        machine = DEFAULT if self._spec is not None else target.running()
        return self.runnable if machine == DEFAULT else self._compile(record_faults=True, machine=machine).spec

    def session(
        self, engine_name: str = "auto", maps: Maps | None = None, helpers: Answers | None = None, cpus: int = 1,
        threads: bool = False, safe: bool = False,
    ) -> Session:  # fmt: skip
        """The program loaded on one machine, its maps kept from run to run. Close it, or use it in a `with`.

        helpers: Python functions in place of helpers and kernel functions, by name; cpus: virtual CPUs; both of
        emulators and of CPython. Of engine native: threads: whether each CPU is a thread of its own over captures;
        safe: whether accesses are held in the emulated memory and not checked, for programs that a verifier accepted.
        """
        from bpfvm.run.backend import engine
        from bpfvm.run.session import Session

        is_python = engine_name == "cpython"
        backend = self._cpython(helpers, cpus) if is_python else engine(engine_name, helpers, cpus, threads, safe)
        spec = self._of_the_kernel if engine_name == "kernel" else self.runnable
        made = Session(backend, spec, self.name, self.signature, maps, recorded=not is_python)
        if self.callee is not None:  # an object does not tell what its context is made of
            from bpfvm.run.inputs import struct_of

            made.context = struct_of(self)
        return made

    def cpython(
        self, *given: Any, maps: Maps | None = None, ctx: Numbers | None = None, regs: Numbers | None = None,
        memory: Memory | None = None, helpers: Answers | None = None, args: Args | None = None, ret: Any = None,
        task: Task | None = None,
    ) -> Outcome:  # fmt: skip
        """Run the function itself in CPython, over simulated maps and packet. The rest is as for `emulate`."""
        return self._run("cpython", self.input(given, ctx, regs, memory, args, ret, task), maps, helpers)

    def emulate(
        self, *given: Any, maps: Maps | None = None, ctx: Numbers | None = None, regs: Numbers | None = None,
        memory: Memory | None = None, engine: str = "auto", helpers: Answers | None = None, args: Args | None = None,
        ret: Any = None, task: Task | None = None,
    ) -> Outcome:  # fmt: skip
        """Run the bytecode in an emulator tier: auto, interp or portable. helpers: as for `session`.

        regs: registers of a program on a probe, by name ("di", "parm1"). memory: what pointers can be read through,
        bytes by address: below 2**47 of a process, above of the kernel.
        Of programs that trace: given: values of their parameters in order; args: arguments of what they are on, in
        order or by name; ret: what that returns. They are numbers, texts, lists, objects of `vmlinux.new`, tasks. task:
        that it happens in (`bpfvm.timeline.Task`), this process unless given.
        """
        return self._run(engine, self.input(given, ctx, regs, memory, args, ret, task), maps, helpers)

    def kernel(self, *given: Any, maps: Maps | None = None, ctx: Mapping[str, int] | None = None) -> Outcome:
        """Run it in the kernel by BPF_PROG_TEST_RUN. Raises Unavailable, with the reason, where that cannot be."""
        return self._run("kernel", self.input(given, ctx), maps)

    def attach(self, target: Any = None, **options: Any) -> Attached:
        """Put it into the kernel and attach it, until what this gives is closed: `with prog.attach("eth0") as on:`.

        target, options: by the kind of program, see docs/attaching.md; what the decorator was given need not be given
        again. Raises Unavailable, LoadError or UsageError, one line that says why it cannot be.
        """
        from bpfvm.attached import attach

        places = self.places if target is None else [(self.name, target)]
        if self._spec is not None:
            return attach(self._spec, places, {}, [self], **options)
        return attach(self._counted.spec, places, self._counted.maps, [self], **options)

    @property
    def places(self) -> list[tuple[str, Any]]:
        """What its decorator says that is to be attached: programs of its object, each with its target, a text or
        several; None where its section names that, or nothing does."""
        if self.hook is None:
            return [(self.name, None)]
        named = self.hook.targets
        found = self.hook.sections(self.name)
        alone = next(iter(found.values()))
        if not named or of_section(alone).target:
            return [(name, None) for name in found]
        return [(self.name, named[0] if len(named) == 1 else list(named))]

    def check(
        self, *given: Any, maps: Maps | None = None, ctx: Numbers | None = None, regs: Numbers | None = None,
        memory: Memory | None = None, helpers: Answers | None = None, args: Args | None = None, ret: Any = None,
        task: Task | None = None,
    ) -> Outcome:  # fmt: skip
        """Run every machine that is available and compare. Returns the outcome, whose `engines` names them.

        Raises Mismatch with the differences unless all outcomes are equal, Unavailable when fewer than two machines
        could run it.
        """
        from bpfvm.run.backend import ENGINES
        from bpfvm.run.compare import comparable, report

        inputs = self.input(given, ctx, regs, memory, args, ret, task)
        outcomes: dict[str, Outcome] = {}
        missing: list[str] = []
        compared = self.function is not None and (self.hook is None or self.hook.ints != "wrap")
        for name in (*(("cpython",) if compared else ()), *(row.name for row in ENGINES)):
            try:
                outcomes[name] = self._run(name, inputs, maps, helpers)
            except Unavailable as error:
                missing.append(str(error))
        if len(outcomes) < 2:
            raise Unavailable(f"{self.name}: there is nothing to compare: {'; '.join(missing)}")
        outcomes = comparable(outcomes)
        kind = self.signature.result.annotation.__name__ if self.signature is not None else ""
        what = f"{self.place}{self.name}({', '.join(map(_shown, given))})"
        different = report(what, outcomes, kind, self.runnable.programs[self.name])
        if different is not None:
            raise Mismatch(different, outcomes)
        most = max(outcomes.values(), key=lambda outcome: outcome.insns)
        return replace(next(iter(outcomes.values())), insns=most.insns, engines=tuple(outcomes))

    def diagnose(self, warnings: bool = False) -> list[Diag]:
        """Every compile error of the function, in the order of its source; [] where it compiles.

        warnings: those too, of a function with errors and of one without.
        """
        from bpfvm.core.diag import CompileError

        try:
            found = self.compiled.warnings
        except CompileError as error:
            found = error.diags
        return [one for one in found if warnings or one.severity == "error"]

    def disasm(self) -> str:
        """The program as text in the kernel's syntax."""
        from bpfvm.run.listing import listing

        return listing(self.object.programs[self.name], self.object)

    def report(self) -> str:
        """The function's source with its instructions below each line, the checks that are left, what is on the stack.

        Of a program of an object file, whose checks and stack nobody tells, the lines that it names.
        """
        from bpfvm.run.report import report

        checked = None if self._spec is not None else self._recorded.spec.programs[self.name]
        return report(self.object.programs[self.name], self.object, checked)

    def verify(self, *, kernel: str = "6.18", budget: int = 1_000_000, level: int = 0) -> Verdict:
        """What the kernel's verifier says to the program, by the model of Linux `kernel`; no kernel is asked.

        `.verdict` is "accept", "reject" or "undecided", `.message` the kernel's words or why nothing is decided,
        `.insn` the slot that is blamed. budget: instructions to walk before giving up. level: of `.log`, 1 or 2.
        """
        from bpfvm.run.judgement import judged

        return judged(self.object, self.name, kernel=kernel, budget=budget, level=level)[0]

    def input(
        self, given: tuple[Any, ...], ctx: Numbers | None = None, regs: Numbers | None = None,
        memory: Memory | None = None, args: Args | None = None, ret: Any = None, task: Task | None = None,
    ) -> Input:  # fmt: skip
        """The machine's input for one packet, for the arguments of a function of scalars, for a context, or for an
        event that the program traces."""
        from bpfvm.run.inputs import input_of

        return input_of(self, given, ctx, regs, memory, args, ret, task)

    @cached_property
    def arguments(self) -> Arguments | None:
        """What the parameters of a program on a probe, a tracepoint or a kernel function stand for; None for others."""
        from bpfvm.lang.contexts.arguments import declared

        return declared(self.callee, self.hook) if self.callee is not None and self.hook is not None else None

    def _run(self, name: str, given: Input, maps: Maps | None, helpers: Answers | None = None) -> Outcome:
        with self.session(name, maps, helpers) as session:
            return session.outcome(given)

    def _cpython(self, helpers: Answers | None = None, cpus: int = 1) -> Backend:
        from bpfvm.sim.run import CPython

        if self.callee is None or self.hook is None:
            raise Unavailable(f"engine cpython: {self.name} comes from an object file, not from a Python function")
        made = self._recorded
        return CPython(made.programs, made.maps, made.captured, made.functions, helpers, cpus)


def compile_object(
    programs: Sequence[Program], dump: Callable[[str, str], None] | None = None, count_lost: bool = False,
    machine: Target = DEFAULT,
) -> Compiled:  # fmt: skip
    """One object of several decorated functions. dump, machine: see `compile_program`; count_lost: `compile_programs`.

    Raises CompileError with the errors of all of them.
    """
    from bpfvm.compiler import compile_programs

    functions = []
    for one in programs:
        if one.callee is None or one.hook is None:
            raise UsageError(f"{one.name} comes from an object file and is compiled already")
        functions.append((one.callee.target, one.hook))
    return compile_programs(functions, dump=dump, count_lost=count_lost, machine=machine)


def offered(kind: type) -> list[str]:
    """The public names of a class, for messages."""
    return [name for name in vars(kind) if not name.startswith("_")]


def session(
    program: Program, engine: str = "auto", maps: Maps | None = None, helpers: Answers | None = None, cpus: int = 1,
    seed: int = 0,
) -> Running:  # fmt: skip
    """A program on one machine for many inputs; its maps keep their contents. Close it, or use it in a `with`.

    with bpfvm.session(prog) as runs:
        runs.run(packet); runs.run(packet, ctx={"ingress_ifindex": 3}); runs.maps["hits"]

    engine: auto, interp, portable, kernel, or cpython for a Python function. seed: of the random numbers of emulators.
    """
    from bpfvm.run.running import Running

    if not isinstance(program, Program):
        raise UsageError(f"a session is of a program, of a decorated function or an object, not of {program!r:.80}")
    return Running(program.session(engine, maps, helpers, cpus), program.input, seed)


class Object:
    """An object file: its programs and maps by name."""

    def __init__(self, spec: ObjectSpec) -> None:
        self.spec = spec
        made = {name: Program(name, one.type, spec) for name, one in spec.programs.items()}
        self.programs: dict[str, Program] = Named("program", made)
        self.maps: dict[str, MapSpec] = Named("map", spec.maps)

    def install(
        self, programs: Iterable[str] | None = None, *, maps: Mapping[str, Any] | None = None,
        pin: str | os.PathLike[str] | Literal[False] | None = None, reuse: Mapping[str, Any] | None = None,
    ) -> Installed:  # fmt: skip
        """Load the whole object into the kernel: all maps, all programs that load by themselves or those named.

        The result is a context manager with `.programs` and `.maps` by name; nothing is attached. maps: contents from
        the start, {name: {key: value}}. pin: a folder of a BPF file system. reuse: maps of others, {name: map,
        descriptor or path of a pin}. Nothing was done after LoadError, VerifierReject, Unavailable or UsageError.
        """
        from bpfvm.kernel.objects.install import install

        return install(self.spec, programs, maps=maps, pin=pin, reuse=reuse)

    def attach(self, maps: Mapping[str, Map] | None = None, **options: Any) -> Attached:
        """Put it into the kernel and attach every program whose section names its place, until what this gives is
        closed: `with tracer.attach(maps={"events": lines}):`.

        maps: declarations by which user space reads maps of the object, by the object's names: a user half in Python
        over a kernel half in C. options: of each program, pid=1234. Errors as of `Program.attach`; UsageError for a
        declaration that does not fit the object's map.
        """
        from bpfvm.attached import attach

        declared = dict(maps or {})
        for name, one in declared.items():
            _check_fits(self.spec, name, one)
        programs = placed(self)
        return attach(self.spec, [(one.name, None) for one in programs], declared, programs, **options)

    if not TYPE_CHECKING:  # which tells by itself what there is not

        def __getattr__(self, name: str) -> NoReturn:
            """AttributeError says which programs there are."""
            names = ", ".join(vars(self).get("programs", ())) or "none"
            raise AttributeError(f"an object has no attribute {name!r}; its .programs are {names}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"<bpfvm.Object programs: {', '.join(self.programs) or 'none'}; maps: {', '.join(self.maps) or 'none'}>"


def placed(given: Object) -> list[Program]:
    """The programs whose sections name their places. UsageError where there is none."""
    found = [given.programs[name] for name, one in given.spec.programs.items() if of_section(one.section).target]
    if not found:
        names = ", ".join(given.programs) or "none"
        raise UsageError(f"no section of {names} names what it is attached to: use .attach(target) of each")
    return found


def _check_fits(spec: ObjectSpec, name: str, declared: Map) -> None:
    """UsageError for a declaration that is not of the object's map."""
    from bpfvm.lang.maps import Map

    if not isinstance(declared, Map):
        raise UsageError(f"attach(maps=…): {name!r} takes a declared map, not {declared!r:.60}")
    there = spec.maps.get(name)
    if there is None:
        raise UsageError(f"there is no map {name!r}; the maps are {', '.join(spec.maps) or 'none'}")
    mine = declared.spec(name)
    found, wanted = ((one.type, one.key_size, one.value_size) for one in (there, mine))
    if found != wanted:
        told = ["{} with keys of {} bytes and values of {}".format(*one) for one in (found, wanted)]
        raise UsageError(f"map {name} is {an(told[0])}, and is declared as {an(told[1])}")


def load(path: str) -> Object:
    """Read an ELF object. Raises LoadError, one line, for a file that cannot be read or is damaged."""
    from bpfvm.obj.reader.object import read_object

    return Object(read_object(path))


def _shown(value: Any) -> str:
    from bpfvm.lang.types.pointers import Pointer

    if isinstance(value, int):
        return str(int(value))
    if value is None or isinstance(value, str | list | tuple | Pointer) or hasattr(value, "__bpf_block__"):
        return f"{value!r:.60}"
    data = bytes(value)
    return f"<packet of {octets(len(data))}: {data[:24].hex()}{'…' if len(data) > 24 else ''}>"
