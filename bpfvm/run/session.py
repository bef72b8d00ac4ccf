"""One program on one machine over many inputs: maps keep their contents, faults get their names back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any

from bpfvm.core.bits import M32
from bpfvm.core.errors import Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Entries, Fault, Input, Result
from bpfvm.core.named import Named
from bpfvm.lang.faults import RECORD
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.values.contents import Contents, decode_entries, encode_entries
from bpfvm.run.backend import Backend
from bpfvm.run.refusal import explained
from bpfvm.tables.progs import BY_NAME, ProgramType

if TYPE_CHECKING:
    from bpfvm.emulator.native.captures.batch import Batch, Sample, Slice
    from bpfvm.emulator.native.captures.threads import Threads
    from bpfvm.lang.functions.signature import Signature
    from bpfvm.lang.types.structs import StructType
    from bpfvm.obj.captures.capture import Capture
    from bpfvm.obj.captures.pcap import Plain
    from bpfvm.obj.values.typed_map import TypedMap
    from bpfvm.run.outcome import Outcome


class Session:
    """A loaded program. Use as a context manager, or call `close`."""

    def __init__(
        self,
        backend: Backend,
        spec: ObjectSpec,
        program: str,
        signature: Signature | None = None,
        maps: Mapping[str, Contents] | None = None,
        recorded: bool = True,
        beside: Session | None = None,
    ) -> None:
        """recorded: a compiled program's faults are in its record map; False for a machine that names them itself.
        beside: the session of another program of the object, on an emulator, that shares its maps with this one."""
        self.engine = backend.name
        self.context: StructType | None = None  # what the context of plain bytes is, where that is known
        self.spec, self.signature = spec, signature
        self._threads: Threads | None = None  # of the last capture
        self.program: ProgramSpec = spec.programs[program]
        self.type: ProgramType = BY_NAME[self.program.type]
        self._recorded = recorded and bool(self.program.fault_sites) and RECORD in spec.maps_of(program)
        try:
            contents = _given_maps(spec, maps or {})
            if beside is None:
                self._loaded = backend.load(spec, program, contents)
            else:
                emulator: Any = backend
                self._loaded = emulator.load(spec, program, contents, beside.machine)
        except VerifierReject as refused:
            raise explained(spec, program, refused) from None

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def machine(self) -> Any:
        """What the engine made of the program; a debugger looks into the emulator's."""
        return self._loaded

    def close(self) -> None:
        """Release the machine's program and maps."""
        self._loaded.close()

    def run(self, given: Input) -> Result:
        """One run, its fault named; maps are not read. The cheap form for many packets."""
        return self.named(self._loaded.run(given))

    def named(self, result: Result) -> Result:
        """What the machine's own run gave, with the fault that the program recorded in it."""
        if not self._recorded or result.fault is not None:
            return result
        fault = self._recorded_fault()
        return result if fault is None else replace(result, fault=fault)

    @property
    def takes_batches(self) -> bool:
        """Whether the program can run over captures in compiled code."""
        if self.engine != "native":
            return False
        from bpfvm.emulator.native.captures import batch

        return batch.why_not(self.machine) is None

    def leave_uncounted(self) -> None:
        """Slices of captures need not tell how many instructions were executed: where no run can need more than the
        budget, compiled code is faster without."""
        if self.engine == "native":
            self.machine.tier.counts = False

    def batch(
        self, capture: Capture, base: Input, cpus: int, first: int, limit: int | None, sample: Sample | None = None
    ) -> Iterator[Slice] | None:  # fmt: skip
        """All packets of a capture in compiled code, what they add up to in slices; None where each has to be a run.

        base: what all inputs have. first: the number of the first packet. sample: who looks at some. A last
        slice that is `odd` leaves the rest of
        the capture to who reads it packet by packet.
        """
        plain = capture.plain
        if plain is None or capture.number is None or not self.takes_batches:
            return None
        from bpfvm.emulator.native.captures.contexts import GIVEN

        if not GIVEN.isdisjoint(base.fields or ()):
            return None
        if not capture.is_whole(self.type.layer or ""):
            return None
        if getattr(self.machine.tier, "gate", None) is not None:
            from bpfvm.emulator.native.captures.threads import Threads, why_not

            reason = why_not(self.machine)
            if reason is not None:
                raise Unavailable(f"{self.program.name} cannot run on threads: {reason}")
            if self._threads is None or self._threads.of != (base, cpus):  # the arena gives no memory back
                self._threads = Threads(self.machine, base, cpus)
            return self._of_threads(self._threads, capture, plain, first, limit)
        from bpfvm.emulator.native.captures import batch

        return self._slices(batch.Batch(self.machine, base, cpus, RECORD if self._recorded else None), capture, plain,
                            first, limit, sample)  # fmt: skip

    def _of_threads(
        self, threads: Threads, capture: Capture, plain: Plain, first: int, limit: int | None
    ) -> Iterator[Slice]:  # fmt: skip
        with threads:
            yield from threads.run(capture, plain, first, limit)

    def _slices(
        self, batch: Batch, capture: Capture, plain: Plain, first: int, limit: int | None, sample: Sample | None
    ) -> Iterator[Slice]:  # fmt: skip
        with batch:
            for one in batch.run(capture, plain, first, limit, sample):
                if one.value is not None and self._recorded:
                    one.fault = self._recorded_fault()
                yield one

    def value_of(self, result: Result) -> int:
        """What the program returned, by its return type: u32 for hooks, the annotated type for functions of scalars."""
        return result.r0 & M32 if self.signature is None else self.signature.returned(result.ctx)

    def outcome(self, given: Input) -> Outcome:
        """One run with everything that can be known after it."""
        result = self.run(given)
        from bpfvm.run.outcome import Outcome

        value = self.value_of(result)
        return Outcome(
            value=value,
            action=self.type.action(value),
            packet=result.packet,
            maps=self.maps(),
            trace=list(result.trace),
            ctx=self._context_after(result),
            events={name: list(records) for name, records in result.events.items()},
            lost=result.lost,
            redirect=result.redirect,
            fault=result.fault,
            insns=result.insns,
            warnings=result.warnings,
            engines=(self.engine,),
        )

    def _context_after(self, result: Result) -> dict[str, Any]:
        if self.context is not None and result.ctx is not None:
            from bpfvm.run.fields import fields_of

            found = fields_of(self.context, result.ctx)
            if found is not None:
                return found
        return dict(result.fields)

    def maps(self) -> dict[str, dict[Any, Any]]:
        """The contents of the maps that the program uses, typed: name -> {key: value}."""
        return Named("map", {
            name: decode_entries(one, self.spec.btf, self._loaded.read_map(name), self.spec.endian)
            for name, one in self.spec.visible_maps(self.program.name).items()
        })  # fmt: skip

    def entries(self) -> dict[str, Entries]:
        """The same contents as bytes."""
        return {name: self._loaded.read_map(name) for name in self.spec.visible_maps(self.program.name)}

    def map(self, name: str) -> TypedMap:
        """A map as it is now, to read and to change. Unavailable where the machine gives whole contents only."""
        system, kernel_map = getattr(self._loaded, "system", None), getattr(self._loaded, "map", None)
        if system is not None:
            if name not in system.maps:
                used = ", ".join(self.spec.visible_maps(self.program.name)) or "none"
                raise UsageError(f"the program does not use a map {name!r}; its maps are {used}")
            from bpfvm.run.mapview import MapView

            return MapView(system, name, self.spec.btf, self.spec.endian)
        if kernel_map is None:
            raise Unavailable(f"engine {self.engine} shows maps as a whole: use maps()")
        from bpfvm.kernel.maps.table import Table

        return Table(kernel_map(name), self.spec.btf, self.spec.endian)

    def _recorded_fault(self) -> Fault | None:
        (_, value), *_ = self._loaded.read_map(RECORD)
        assert isinstance(value, bytes), "the fault record is not per-CPU"
        number = int.from_bytes(value, "little")  # a compiled program is
        if not number:
            return None
        self._loaded.write_map(RECORD, [(bytes(4), bytes(len(value)))])
        site = self.program.fault_sites[number - 1]
        return Fault(site.kind, site.message, source=site.source, machine=False)


def _given_maps(spec: ObjectSpec, maps: Mapping[str, Contents]) -> dict[str, Entries]:
    if not isinstance(maps, Mapping):
        raise UsageError(f"maps={maps!r:.80}: the contents of maps are given as {{name: contents}}")
    given = {}
    for name, contents in maps.items():
        if name not in spec.maps:
            shown = [one.name for one in spec.maps.values() if not one.hidden]
            raise UsageError(f"there is no map {name!r}; the maps are {', '.join(shown) or 'none'}")
        given[name] = encode_entries(spec.maps[name], spec.btf, contents, spec.endian)
    return given
