"""BPF_MAP_TYPE_PERF_EVENT_ARRAY: samples for user space. The machine has an event on each CPU, at the CPU's number.

Each event has a buffer as perf_event_open(2) shares it (include/uapi/linux/perf_event.h):

    page 0        u64 at 1024: data_head | data_tail | data_offset | data_size; behind them, the machine's own:
                  u64 at 1056: samples that found no room since the last record
    from page 1   data, 64 pages: records, each u32 type, u16 misc, u16 size with the 8 bytes of this header

    type 9 sample: u32 size, the program's bytes, zeros until the record is a multiple of 8 bytes; size counts these
    type 2 lost:   u64 id, u64 how many samples found no room before the next one

Measured on 6.18: one byte of the data stays free, and a sample whose record would be 64 KiB or more vanishes while the
helper returns 0. A run's samples are taken out at its end, and a fresh buffer stands there for the next.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from bpfvm.core.errors import LoadError
from bpfvm.emulator.maps.descriptors import DescriptorArray
from bpfvm.emulator.memory import PAGE
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    from bpfvm.emulator.maps import MapClass
    from bpfvm.emulator.system import System

PAGES = 64
SIZE = PAGES * PAGE
SAMPLE, LOST = 9, 2
LOST_BYTES = 24
MOST = 1 << 16  # bytes that a record is smaller than
_HEAD, _TAIL, _OFFSET, _SIZE, _MISSED = range(128, 133)  # words of 8 bytes in page 0


class PerfEventArray(DescriptorArray):
    """One such array."""

    def __init__(self, system: System, spec: MapSpec) -> None:
        super().__init__(system, replace(spec, max_entries=spec.max_entries or system.cpus))
        self._buffers = []
        for cpu in range(min(system.cpus, self.spec.max_entries)):
            place = system.arena.allocate(f"{spec.name} samples of CPU {cpu}", PAGE + SIZE, "map", False, False)
            words = place.data[:PAGE].cast("Q")
            words[_OFFSET], words[_SIZE] = PAGE, SIZE
            self._buffers.append((words, place.data[PAGE:]))
        system.sources.append(self)
        self._vanished = 0

    def chosen(self, index: int) -> int:
        """0 for an index at which the running CPU's event stands, or a negative errno."""
        if index >= self.spec.max_entries:
            return -errno.E2BIG
        if index >= len(self._buffers):
            return -errno.ENOENT
        return 0 if index == self.system.cpu else -errno.EOPNOTSUPP

    def output(self, data: bytes) -> int:
        """One sample on the running CPU, whose event stands here: 0, or -ENOSPC where there is no room."""
        words, memory = self._buffers[self.system.cpu]
        body = len(data) + 4 + 7 & ~7
        if 8 + body >= MOST:
            self._vanished += 1
            return 0
        head, missed = words[_HEAD], words[_MISSED]
        if SIZE - 1 - (head - words[_TAIL]) < 8 + body + (LOST_BYTES if missed else 0):
            words[_MISSED] = missed + 1
            return -errno.ENOSPC
        if missed:
            told = _header(LOST, LOST_BYTES) + bytes(8) + missed.to_bytes(8, "little")
            head, words[_MISSED] = _put(memory, head, told), 0
        sample = _header(SAMPLE, 8 + body) + (body - 4).to_bytes(4, "little") + data
        words[_HEAD] = _put(memory, head, sample.ljust(8 + body, b"\0"))
        return 0

    def begin(self) -> None:
        """Nothing stands there between runs."""

    def take(self) -> tuple[list[bytes], int]:
        """Samples of all CPUs, by CPU, with the zeros behind each; how many more there were."""
        found: list[bytes] = []
        lost, self._vanished = self._vanished, 0
        for words, memory in self._buffers:
            at, end = words[_TAIL], words[_HEAD]
            while at < end:
                kind, size = memory[at], int.from_bytes(memory[at + 6 : at + 8], "little")
                if kind == SAMPLE:
                    found.append(bytes(memory[at + 12 : at + size]))
                else:
                    lost += int.from_bytes(memory[at + 16 : at + 24], "little")
                at += size
            lost += words[_MISSED]
            memory[:end] = bytes(end)
            words[_HEAD] = words[_TAIL] = words[_MISSED] = 0
        return found, lost

    def check_value(self, value: bytes | list[bytes]) -> None:
        raise LoadError(f"map {self.spec.name}: the machine has put its own perf events there, one a CPU")


def _header(kind: int, size: int) -> bytes:
    return kind.to_bytes(4, "little") + b"\1\0" + size.to_bytes(2, "little")  # misc 1: written by the kernel


def _put(memory: memoryview, at: int, record: bytes) -> int:
    """Store a record, the first of which in each run is at 0, so that none runs over the end; where the next goes."""
    memory[at : at + len(record)] = record
    return at + len(record)


TYPES: Mapping[str, MapClass] = {"perf_event_array": PerfEventArray}
