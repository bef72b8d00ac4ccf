"""The state of a machine as a value: its memory, and what it keeps beside it while a program runs.

What maps hold is in the arena. Beside it are the packet's place in its room, what is known of an skb, what the program
owns, the chance and the time of the run. A snapshot has all of it, so that one of the middle of a run, which a user's
function can take, is that very middle.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bpfvm.emulator.memory import Snapshot

if TYPE_CHECKING:
    from bpfvm.emulator.system import System

# What a run changes of a System; copied where it is a list or a dict
_OF_A_RUN = ("cpu", "now", "trace", "events", "lost", "owned", "redirect", "clones", "lock", "dynptrs", "iterators",
             "sections", "retval")  # fmt: skip


class Part(Protocol):
    """What keeps something of a run beside the arena: emulator.contexts.ContextBuilder."""

    def saved(self) -> object:
        """All of it."""

    def put_back(self, saved: Any) -> None:
        """Make it what it was."""


@dataclass(frozen=True, slots=True)
class State:
    """A machine at one moment. chance: what comes next of random numbers; None where none was asked for."""

    memory: Snapshot
    run: dict[str, Any]
    seed: int
    chance: Any
    parts: list[object]


def taken(system: System) -> State:
    """The state now."""
    run = {name: deepcopy(getattr(system, name)) for name in _OF_A_RUN}
    seed, chance = system.chance
    return State(system.arena.snapshot(), run, seed, chance, [one.saved() for one in system.parts])


def put_back(system: System, state: State) -> None:
    """Make the machine what it was. Maps that keep something beside memory make it anew."""
    system.arena.restore(state.memory)
    for name, value in state.run.items():
        setattr(system, name, deepcopy(value))
    system.chance = state.seed, state.chance
    for one, saved in zip(system.parts, state.parts, strict=True):
        one.put_back(saved)
    for store in system.maps.values():
        store.reload()
    system.timers.reload()
