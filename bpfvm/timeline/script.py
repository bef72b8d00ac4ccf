"""A script: events by name with their times, what programs get of each, and playing it on machines."""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.core.errors import Mismatch, Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.lang.contexts.arguments import Arguments
from bpfvm.lang.traced.contexts import Given, registers
from bpfvm.lang.traced.events import happening
from bpfvm.lang.traced.memory import Memory
from bpfvm.lang.traced.sites import FAMILIES, Site, site
from bpfvm.lang.traced.task import MOST_CPUS, Task
from bpfvm.obj.model import ObjectSpec
from bpfvm.program import Answers, Maps, Program
from bpfvm.run.inputs import by_address
from bpfvm.timeline.seen import Seen, differences
from bpfvm.timeline.stage import Playing, Stage

_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s)")
_LAST = 1 << 63  # ns


def nanoseconds(time: int | str) -> int:
    """A time of a script: ns, or a text with its unit, "250us", "1.5ms". UsageError for anything else."""
    if isinstance(time, str):
        found = _TIME.fullmatch(time.strip())
        made = round(float(found[1]) * _UNITS[found[2]]) if found is not None else -1
    else:
        made = time if isinstance(time, int) and not isinstance(time, bool) else -1
    if not 0 <= made < _LAST:
        raise UsageError(f'a time is ns from 0 on, or a text such as "250us" (ns, us, ms, s), not {time!r:.40}')
    return made


@dataclass(frozen=True, slots=True)
class _Step:
    """One run of a program. order: of what the script says, for events of one time."""

    time: int
    order: int
    event: str
    program: Program
    given: Input


@dataclass(frozen=True, slots=True)
class _Attached:
    """A program, and where it is."""

    program: Program
    site: Site
    declared: Arguments | None


