"""Contexts: what r1 points to when a program starts, built from an input by the program type's table row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.emulator.memory import Arena, Pointer, Region
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.ctx import Context as Layout
from bpfvm.tables.progs import ProgramType

HEADROOM = 256  # bytes before the packet: XDP_PACKET_HEADROOM (include/uapi/linux/bpf.h)
MAX_PACKET = 1 << 16
RUNS = ("xdp", "syscall")  # the program types whose contexts are made here
MAX_BUFFER = 1 << 16  # of a plain context; BPF_PROG_TEST_RUN takes the same (measured on 6.18)


@dataclass(slots=True)
class Context:
    """A program's context region, and its packet where it has one.

    `fields`: offset of a context field -> the pointer that a 4-byte load of it gives.
    """

    region: Region
    packet: Region | None
    fields: dict[int, Pointer]

    def pointer(self) -> Pointer:
        """What r1 is."""
        return Pointer(self.region, 0)


class ContextBuilder:
    """Makes contexts for one program type, in regions that are used again for every run."""

    def __init__(self, arena: Arena, kind: ProgramType) -> None:
        if kind.name not in RUNS:
            raise Unavailable(
                f"the emulator runs programs of type {' and '.join(RUNS)} in this version, not {kind.name}"
            )
        self.kind = kind
        self._layout = CONTEXTS[kind.context] if kind.context else None
        size = self._layout.size if self._layout else MAX_BUFFER
        self._region = arena.allocate("context", size, "context", writable=self._layout is None)
        self._frame = arena.allocate("packet", HEADROOM + MAX_PACKET, "packet") if kind.layer else None

    def build(self, given: Input) -> Context:
        """The context for one run. Unavailable for an input that the type cannot have."""
        if self._layout is None:
            return self._buffer(given)
        assert self._frame is not None, "a type with a context table has packets"
        if given.packet is None:
            raise Unavailable(f"a {self.kind.name} program needs a packet")
        if len(given.packet) > MAX_PACKET:
            raise Unavailable(f"a packet of {len(given.packet)} bytes is over the emulator's {MAX_PACKET}")
        size = len(given.packet)
        base = self._frame.base + HEADROOM
        packet = Region("packet", base, size, "packet", self._frame.data[HEADROOM : HEADROOM + size])
        packet.data[:] = given.packet
        self._frame.within = lambda offset: Pointer(packet, offset - HEADROOM)
        _check_fields(self._layout, given.fields)
        places = {"packet": 0, "packet_end": size, "packet_meta": 0}
        fields = {}
        for one in self._layout.fields:
            if one.pointer:
                fields[one.offset] = Pointer(packet, places[one.pointer])
                value = fields[one.offset].address
            else:
                value = given.fields.get(one.name, one.default)
            self._region.data[one.offset : one.offset + one.size] = value.to_bytes(one.size, "little")
        return Context(self._region, packet, fields)

    def _buffer(self, given: Input) -> Context:
        if given.fields:
            wrong = next(iter(given.fields))
            raise UsageError(f"a {self.kind.name} program's context has no field {wrong!r}: give it as bytes")
        words = given.ctx or b""
        if len(words) > MAX_BUFFER:
            raise Unavailable(f"a context of {len(words)} bytes is over {MAX_BUFFER}")
        region = Region("context", self._region.base, len(words), "context", self._region.data[: len(words)])
        region.data[:] = words
        self._region.within = lambda offset: Pointer(region, offset)
        return Context(region, None, {})


def _check_fields(layout: Layout, given: Mapping[str, int]) -> None:
    """UsageError for a field that the context does not have, that is an address, or that is too narrow."""
    settable = {one.name: one for one in layout.fields if one.pointer is None}
    for name, value in given.items():
        if name not in settable:
            raise UsageError(f"{layout.name} has no field {name!r} that can be given; it has {', '.join(settable)}")
        bits = 8 * settable[name].size
        if not 0 <= value < 1 << bits:
            raise UsageError(f"{layout.name}.{name} = {value} does not fit its {bits} bits")
