"""What the fixture `bpf` gives a test: a fresh machine that runs objects and Python programs on the chosen engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import UsageError
from bpfvm.decorators import bpf as decorators
from bpfvm.program import Answers, Maps, Object, Program, session
from bpfvm.program import load as read
from bpfvm.run.compare import excerpt
from bpfvm.run.outcome import Outcome
from bpfvm.run.running import Running
from bpfvm.timeline import Timeline

_ENTRIES = 8  # of a map, in the report of a test that failed


class Machine:
    """The machine of one test. Nothing of another test is in it; what was opened is closed behind the test.

    engine: what --bpf-engine says. seed: what random numbers of its runs come of; --bpf-seed, and a test may set it.
    The decorators (`xdp`, `function` …) are here too, so that the name `bpf` means no less inside of a test.
    """

    def __init__(self, engine: str = "auto", seed: int = 0, folder: Path | None = None) -> None:
        """folder: where relative paths of objects begin, besides the working folder."""
        self.engine, self.seed = engine, seed
        self._folder = folder
        self._opened: list[Running] = []
        self._scripts: list[Timeline] = []

    def __repr__(self) -> str:
        return f"<bpf machine: engine {self.engine}, seed {self.seed}>"

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            return getattr(decorators, name)

    def load(self, path: str | Path) -> Object:
        """An ELF object, by a path from the test's own folder or the working folder. LoadError for what is none."""
        beside = self._folder / path if self._folder is not None else Path(path)
        return read(str(beside if beside.exists() else path))

    def __call__(
        self, program: Program, maps: Maps | None = None, helpers: Answers | None = None, cpus: int = 1
    ) -> Running:  # fmt: skip
        """The program loaded, for many runs that share its maps: `bpf(prog).run(packet)`.

        maps: contents from the start. helpers, cpus: see `bpfvm.session`.
        """
        if not isinstance(program, Program):
            raise UsageError(f"bpf(...) takes a program, of a decorated function or an object, not {program!r:.80}")
        made = session(program, self.engine, maps, helpers, cpus, self.seed)
        self._opened.append(made)
        return made

    def run(
        self, program: Program, *given: Any, maps: Maps | None = None, ctx: Mapping[str, int] | None = None,
        helpers: Answers | None = None,
    ) -> Outcome:  # fmt: skip
        """One run from empty maps, or from `maps`."""
        return self(program, maps, helpers).run(*given, ctx=ctx)

    def timeline(self, *programs: Program | ModuleType, **options: Any) -> Timeline:
        """A script of events over programs that trace, whose `run()` is on the engine; see bpfvm.timeline.Timeline."""
        made = Timeline(*programs, **{"engine": self.engine, **options})
        self._scripts.append(made)
        return made

    def close(self) -> None:
        """Release all programs."""
        while self._opened:
            self._opened.pop().close()

    def report(self) -> str:
        """What ran so far and how it ended, with the lines of faults and what maps hold, for a test that failed."""
        lines = []
        for one in self._opened:
            lines.append(repr(one))
            if one.last is not None and one.last.fault is not None and one.last.fault.source is not None:
                lines += excerpt(one.last.fault.source)
            for name, contents in one.maps.items() if one.last is not None else ():
                lines.append(f"  {name}: {_shown(contents)}")
        for seen in [one.last for one in self._scripts if one.last is not None]:
            lines += [repr(seen), *(f"  {one!r}" for one in seen.runs[-_ENTRIES:])]
            for fault in seen.faults:
                lines += excerpt(fault.source) if fault.source is not None else []
            lines += [f"  {name}: {_shown(contents)}" for name, contents in seen.maps.items()]
        return "\n".join(lines)


def _shown(contents: Mapping[Any, Any]) -> str:
    """A map's entries that are not 0, as many as fit a line."""
    held = [f"{key}: {value}" for key, value in contents.items() if value != 0]
    more = [f"… {len(held) - _ENTRIES} more"] if len(held) > _ENTRIES else []
    zeros = len(contents) - len(held)
    return f"{{{', '.join([*held[:_ENTRIES], *more])}}}" + (f", and {zeros} that are 0" if zeros else "")
