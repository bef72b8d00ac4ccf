"""A map on a machine, asked by its program and by user space: the emulator's tiers and the kernel, in one form."""

from __future__ import annotations

import os
from collections.abc import Sequence as Many
from typing import Protocol, TypeAlias

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Entries, Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.machine import Loaded as Emulated
from bpfvm.emulator.system import System
from bpfvm.fuzz.maps.operation import MAP, Answer, Operation, Sequence
from bpfvm.fuzz.maps.program import BATCH, NAME, OPS, TARGETS, answered, given, object_of
from bpfvm.run.backend import Backend, Loaded, engine

CPUS = 2  # of emulators, where no kernel tells how many
BUDGET = 1 << 24  # instructions of one run
SysAnswer: TypeAlias = "bytes | list[bytes] | int"


class UserSide(Protocol):
    """bpf(2) on one map: emulator.maps.MapStore and kernel.maps.calls.Calls."""

    def sys_lookup(self, key: bytes, flags: int = 0) -> SysAnswer: ...

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int: ...

    def sys_delete(self, key: bytes) -> int: ...

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> SysAnswer: ...

    def next_key(self, key: bytes | None) -> bytes | int: ...


def cpus(names: Many[str]) -> int:
    """How many CPUs machines of these engines have."""
    if "kernel" not in names:
        return CPUS
    from bpfvm.kernel.maps.elements import possible_cpus

    return possible_cpus()


def backends(engines: Many[str | Backend]) -> list[Backend]:
    """The engines by name; emulators with as many CPUs as the kernel has, where it takes part."""
    count = cpus([one if isinstance(one, str) else one.name for one in engines])
    return [_named(one, count) if isinstance(one, str) else one for one in engines]


def _named(name: str, count: int) -> Backend:
    found = engine(name)
    return Emulator(name, BUDGET, count) if isinstance(found, Emulator) else found


class Machine:
    """The map of a sequence on one machine, fresh. Raises what loading a program raises."""

    def __init__(self, backend: Backend, case: Sequence) -> None:
        spec, self._case = object_of(case.map, case.beside), case
        self._kernel = backend.name == "kernel"
        self._cpu = -1
        self._affinity = os.sched_getaffinity(0) if self._kernel else set()
        maps: dict[str, Entries] = {one.name: [] for one in case.beside}
        if case.map.type == "prog_array":  # what stands there at load is what may stand there at all
            maps[MAP] = [(bytes(4), name.encode()) for name in TARGETS]
        self.loaded: Loaded = backend.load(spec, NAME, maps)
        self._system, self._user = _inside(self.loaded)

    def close(self) -> None:
        """Let go of the map, and of the CPU."""
        self.loaded.close()
        if self._kernel:
            os.sched_setaffinity(0, self._affinity)

    def answers(self, batch: Many[Operation]) -> list[Answer]:
        """Do operations of one side on one CPU, those of a program in one run."""
        self._go(batch[0].cpu)
        if batch[0].side == "user":
            return [self._asked(one) for one in batch]
        if self._case.map.type == "prog_array":
            return [self._jump(one) for one in batch]
        return self._run(batch)

    def contents(self) -> Entries:
        """What the map holds, as the machine reads it."""
        return self.loaded.read_map(MAP)

    def _go(self, cpu: int) -> None:
        if cpu == self._cpu:
            return
        if self._kernel:
            try:
                os.sched_setaffinity(0, {cpu})
            except OSError as error:
                raise Unavailable(f"this process cannot run on CPU {cpu}: {error.strerror}") from None
        elif self._system is not None:
            if cpu >= self._system.cpus:
                raise Unavailable(f"the machine has no CPU {cpu}, it has {self._system.cpus}")
            self._system.cpu = cpu
        self._cpu = cpu

    def _run(self, batch: Many[Operation]) -> list[Answer]:
        spec = self._case.map
        elements = [given(spec, one) for one in batch]
        if len(elements) < BATCH:
            elements.append(bytes(len(elements[0])))
        self.loaded.write_map(OPS, [(at.to_bytes(4, "little"), one) for at, one in enumerate(elements)])
        result = self.loaded.run(Input(packet=bytes(64), cpu=self._cpu))
        if result.fault is not None:
            raise Unavailable(f"the program ended early: {result.fault}")
        found = self.loaded.read_map(OPS)[: len(batch)]
        return [answered(spec, value) for _, value in found if isinstance(value, bytes)]

    def _jump(self, one: Operation) -> Answer:
        result = self.loaded.run(Input(packet=one.key.ljust(64, b"\0"), cpu=self._cpu))
        if result.fault is not None:
            raise Unavailable(f"the program ended early: {result.fault}")
        return result.r0, b""

    def _asked(self, one: Operation) -> Answer:
        user, found = self._user, b""
        answer: SysAnswer
        if one.name == "lookup":
            bloom = self._case.map.type == "bloom_filter"
            answer = user.sys_lookup(one.value if bloom and isinstance(one.value, bytes) else one.key, one.flags)
        elif one.name == "update":
            answer = user.sys_update(one.key, one.value, one.flags)
        elif one.name == "delete":
            answer = user.sys_delete(one.key)
        elif one.name == "lookup_and_delete":
            answer = user.sys_lookup_and_delete(one.key, one.flags)
        elif one.name == "contents":
            answer = b"".join(_walk(user))
        else:
            answer = user.next_key(one.key if one.name == "next_key" else None)
        return (answer, found) if isinstance(answer, int) else (0, answer)


def _walk(user: UserSide) -> list[bytes]:
    """Keys and values in the map's own order."""
    found, key = [], user.next_key(None)
    while isinstance(key, bytes):
        value = user.sys_lookup(key)
        shown = value if isinstance(value, list) else [value]
        found += [key, *(one if isinstance(one, bytes) else b"%d" % one for one in shown)]
        key = user.next_key(key)
    return found


def _inside(loaded: Loaded) -> tuple[System | None, UserSide]:
    """The system of an emulator, and user space's side of the map."""
    if isinstance(loaded, Emulated):
        return loaded.system, loaded.system.maps[MAP]
    from bpfvm.kernel import LoadedProgram
    from bpfvm.kernel.maps.calls import Calls

    assert isinstance(loaded, LoadedProgram), "machines are emulators and the kernel"
    return None, Calls(loaded.map(MAP))
