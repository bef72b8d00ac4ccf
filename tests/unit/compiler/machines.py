"""What CPython and the compiled program make of an input."""

from __future__ import annotations

import traceback
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from bpfvm.compiler import compile_program
from bpfvm.core.bits import M32
from bpfvm.core.machine import Entries, Input, Result
from bpfvm.emulator import INTERP
from bpfvm.lang.active import running
from bpfvm.lang.faults import FAULTS, RECORD, PacketError
from bpfvm.lang.functions.callee import callee
from bpfvm.lang.functions.signature import signature
from bpfvm.lang.hooks import Hook
from tests.unit.compiler.generated import SCALARS, XDP


@dataclass(frozen=True)
class Ending:
    """How a run ended: with the result's word, or by a fault of a kind at a line. maps: contents after, by name."""

    word: int | None
    fault: tuple[str, int] | None = None
    maps: dict[str, list[bytes]] = field(default_factory=dict)


def in_cpython(function: Any, words: Sequence[int]) -> Ending:
    """Run the function itself."""
    assert isinstance(function, types.FunctionType)
    declared = signature(callee(function))
    arguments = [scalar.value(word) for (_, scalar), word in zip(declared.params, words, strict=True)]
    try:
        return Ending(declared.result.word(function(*arguments)))
    except Exception as error:
        return Ending(None, _place(function, error))


def _place(function: types.FunctionType, error: Exception) -> tuple[str, int]:
    """The fault's name, and the function's line that raised it."""
    file = function.__code__.co_filename
    lines = [one.lineno for one in traceback.extract_tb(error.__traceback__) if one.filename == file]
    assert lines[-1] is not None
    return type(error).__name__, lines[-1]


class Simulated:
    """What declarations ask while a function runs in CPython: a packet, and maps as lists of bytes."""

    probe_faults = False

    def __init__(self, packet: bytes, maps: dict[str, list[bytes]]) -> None:
        self.packet, self.maps = packet, {name: list(values) for name, values in maps.items()}
        self.objects: list[bytes] = []

    layer = "eth"

    def packet_call(self, name: str, *arguments: int) -> int:
        raise AssertionError("no program here moves its packet")

    def packet_length(self) -> int:
        return len(self.packet)

    def packet_read(self, offset: int, size: int) -> bytes:
        if offset + size > len(self.packet):
            raise PacketError(f"{size} bytes at {offset} lie past the packet's end")
        return self.packet[offset : offset + size]

    def packet_write(self, offset: int, data: bytes) -> None:
        raise AssertionError("no program here writes to its packet")

    def meta_length(self) -> int:
        raise AssertionError("no program here looks before its packet")

    def meta_read(self, offset: int, size: int) -> bytes:
        raise AssertionError("no program here looks before its packet")

    def meta_write(self, offset: int, data: bytes) -> None:
        raise AssertionError("no program here looks before its packet")

    def field(self, offset: int, size: int) -> int:
        raise AssertionError("the context here is a namespace")

    def set_field(self, offset: int, size: int, value: int) -> None:
        raise AssertionError("no program here writes to its context")

    def handle(self, declared: Any) -> int:
        return list(self.maps).index(declared.name)

    def place(self, data: bytes) -> int:
        self.objects.append(data)
        return len(self.objects) - 1

    def helper(self, name: str, *arguments: int) -> int:
        values, at = list(self.maps.values())[arguments[0]], int.from_bytes(self.objects[arguments[1]], "little")
        if name == "map_lookup_elem":
            return self.place(values[at])
        assert name == "map_update_elem", name
        values[at] = self.objects[arguments[2]]
        return 0

    def called(self, name: str, words: Sequence[int], turn: Callable[..., int]) -> int:
        raise AssertionError(f"no helper calls a function here: {name}")

    def walk(self, handle: int) -> Iterator[tuple[int, int]]:
        raise AssertionError(f"no hash is gone over here: {handle}")

    def kfunc(self, name: str, *arguments: int) -> int:
        raise AssertionError("no program here calls a kernel function")

    def context_address(self) -> int:
        raise AssertionError("no program here passes its context on")

    def constant(self, data: bytes) -> int:
        return self.place(data)

    def trace(self, line: str) -> None:
        raise AssertionError("no program here prints")

    def start_timer(self, address: int, callback: Callable[..., Any], after: int) -> bool:
        raise AssertionError("no timers are generated")

    def keep(self, size: int) -> int:
        raise AssertionError("no dynptrs are generated")

    def program_type(self) -> str:
        return "xdp"

    def load(self, address: int, size: int) -> bytes:
        return self.objects[address][:size]

    def store(self, address: int, data: bytes) -> None:
        raise AssertionError("elements are numbers here")


