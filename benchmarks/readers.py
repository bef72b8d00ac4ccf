"""Events per second drained from perf and ring buffers, two fields of each read, as multiples of bcc's Python.

Events of 88 bytes: time, two ids, a command, seven words; time and command are read. A program fills the buffer of one
CPU by BPF_PROG_TEST_RUN with `repeat`, attached to nothing, and only draining is timed: thread CPU time, the least of
several rounds. Peers in the same run, in turn: bcc's Python (Debian's python3-bpfcc, in a process of its own), and
loops over the mapped memory with struct, with ctypes and nothing else. All rows run in one build of Python, where it
can be bcc's.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bpfvm.kernel import available
from bpfvm.kernel.host.sizes import possible_cpus
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.readers import PerfReader, open_reader
from bpfvm.kernel.sys import (
    MAP_UPDATE_ELEM,
    PROG_TEST_RUN,
    MapElement,
    TestRun,
    address,
    bpf,
)
from bpfvm.obj.model import MapSpec
from kernel_tests.readers.sending import TYPES, loaded

PAGES, EVENTS, ROUNDS = 1024, 38_000, 15
HERE = Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"  # the system's, which Debian's packages are for
EVENT = struct.Struct("<QII16s7Q")
PEERS = (
    "bcc, empty callback",
    'bcc, b["events"].event(data)',
    "bcc, cast to Structure",
    "bcc, string_at + struct.unpack",
)
USUAL, FASTEST = PEERS[1], PEERS[2:]
GOALS = {"blocks()": "10 times the usual idiom", "for event in reader": "1.5 times bcc's fastest with two fields"}

# An event stands in the array's value; its time counts on.
FILL = """
r6 = r1
*(u32 *)(r10 -4) = 0
r1 = map[data]
r2 = r10
r2 += -4
call 1
if r0 == 0 goto out
r1 = *(u64 *)(r0 +0)
r1 += 1
*(u64 *)(r0 +0) = r1
{send}
out: r0 = 2
exit
"""
SEND = {
    "perf": "r4 = r0\nr1 = r6\nr2 = map[events]\nr3 = 0xffffffff ll\nr5 = 88\ncall 25",
    "ring": "r2 = r0\nr1 = map[events]\nr3 = 88\nr4 = 1\ncall 130",  # BPF_RB_NO_WAKEUP
}
TYPE = {"perf": "perf_event_array", "ring": "ringbuf"}


class Filled:
    """A map of one kind, and the program that fills it."""

    def __init__(self, kind: str) -> None:
        size = PAGES * mmap.PAGESIZE
        spec = MapSpec("events", "ringbuf", 0, 0, size) if kind == "ring" else MapSpec(
            "events", "perf_event_array", 4, 4, possible_cpus())  # fmt: skip
        self.kind, self.map, self._data = kind, KernelMap(spec), KernelMap(MapSpec("data", "array", 4, EVENT.size, 1))
        key, value = bytes(4), EVENT.pack(0, os.getpid(), os.getuid(), b"python3", *range(7))
        bpf(MAP_UPDATE_ELEM, MapElement(map_fd=self._data.fd.number, key=address(key), value=address(value)))
        self._program = loaded(FILL.format(send=SEND[kind]), {"events": self.map, "data": self._data})

    def fill(self) -> None:
        """Have the program send EVENTS of them."""
        frame = bytes(64)
        bpf(PROG_TEST_RUN, TestRun(prog_fd=self._program.number, data_in=address(frame), data_size_in=len(frame),
                                   repeat=EVENTS))  # fmt: skip

    def close(self) -> None:
        self._program.close()
        self._data.close()
        self.map.close()


class Raw(ctypes.Structure):
    """An event, for plain ctypes."""

    _fields_ = (
        ("ts", ctypes.c_uint64), ("pid", ctypes.c_uint32), ("uid", ctypes.c_uint32), ("comm", ctypes.c_char * 16),
        ("args", ctypes.c_uint64 * 7),
    )  # fmt: skip


def for_event(reader: Any) -> None:
    for event in reader:
        event.ts  # noqa: B018
        event.comm  # noqa: B018


def read(reader: Any) -> None:
    for event in reader.read():
        event.ts  # noqa: B018
        event.comm  # noqa: B018


def blocks(reader: Any) -> None:
    for block in reader.blocks():
        block["ts"].max()
        (block["comm"] == b"python3").sum()


def block_views(reader: Any) -> None:
    for block in reader.blocks(copy=False):
        block["ts"].max()
        (block["comm"] == b"python3").sum()


def unpacked(reader: Any) -> None:
    """The buffer's memory and struct alone: what a loop without a library is."""
    buffer, head = reader._sources[0].buffer, 12 if isinstance(reader, PerfReader) else 8
    (at, end), data, fields = buffer.ends, buffer._data, struct.Struct("<Q8x16s").unpack_from
    size, header = PAGES * mmap.PAGESIZE, struct.Struct("<I2xH").unpack_from
    while at < end:
        start = at % size
        word, length = header(data, start)
        if start + head + EVENT.size <= len(data):  # else over the end of a perf buffer
            _ts, _comm = fields(data, start + head)
        at += length if head == 12 else word + 8
    buffer.commit(end)


def cast(reader: Any) -> None:
    """The same with ctypes."""
    import numpy

    buffer, head = reader._sources[0].buffer, 12 if isinstance(reader, PerfReader) else 8
    (at, end), base = buffer.ends, numpy.frombuffer(buffer._data, "u1").ctypes.data
    size, room, made = PAGES * mmap.PAGESIZE, len(buffer._data), Raw.from_address
    word, length = ctypes.c_uint32.from_address, ctypes.c_uint16.from_address
    while at < end:
        start = at % size
        if start + head + EVENT.size <= room:
            event = made(base + start + head)
            event.ts  # noqa: B018
            event.comm  # noqa: B018
        at += length(base + start + 6).value if head == 12 else word(base + start).value + 8
    buffer.commit(end)


