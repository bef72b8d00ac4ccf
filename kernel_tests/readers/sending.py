"""Programs that send what they are told to, in numbers: for tests of readers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType

from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.kernel.host.sizes import BYTE_ORDER, possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.sys import (
    MAP_UPDATE_ELEM,
    PROG_LOAD,
    PROG_TEST_RUN,
    Fd,
    MapElement,
    ProgLoad,
    TestRun,
    address,
    bpf,
)
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Int, Member, Struct
from bpfvm.obj.model import MapSpec
from bpfvm.tables.progs import BY_NAME

ROOM = 4096  # bytes of the data that events are cut from
TYPES = Btf((
    Int("u64", 8, 64), Int("u32", 4, 32), Int("char", 1, 8, is_signed=True), Array(3, 2, 16), Array(1, 2, 7),
    Struct("event", 88, (Member("ts", 1, 0), Member("pid", 2, 64), Member("uid", 2, 96), Member("comm", 4, 128),
                         Member("args", 5, 256))),
))  # fmt: skip

# An array's value: how many went out, how many did not, a size, then data, whose first word counts the events.
_SEND = """
r6 = r1
*(u32 *)(r10 -4) = 0
r1 = map[data]
r2 = r10
r2 += -4
call 1
if r0 == 0 goto out
r7 = r0
r1 = *(u64 *)(r7 +24)
r1 += 1
*(u64 *)(r7 +24) = r1
{send}
if r0 != 0 goto failed
r1 = *(u64 *)(r7 +0)
r1 += 1
*(u64 *)(r7 +0) = r1
goto out
failed: r1 = *(u64 *)(r7 +8)
r1 += 1
*(u64 *)(r7 +8) = r1
out: r0 = 2
exit
"""
_PERF = """
r5 = *(u64 *)(r7 +16)
if r5 > 4000 goto out
r1 = r6
r2 = map[events]
r3 = 0xffffffff ll
r4 = r7
r4 += 24
call 25
"""
_RING = """
r3 = *(u64 *)(r7 +16)
if r3 > 4000 goto out
r1 = map[events]
r2 = r7
r2 += 24
r4 = {flags}
call 130
"""
# Every other record of the ring is reserved and given up.
_EVERY_OTHER = """
r8 = r1
r1 = map[events]
r2 = 88
r3 = 0
call 131
if r0 == 0 goto failed
r1 = *(u64 *)(r7 +24)
*(u64 *)(r0 +0) = r1
r1 = r0
r2 = 0
if r8 & 1 goto give_up
call 132
r0 = 0
goto sent
give_up: call 133
r0 = 0
sent: r8 = 0
"""
WAYS = {
    "perf": _PERF, "ring": _RING.format(flags=0), "ring, nobody woken": _RING.format(flags=1),
    "ring, every other": _EVERY_OTHER,
}  # fmt: skip


class Sender:
    """A map that holds events, and an XDP program that sends to it, attached to nothing."""

    def __init__(self, way: str = "ring", size: int = 1 << 16, name: str = "events") -> None:
        """size: of a ring, in bytes."""
        kind = ("perf_event_array", 4, 4, possible_cpus()) if way == "perf" else ("ringbuf", 0, 0, size)
        self.map = KernelMap(MapSpec(name, *kind))
        self._data = KernelMap(MapSpec("data", "array", 4, 24 + ROOM, 1))
        self._program = loaded(_SEND.format(send=WAYS[way]), {"events": self.map, "data": self._data})
        self.payload = bytes(8) + (7).to_bytes(4, BYTE_ORDER) * 2 + b"python3".ljust(16, b"\0") + bytes(range(56))
        self.count(0)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for one in (self._program, self._data, self.map):
            one.close()

    def count(self, start: int, size: int = 88) -> None:
        """Events from now on have `size` bytes and count from `start`, plus 1."""
        words = (0, 0, size, start)
        value = b"".join(word.to_bytes(8, BYTE_ORDER) for word in words) + self.payload[8:]
        key, value = bytes(4), value.ljust(24 + ROOM, b"\0")
        bpf(MAP_UPDATE_ELEM, MapElement(map_fd=self._data.fd.number, key=address(key), value=address(value)))

    def send(self, times: int = 1) -> None:
        """Run the program so often."""
        frame = bytes(64)
        bpf(PROG_TEST_RUN, TestRun(prog_fd=self._program.number, data_in=address(frame), data_size_in=len(frame),
                                   repeat=times))  # fmt: skip

    @property
    def sent(self) -> tuple[int, int]:
        """Events that went out and that did not, since `count`."""
        ((_, value),) = self._data.read()
        assert isinstance(value, bytes)
        return int.from_bytes(value[:8], BYTE_ORDER), int.from_bytes(value[8:16], BYTE_ORDER)


def loaded(text: str, maps: Mapping[str, KernelMap], kind: str = "xdp", flags: int = 0) -> Fd:
    """A program of the text, with the maps that it names."""
    fds = {name: one.fd.number for name, one in maps.items()}
    insns = [replace(one, imm=fds[one.symbol]) if one.symbol in fds else one for one in assemble(text)]
    code, license = encode(insns, BYTE_ORDER), b"GPL"
    return Fd(bpf(PROG_LOAD, ProgLoad(prog_type=BY_NAME[kind].number, insn_cnt=len(code) // 8, insns=address(code),
                                      license=address(license), prog_flags=flags)))  # fmt: skip


class OnCpu:
    """This thread on one CPU: programs run there, and write to its buffer."""

    def __init__(self, cpu: int) -> None:
        self._cpu = cpu

    def __enter__(self) -> None:
        self._before = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {self._cpu})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.sched_setaffinity(0, self._before)