class Timeline:
    """A script. `at` adds events; `run` and `check` play it from its start, as often as one likes."""

    def __init__(
        self, *programs: Program | types.ModuleType, task: Task | None = None, maps: Maps | None = None,
        helpers: Answers | None = None, arch: str = "x86_64", engine: str = "auto",
    ) -> None:  # fmt: skip
        """programs: in the order in which they are attached; of a module all that it defines. task: in which events
        happen that do not say. maps: contents before. helpers: as for `Program.session`. arch: whose registers programs
        of object files get, x86_64 or aarch64. engine: of `run`.

        UsageError for programs that no event can run, or that are not of one object.
        """
        for name, told in (("maps", maps), ("helpers", helpers)):
            if told is not None and (not isinstance(told, Mapping) or not all(isinstance(key, str) for key in told)):
                raise UsageError(f"Timeline: {name}= takes a mapping by name, not {told!r:.60}")
        self.programs = _programs(programs)
        self.task = task if task is not None else Task(1000, "task", uid=1000, gid=1000)
        self.maps, self.helpers, self.engine = maps, helpers, engine
        self.arch = registers(arch)
        self._attached = [_attached(one) for one in self.programs]
        for one in self._attached:
            if self.arch != "x86_64" and one.program.callee is not None and one.site.hook.type == "kprobe":
                name = one.program.name
                raise UsageError(f"{name} is compiled for the registers of x86_64, not of {self.arch}: arch= is for "
                                 "programs of object files")  # fmt: skip
        self._steps: list[_Step] = []
        self._events = 0
        self._memory = Memory()
        self.last: Seen | None = None  # what was seen when it was played last
        self._stage: Stage | None = None

    def __repr__(self) -> str:
        return f"<bpfvm.Timeline of {self._events} events, {', '.join(one.name for one in self.programs)}>"

    def at(
        self, time: int | str, event: str, /, *args: Any, by: Task | None = None, ret: Any = None,
        took: int | str = 0, cpu: int | None = None, memory: Mapping[int, bytes] | None = None,
        regs: Mapping[str, int] | None = None, cookie: int = 0, fields: Mapping[str, Any] | None = None, **named: Any,
    ) -> Timeline:  # fmt: skip
        """Something happens. event: what programs are attached to, "sched_switch", "openat", "c:malloc"; before it may
        stand their kind, "tp_btf:sched_switch". args, named: its arguments, in order and by name; those that are not
        given are 0. by: the task that it happens in.

        ret: what the function or the system call returns: programs that are where it returns run `took` later.
        Arguments are numbers, texts, lists, objects of the kernel (`vmlinux.new`), tasks, None for null. memory: more
        of a process and of the kernel, bytes by address. regs: registers by name. cpu: the task's unless given. fields:
        arguments by names that are among these: fields={"cpu": 3}.
        All is taken as it is now: an object may change before the next event. UsageError says what is wrong.
        """
        if not isinstance(event, str):
            raise UsageError(f"an event is a text, what programs are attached to, not {event!r:.60}")
        for name, given_by in (("regs", regs), ("fields", fields), ("memory", memory)):
            if given_by is not None and not isinstance(given_by, Mapping):
                raise UsageError(f"{event}: {name}= takes a mapping, not {given_by!r:.60}")
        start, named = nanoseconds(time), {**named, **(fields or {})}
        end = start + nanoseconds(took)
        chosen = [(one, target) for one in self._attached if (target := one.site.target(event)) is not None]
        paired = [one.site.returns for one, _ in chosen]
        if ret is not None and not any(paired):
            named["ret"] = ret  # an argument of that name, if there is one
        returns = ret is not None or (bool(paired) and all(paired) and _says_return(event))
        run = [(one, target) for one, target in chosen if returns or not one.site.returns]
        if not run:
            raise self._nothing(event, bool(chosen))
        if took and not returns:
            raise UsageError(f"{event}: took={took!r} is how long it takes to return: say what it returns, ret=…")
        task = by if by is not None else self.task
        if not isinstance(task, Task):
            raise UsageError(f"an event happens by a Task, not by {by!r:.60}")
        where = task.cpu if cpu is None else cpu
        if not isinstance(where, int) or not 0 <= where < MOST_CPUS or not isinstance(cookie, int):
            raise UsageError(
                f"{event}: cpu= is a number below {MOST_CPUS}, cookie= a number, not {cpu!r}, {cookie!r:.40}"
            )
        more = by_address(event, memory) if memory else {}
        known: set[str] = set()
        steps = []
        for one, target in sorted(run, key=lambda pair: pair[0].site.returns):
            given = Given(args, named, ret, regs, task.tid)
            made, names = self._input(one, target, given, task, more)
            known |= names
            late = end if one.site.returns else start
            steps.append(
                _Step(late, self._events, event, one.program, replace(made, clock=late, cpu=where, cookie=cookie))
            )
        self._check_names(event, named, known, chosen)
        self._steps += steps
        self._events += 1
        return self

    def run(self, engine: str | None = None) -> Seen:
        """Play it on one machine: auto, cpython, interp, portable or native."""
        return self._played(engine or self.engine)

    def check(self) -> Seen:
        """Play it on every machine that there is but the kernel, and compare. Raises Mismatch with what differs,
        Unavailable where fewer than two could run it."""
        found: dict[str, Seen] = {}
        missing = []
        for name in ("cpython", "interp", "portable", "native"):
            if name == "cpython" and any(one.function is None or _wraps(one) for one in self.programs):
                continue
            try:
                found[name] = self._played(name)
            except Unavailable as error:
                missing.append(str(error))
        if len(found) < 2:
            raise Unavailable(f"{self!r}: there is nothing to compare: {'; '.join(missing)}")
        different = differences(repr(self), found)
        if different is not None:
            raise Mismatch(different, {name: seen.last for name, seen in found.items()})
        first = next(iter(found.values()))
        return first.agreed(tuple(found))

    def steps(self) -> list[tuple[int, str, str, Input]]:
        """Runs in their order: time, program, event, input."""
        ordered = sorted(self._steps, key=lambda one: (one.time, one.order))
        return [(one.time, one.program.name, one.event, one.given) for one in ordered]

    def playing(self, engine: str) -> AbstractContextManager[Playing]:
        """The programs loaded on a machine, for `steps`."""
        if self._stage is None:
            self._stage = Stage(self.programs)
        cpus = max((one.given.cpu for one in self._steps), default=0) + 1
        return self._stage.on(engine, self.maps, self.helpers, cpus, self.arch)

    def _played(self, engine: str) -> Seen:
        with self.playing(engine) as playing:
            for _, program, event, given in self.steps():
                playing.step(program, event, given)
            self.last = playing.seen()
            return self.last

    def _input(
        self, one: _Attached, target: str, given: Given, task: Task, memory: Mapping[int, bytes]
    ) -> tuple[Input, frozenset[str]]:  # fmt: skip
        """What a program gets of an event, and the names of arguments that it has room for."""
        return happening(one.site, target, one.declared, given, self._memory, task, memory, self.arch)

    def _nothing(self, event: str, has_returns: bool) -> UsageError:
        if has_returns:
            return UsageError(f"{event}: its programs are where it returns: say what, ret=…")
        places = dict.fromkeys(name for one in self._attached for name in one.site.names)
        return UsageError(f"no program is attached to {event!r}; they are on {', '.join(places) or 'nothing'}")

    def _check_names(
        self, event: str, named: Mapping[str, Any], known: Iterable[str], chosen: Sequence[tuple[_Attached, str]]
    ) -> None:  # fmt: skip
        wrong = next((one for one in named if one not in known), None)
        samples = all(one.site.kind == "perf_event" for one, _ in chosen)
        only_returns = all(one.site.returns for one, _ in chosen)
        if wrong is not None and not samples and not only_returns:
            raise UsageError(f"{event} has no argument {wrong!r}; it has {', '.join(sorted(known)) or 'none'}")


def _says_return(event: str) -> bool:
    """Whether the name of an event has a kind that is where something returns."""
    return FAMILIES.get(event.partition(":")[0], ("", False))[1]


def _wraps(program: Program) -> bool:
    return program.hook is not None and program.hook.ints == "wrap"


def _programs(given: Sequence[Program | types.ModuleType]) -> tuple[Program, ...]:
    """The programs, each once; those of a module in the order of their definitions. UsageError for what is none."""
    found: list[Program] = []
    for one in given:
        if isinstance(one, types.ModuleType):
            inside = [value for value in vars(one).values() if isinstance(value, Program)]
            found += [value for value in inside if value.function is None or value.function.__module__ == one.__name__]
        elif isinstance(one, Program):
            found.append(one)
        else:
            raise UsageError(f"a timeline is of programs, or of a module with some, not of {one!r:.60}")
    if not found:
        raise UsageError("a timeline needs programs: Timeline(prog, …), or a module that defines some")
    return tuple(dict.fromkeys(found))


def _attached(program: Program) -> _Attached:
    spec: ObjectSpec | None = program.object if program.callee is None else None
    section = spec.programs[program.name].section if spec is not None else ""
    return _Attached(program, site(program.hook, section, program.name), program.arguments)