def on_packet(function: types.FunctionType, packet: bytes, maps: dict[str, list[bytes]], ifindex: int) -> Ending:
    """Run an XDP program in CPython."""
    simulated = Simulated(packet, maps)
    context = types.SimpleNamespace(ingress_ifindex=ifindex)
    fault, value = None, None
    try:
        with running(simulated):
            value = function(*[context] * function.__code__.co_argcount)
    except FAULTS as error:
        fault = _place(function, error)
    word = None if fault else (XDP.on_fault if value is None else int(value) & M32)
    return Ending(word, fault, simulated.maps)


def _one(value: bytes | list[bytes]) -> bytes:
    """The value of a map that is not per-CPU."""
    assert isinstance(value, bytes)
    return value


class Machine:
    """A compiled function in the reference tier."""

    def __init__(self, function: types.FunctionType, hook: Hook = SCALARS) -> None:
        self.compiled = compile_program(function, hook, record_faults=True)
        (self._program,) = self.compiled.spec.programs.values()
        self._hook = hook
        self._loaded = INTERP.load(self.compiled.spec, self._program.name, {})
        self._maps = [name for name in self._program.map_names if name != RECORD]

    def run(self, words: Sequence[int]) -> Ending:
        """One run of a function of scalars."""
        result = self._run(Input(ctx=bytes(8) + b"".join(word.to_bytes(8, "little") for word in words)))
        fault = self._fault()
        assert result.ctx is not None
        return Ending(None, fault) if fault else Ending(int.from_bytes(result.ctx[:8], "little"))

    def on_packet(self, packet: bytes, maps: dict[str, list[bytes]], ifindex: int) -> Ending:
        """One run of an XDP program; maps that it does not name stay as they are given."""
        for name in self._maps:
            entries: Entries = [(place.to_bytes(4, "little"), value) for place, value in enumerate(maps[name])]
            self._loaded.write_map(name, entries)
        result = self._run(Input(packet=packet, fields={"ingress_ifindex": ifindex}))
        fault = self._fault()
        after = maps | {name: [_one(value) for _, value in self._loaded.read_map(name)] for name in self._maps}
        assert result.r0 >> 32 == 0 or fault
        assert not fault or result.r0 == self._hook.on_fault
        return Ending(None if fault else result.r0, fault, after)

    def _run(self, given: Input) -> Result:
        if RECORD in self._program.map_names:
            self._loaded.write_map(RECORD, [(bytes(4), bytes(4))])
        result = self._loaded.run(given)
        assert result.fault is None, f"{result.fault}"
        return result

    def _fault(self) -> tuple[str, int] | None:
        """The kind and line of the language fault that ended the run."""
        if RECORD not in self._program.map_names:
            return None
        ((_, record),) = self._loaded.read_map(RECORD)
        assert isinstance(record, bytes)
        site = int.from_bytes(record, "little")
        if not site:
            return None
        found = self._program.fault_sites[site - 1]
        return found.kind, found.source.line

    def close(self) -> None:
        self._loaded.close()


@contextmanager
def machine(function: types.FunctionType, hook: Hook = SCALARS) -> Iterator[Machine]:
    """The compiled function, loaded until the block ends."""
    made = Machine(function, hook)
    try:
        yield made
    finally:
        made.close()
