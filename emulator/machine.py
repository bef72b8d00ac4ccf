"""The backend `interp`: an object's program and maps in an arena, run by the reference tier."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.emulator import helpers
from bpfvm.emulator.code import prepare
from bpfvm.emulator.contexts import Context, ContextBuilder
from bpfvm.emulator.helpers.maps import MapRegion
from bpfvm.emulator.interp import BUDGET, Interpreter, Stop
from bpfvm.emulator.maps import MapStore, create
from bpfvm.emulator.memory import Arena, Pointer
from bpfvm.obj.model import ObjectSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

MAP_OBJECT = 64  # bytes that a map itself takes in the arena: an address of its own, which no program can read


class Interp:
    """The reference tier behind the protocol of all machines. budget: instructions that one run may execute."""

    name = "interp"

    def __init__(self, budget: int = BUDGET) -> None:
        self.budget = budget

    def load(self, spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> Loaded:
        """Check and bind `program`. LoadError or Unavailable says what cannot run."""
        if program not in spec.programs:
            raise LoadError(f"the object has no program {program!r}; it has {', '.join(spec.programs) or 'none'}")
        return Loaded(self, spec, program, maps)


class Loaded:
    """A program with its memory and maps."""

    def __init__(self, backend: Interp, spec: ObjectSpec, program: str, given: Mapping[str, Entries]) -> None:
        if spec.endian != "little":
            raise LoadError(f"{program}: the object is {spec.endian}-endian, the emulated machine is little-endian")
        self._program = spec.programs[program]
        self._arena = Arena()
        wanted = dict.fromkeys((*self._program.map_names, *given))
        missing = [name for name in wanted if name not in spec.maps]
        if missing:
            raise LoadError(f"{program}: the object has no map {missing[0]!r}")
        self._maps = {name: create(self._arena, spec.maps[name]) for name in wanted}
        self._owners = {name: self._owner(name, store) for name, store in self._maps.items()}
        pointers = {name: Pointer(owner, 0) for name, owner in self._owners.items()}
        steps = prepare(self._program, pointers, self._value)
        table = {HELPERS[name].id: function for name, function in helpers.IMPLEMENTED.items()}
        self._interpreter = Interpreter(steps, self._arena, table, backend.budget)
        self._contexts = ContextBuilder(self._arena, PROGRAM_TYPES[self._program.type])
        for name, entries in given.items():
            self.write_map(name, entries)

    def __enter__(self) -> Loaded:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Release the memory. Once is enough, more does no harm."""
        self._maps = {}
        self._arena.close()

    def run(self, given: Input) -> Result:
        """One run; a machine fault is part of the result."""
        context = self._contexts.build(given)
        interpreter, fault, r0 = self._interpreter, None, 0
        try:
            r0 = interpreter.run(context, given.seed)
        except Stop as stop:
            source = self._program.source_of(interpreter.slot)
            fault = Fault(stop.kind, stop.message, interpreter.slot, source)
        warnings = (
            Fault("uninitialised", message, slot, self._program.source_of(slot))
            for slot, message in interpreter.warnings.items()
        )
        return Result(
            r0=r0,
            packet=bytes(context.packet.data) if context.packet is not None else None,
            ctx=_buffer(context),
            fault=fault,
            insns=interpreter.executed,
            warnings=tuple(warnings),
        )

    def read_map(self, name: str) -> Entries:
        """The contents of a map. UsageError for one that the program does not use."""
        return self._map(name).entries()

    def write_map(self, name: str, entries: Entries) -> None:
        """Put `entries` into a map. UsageError for one that the program does not use."""
        self._map(name).fill(entries)

    def _map(self, name: str) -> MapStore:
        if name not in self._maps:
            used = ", ".join(self._maps) or "none"
            raise UsageError(f"{self._program.name} does not use a map {name!r}; its maps are {used}")
        return self._maps[name]

    def _owner(self, name: str, store: MapStore) -> MapRegion:
        place = self._arena.allocate(f"map {name}", MAP_OBJECT, "map", writable=False, readable=False)
        owner = MapRegion(place.name, place.base, place.size, place.kind, place.data, False, False)
        owner.store = store
        return owner

    def _value(self, name: str, offset: int) -> Pointer:
        """What an lddw of a map's value loads. The kernel has it for arrays of one entry, as data sections are."""
        store = self._maps[name]
        if store.spec.max_entries != 1:
            raise LoadError(
                f"map {name}: its value is addressed directly, which takes 1 entry, not {store.spec.max_entries}"
            )
        first = store.element(store.values.base)
        if not 0 <= offset < first.region.size:
            raise LoadError(f"map {name}: offset {offset} is outside of its value of {first.region.size} bytes")
        return first.moved(offset)


def _buffer(context: Context) -> bytes | None:
    """The context's bytes, for types whose context is a plain buffer."""
    return bytes(context.region.data) if context.packet is None else None
