"""What a script showed: maps, events, lines of the trace, and each run of a program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Fault
from bpfvm.lang.traced import stacks
from bpfvm.run import compare
from bpfvm.run.outcome import Outcome

_SHOWN = 8  # runs that differ, in a report


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a program. time: ns on the virtual clock. event: as the script calls it. outcome: maps are not in it.

    events: records that it gave to user space, by map: values of the type that the map was declared with.
    """

    time: int
    event: str
    program: str
    outcome: Outcome
    events: Mapping[str, list[Any]]

    def __repr__(self) -> str:
        return f"<{self.time} ns {self.event}: {self.program} {self.outcome.said}>"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen in the end. maps: name -> {key: value}, as in an Outcome. runs: of programs, in order.

    engines: the machines that agreed on it.
    """

    maps: Mapping[str, dict[Any, Any]]
    runs: tuple[Ran, ...]
    engines: tuple[str, ...]

    def __repr__(self) -> str:
        return f"<Seen of {len(self.runs)} runs on {', '.join(self.engines)}; maps: {', '.join(self.maps) or 'none'}>"

    @property
    def events(self) -> dict[str, list[Any]]:
        """Records that programs gave to user space, in order, by map: values of the type it was declared with."""
        found: dict[str, list[Any]] = {}
        for one in self.runs:
            for name, records in one.events.items():
                found.setdefault(name, []).extend(records)
        return found

    @property
    def lost(self) -> dict[str, int]:
        """Records that found no room, by map."""
        found: dict[str, int] = {}
        for one in self.runs:
            for name, count in one.outcome.lost.items():
                found[name] = found.get(name, 0) + count
        return found

    @property
    def trace(self) -> list[str]:
        """Lines that programs printed, in order."""
        return [line for one in self.runs for line in one.outcome.trace]

    @property
    def faults(self) -> list[Fault]:
        """Faults that ended runs, in order."""
        return [one.outcome.fault for one in self.runs if one.outcome.fault is not None]

    @property
    def last(self) -> Outcome:
        """The outcome of the last run, with the maps."""
        return replace(self.runs[-1].outcome, maps=self.maps) if self.runs else Outcome(0, maps=self.maps)

    def counted(self, name: str) -> dict[Any, Any]:
        """What a map holds that is not 0: the slots of a histogram that something fell into."""
        return {key: value for key, value in self._map(name).items() if value != 0}

    def stack(self, name: str, number: int) -> list[str]:
        """The frames of a call stack in a map of them, the innermost first: "malloc", "main+0x1c"; none for the number
        of an error."""
        found = self._map(name).get(number, ()) if number >= 0 else ()
        return [stacks.named(int(one)) for one in found if one]

    def agreed(self, engines: tuple[str, ...]) -> Seen:
        """The same, of several machines."""
        return replace(self, engines=engines)

    def _map(self, name: str) -> dict[Any, Any]:
        if name not in self.maps:
            raise UsageError(f"the programs do not use a map {name!r}; their maps are {', '.join(self.maps) or 'none'}")
        return self.maps[name]


def differences(what: str, found: Mapping[str, Seen]) -> str | None:
    """What differs between machines, run by run and in the maps, or None where nothing does."""
    (first, reference), *others = found.items()
    parts = []
    for name, other in others:
        lines = []
        for number, (one, two) in enumerate(zip(reference.runs, other.runs, strict=True), 1):
            told = compare.differences(first, one.outcome, name, two.outcome)
            lines += [f"    run {number}, {one.program} at {one.time} ns on {one.event}: {line}" for line in told]
        ends = compare.differences(first, Outcome(0, maps=reference.maps), name, Outcome(0, maps=other.maps))
        more = [f"    … {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
        lines = [*lines[:_SHOWN], *more, *(f"    in the end, {line}" for line in ends)]
        parts += [f"  {name} differs from {first}:", *lines] if lines else []
    return "\n".join([f"{what} is not the same on all machines", *parts]) if parts else None
