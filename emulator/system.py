"""The emulated kernel around programs: memory, maps, virtual CPUs, time, chance, and what a run leaves behind.

Every tier runs on one System, and everything in it is deterministic: time stands still but for a step at each reading,
random numbers come from the input's seed, CPUs take turns as inputs say. What a map holds is in the arena, so the arena
is the state of the machine.
"""

from __future__ import annotations

import errno
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.core.machine import Entries, Input, Task
from bpfvm.emulator.arguments import Helper
from bpfvm.emulator.blocks import Blocks
from bpfvm.emulator.code import Code, prepare
from bpfvm.emulator.maps import MapStore, Source, create
from bpfvm.emulator.memory import Arena, MapRegion, Pointer, Region
from bpfvm.emulator.timers import Timers
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.ctx.sockets import SOCK

if TYPE_CHECKING:
    from bpfvm.emulator.answers import Answer
    from bpfvm.emulator.state import Part, State

MAP_OBJECT = 64  # bytes that a map itself takes in the arena: an address of its own
CLOCK_STEP = 1  # ns that one reading of the clock takes
AGAIN = 1 << 64  # between the keys of one address that is owned more than once
MAX_CPUS = 256


@dataclass(frozen=True, slots=True)
class Lock:
    """The lock that a program holds. name: in words. slot: of the call that took it."""

    address: int
    name: str
    slot: int

    def __str__(self) -> str:
        return self.name


class UserMemory(Protocol):
    """The memory of a process: emulator.process.memory.Memory."""

    def read_user(self, address: int, size: int) -> bytes | None:
        """`size` bytes, None where any of them is not mapped."""


# Of the name of a kernel function and the program's type, what it calls; None where there is none
Kfuncs: TypeAlias = "Callable[[str, str], Helper | None]"


def _no_kfunc(name: str, program_type: str) -> Helper | None:
    return None