OURS: dict[str, Callable[[Any], None]] = {
    "for event in reader": for_event, "read()": read, "blocks()": blocks, "blocks(copy=False)": block_views,
    "plain mmap and struct": unpacked, "plain mmap and ctypes": cast,
}  # fmt: skip


class Ours:
    """The project's rows, and the plain ones, over one map."""

    def __init__(self, kind: str, cpu: int) -> None:
        self._filled = Filled(kind)
        options = {"pages": PAGES} if kind == "perf" else {}
        self._reader: Any = open_reader(self._filled.map, TYPES, "struct event", timeout=0, **options)
        self._reader._sources = [one for one in self._reader._sources if one.cpu in (-1, cpu)]
        self._filled.fill()
        check(len(self._reader.read()), "the reader")

    def round(self, spent: dict[str, list[float]]) -> None:
        """Drain all events once by each row: CPU seconds."""
        reader = self._reader
        for name, drain in OURS.items():
            self._filled.fill()
            start = time.thread_time()
            drain(reader)
            spent.setdefault(name, []).append(time.thread_time() - start)
            at, end = reader._sources[0].buffer.ends
            check(EVENTS - (end - at), name)

    def close(self) -> None:
        check(EVENTS - (self._reader.lost or 0), "the program")
        self._reader.close()
        self._filled.close()


def measured(kind: str, cpu: int) -> tuple[dict[str, float], str]:
    """CPU seconds of draining all events, by row, rounds of ours and bcc's in turn; why bcc's cannot run, or ""."""
    spent: dict[str, list[float]] = {}
    with contextlib.ExitStack() as opened:
        ours = opened.enter_context(contextlib.closing(Ours(kind, cpu)))
        maps = {name: opened.enter_context(contextlib.closing(Filled(kind))) for name in PEERS}
        why = bcc(kind, cpu, maps, spent, lambda: ours.round(spent))
        while len(spent.get("read()", ())) < ROUNDS:
            ours.round(spent)
    return {name: min(each) for name, each in spent.items()}, why


def bcc(
    kind: str, cpu: int, maps: dict[str, Filled], spent: dict[str, list[float]], between: Callable[[], None]
) -> str:
    """Have bcc's Python drain its maps. Why it cannot, or nothing."""
    if shutil.which(PYTHON) is None:
        return f"there is no {PYTHON}"
    numbers = [one.map.fd.number for one in maps.values()]
    arguments = [PYTHON, str(HERE / "_readers_bcc.py"), kind, *map(str, (cpu, PAGES, ROUNDS, *numbers))]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, pass_fds=numbers
    ) as peer:
        assert peer.stdin is not None
        assert peer.stdout is not None
        assert peer.stderr is not None
        for line in peer.stdout:
            name, *rest = line.rstrip().split("\t")
            if name == "fill":
                maps[rest[0]].fill()
                peer.stdin.write("\n")
                peer.stdin.flush()
                continue
            check(int(rest[0]), name)
            spent.setdefault(name, []).append(float(rest[1]))
            if name == list(maps)[-1]:
                between()
        said = peer.stderr.read().strip().splitlines()
    return "" if peer.returncode == 0 else said[-1] if said else f"it ended with status {peer.returncode}"


def check(count: int, who: str) -> None:
    if count != EVENTS:
        raise SystemExit(f"{who} met {count} events of {EVENTS}")


def main() -> None:
    """Print a row for each way of reading, of both kinds of buffers."""
    missing = available()
    if missing is not None:
        print(f"not run: {missing}")
        return
    if not in_interpreter_of_bcc():
        run()


def in_interpreter_of_bcc(benchmark: str = "readers") -> bool:
    """Run all of it in bcc's interpreter, where this one's numpy fits it: builds differ by a factor of two."""
    import numpy

    here = sys.version_info[:2]
    if shutil.which(PYTHON) is None or os.path.realpath(sys.executable) == os.path.realpath(PYTHON):
        return False
    asked = subprocess.run([PYTHON, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True)
    if asked.stdout.split() != [str(one) for one in here]:
        return False
    paths = os.pathsep.join((str(HERE.parent), str(Path(numpy.__file__).parents[1])))
    sys.stdout.flush()
    script = f"from benchmarks import {benchmark}; {benchmark}.run()"
    return subprocess.run([PYTHON, "-c", script], env={**os.environ, "PYTHONPATH": paths}).returncode == 0


def run() -> None:
    """In this interpreter."""
    before, cpu = os.sched_getaffinity(0), min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})  # programs write to the buffer of the CPU that they run on
    try:
        for kind in TYPE:
            show(kind, *measured(kind, cpu))
    finally:
        os.sched_setaffinity(0, before)


def show(kind: str, spent: dict[str, float], why: str, goals: Mapping[str, str] = GOALS) -> None:
    print(f"{TYPE[kind] + f', {sys.executable}':<34}{'M events/s':>11}{'bcc usual':>11}{'bcc fastest':>13}")
    if why:
        print(f"bcc's Python does not run here: {why}")
    usual, fastest = spent.get(USUAL), min((spent[name] for name in FASTEST if name in spent), default=None)
    for name, seconds in spent.items():
        columns = "".join(f"{peer / seconds:{width}.1f}x" if peer is not None else f"{'-':>{width + 1}}"
                          for peer, width in ((usual, 10), (fastest, 12)))  # fmt: skip
        goal = f"   held to {goals[name]}" if name in goals else ""
        print(f"{name:<34}{EVENTS / seconds / 1e6:>11.2f}{columns}{goal}")


if __name__ == "__main__":
    main()