class System:
    """One machine. cpus: virtual CPUs that it has; `cpu` is the one that runs now."""

    def __init__(
        self, spec: ObjectSpec, maps: Sequence[str], cpus: int = 1, answers: Mapping[str, Answer] | None = None,
        kfuncs: Kfuncs = _no_kfunc, arch: str = "x86_64",
    ) -> None:  # fmt: skip
        """maps: names of those to make. arch: whose registers programs see.

        LoadError for a map that the object lacks, Unavailable for one of an unknown type.
        """
        if not 1 <= cpus <= MAX_CPUS:
            raise UsageError(f"{cpus} virtual CPUs, and there can be 1 to {MAX_CPUS}")
        self.spec, self.cpus, self.cpu, self.arch = spec, cpus, 0, arch
        self.arena = Arena()
        self.now = 0
        self._seed = 0
        self._random: random.Random | None = None
        self.trace: list[str] = []
        self.events: dict[str, list[bytes]] = {}
        self.lost: dict[str, int] = {}  # as core.machine.Result has it
        self.sources: list[Source] = []
        self.parts: list[Part] = []  # what else keeps something of a run
        self.owned: dict[int, str] = {}  # by address, what the program has to give back, in words
        self.redirect: str | None = None  # where the packet goes if the program returns that it does, in words
        self.clones: list[str] = []  # where copies of the packet went
        self.maps: dict[str, MapStore] = {}
        self.handles: dict[int, MapStore] = {}  # by the address that is a map for programs
        self.lock: Lock | None = None
        self.dynptrs: dict[int, bytes] = {}  # by address, what the run made of 16 bytes of stack
        self.iterators: dict[int, tuple[str, bytes]] = {}  # by address on the stack, of what, and what it goes through
        self.sections: list[tuple[str, int]] = []  # that the program began, outermost first, and the slot of each call
        self.retval = 0  # what get_retval tells
        self.objects: dict[bytes, Region] = {}  # read-only memory that users' functions gave
        self.sockets: dict[int, Region] = {}  # struct bpf_sock of those in maps, by their numbers
        self.answers = dict(answers or {})  # users' functions by name, for helpers and kernel functions
        self.kfuncs = kfuncs  # kernel functions that there are besides
        self.timers = Timers(self)
        self.process: UserMemory | None = None  # the process that programs on its probes see, None for none
        self.walks = False  # whether programs have pointers to the kernel's objects, which they may load through
        self.given: Blocks | None = None  # memory that the input of this run gives
        self.task: Task | None = None  # that this run is in, None for this process's own
        self.function: int | None = None  # as core.machine.Input has it
        self.cookie = 0
        self.input = Input()  # the run's
        self._memory: Mapping[int, bytes] = {}  # what `given` is made of
        self._codes: dict[str, Code] = {}
        for name in maps:
            self.make_map(name)

    def close(self) -> None:
        """Release the memory. Once is enough, more does no harm."""
        self.maps, self._codes = {}, {}
        self.arena.close()

    def code(self, program: str) -> Code:
        """A program of the object, checked and bound on first use. LoadError or Unavailable says what cannot run."""
        if program not in self._codes:
            self._codes[program] = prepare(self.spec.programs[program], self)
        return self._codes[program]

    def make_map(self, name: str) -> MapStore:
        """The map that the object declares under `name`, made on first use."""
        if name not in self.maps:
            if name not in self.spec.maps:
                raise LoadError(f"the object has no map {name!r}; it has {', '.join(self.spec.maps) or 'none'}")
            self.maps[name] = self.create(self.spec.maps[name])
        return self.maps[name]

    def create(self, spec: MapSpec) -> MapStore:
        """A map of its own, not known by name: what stands inside a map of maps."""
        store = create(self, spec)
        place = self.arena.allocate(f"map {spec.name}", MAP_OBJECT, "map", writable=False, readable=False)
        store.handle = MapRegion(place.name, place.base, place.size, place.kind, place.data, False, False)
        store.handle.store = store
        self.handles[place.base] = store
        place.within = lambda offset: Pointer(store.handle, offset)
        store.fill(list(spec.entries))
        return store

    def snapshot(self) -> State:
        """All that the machine is now."""
        from bpfvm.emulator.state import taken  # for debuggers: few machines are stopped and gone on with

        return taken(self)

    def restore(self, snapshot: State) -> None:
        """Make it what it was then. Maps and programs that were made since stay, as they are."""
        from bpfvm.emulator.state import put_back

        put_back(self, snapshot)

    def begin(self, given: Input) -> None:
        """Make ready for one run."""
        if not 0 <= given.cpu < self.cpus:
            raise UsageError(f"the input is for CPU {given.cpu}, and the machine has {self.cpus}")
        self.cpu, self.now = given.cpu, given.clock
        if given.memory is not self._memory:
            self._memory, self.given = given.memory, Blocks(given.memory) if given.memory else None
        self.task, self.function, self.cookie, self.input = given.task, given.function, given.cookie, given
        self._seed, self._random = given.seed << 64 | given.clock, None  # packets do not draw the same numbers
        self.trace, self.events, self.lost, self.redirect, self.clones = [], {}, {}, None, []
        for one in self.sources:
            one.begin()
        self.lock, self.dynptrs, self.retval = None, {}, 0
        self.iterators, self.sections = {}, []

    def own(self, address: int, what: str) -> None:
        """The program has to give back what stands at an address, as often as it got it."""
        while address in self.owned:
            address += AGAIN
        self.owned[address] = what

    def disown(self, address: int) -> bool:
        """The program gives it back; False for what it does not own."""
        if address not in self.owned:
            return False
        while address + AGAIN in self.owned:
            address += AGAIN
        del self.owned[address]
        return True

    def socket(self, number: int) -> Region:
        """struct bpf_sock of a socket that user space, or a sock_ops program, named by a number: zeros."""
        if number not in self.sockets:
            self.sockets[number] = self.arena.allocate(f"socket {number}", SOCK.size, "object", writable=False)
        return self.sockets[number]

    def finish(self) -> str | None:
        """End a run: records are taken out of their maps. What the program still owns, in words, None for nothing."""
        for one in self.sources:
            records, lost = one.take()
            if records:
                self.events.setdefault(one.spec.name, []).extend(records)
            if lost:
                self.lost[one.spec.name] = self.lost.get(one.spec.name, 0) + lost
        owned, self.owned = self.owned, {}
        return ", ".join(words for _, words in sorted(owned.items())) if owned else None

    @property
    def random(self) -> random.Random:
        """The run's random numbers; seeded when they are first asked for, because that takes longer than most runs."""
        if self._random is None:
            self._random = random.Random(self._seed)
        return self._random

    @property
    def chance(self) -> tuple[int, Any]:
        """The run's seed, and what comes next of its random numbers; None before the first."""
        return self._seed, self._random.getstate() if self._random is not None else None

    @chance.setter
    def chance(self, given: tuple[int, Any]) -> None:
        self._seed, following = given
        self._random = None
        if following is not None:
            self.random.setstate(following)

    def clock(self) -> int:
        """The time in ns. Reading takes CLOCK_STEP."""
        self.now += CLOCK_STEP
        return self.now - CLOCK_STEP

    def read_map(self, name: str) -> Entries:
        """The contents of a map. UsageError for one that is not loaded."""
        return self._known(name).entries()

    def element(self, name: str, key: bytes) -> bytes | list[bytes] | None:
        """What a map holds under a key, None for nothing. UsageError for a map that is not loaded."""
        store = self._known(name)
        found = store.sys_lookup(key) if len(key) == store.spec.key_size else -errno.ENOENT
        if isinstance(found, int):  # types without such look-ups are looked through
            return None if found == -errno.ENOENT else dict(store.entries()).get(key)
        return found

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map, as user space does. UsageError for a map that is not loaded."""
        self._known(name).fill(entries)

    def fill(self, given: Mapping[str, Entries]) -> None:
        """Contents of several maps, before the first run."""
        for name, entries in given.items():
            self.write_map(name, entries)

    def _known(self, name: str) -> MapStore:
        if name not in self.maps:
            raise UsageError(f"the program does not use a map {name!r}; its maps are {', '.join(self.maps) or 'none'}")
        return self.maps[name]
