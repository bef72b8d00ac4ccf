"""bcc's Python reading the same buffers, in Debian's own python3: run by readers.py, which fills them.

    python3 _readers_bcc.py perf|ring CPU PAGES ROUNDS MAP_FD…

Each row has a map of its own. In each round and for each row a line "fill" goes out, and one comes in when that map's
buffer is full; then the row's name, events and seconds of CPU time go out. Tables are bcc's own, without the module
that bcc would compile.
"""

from __future__ import annotations

import ctypes
import importlib
import struct
import sys
import time
from collections.abc import Callable
from typing import Any


class Sample(ctypes.Structure):
    """What bcc makes of `struct event`."""

    _fields_ = (
        ("ts", ctypes.c_uint64), ("pid", ctypes.c_uint32), ("uid", ctypes.c_uint32), ("comm", ctypes.c_char * 16),
        ("args", ctypes.c_uint64 * 7),
    )  # fmt: skip


class Shell:
    """What tables ask of the BPF object that they are of."""

    def __init__(self, lib: Any) -> None:
        self.perf_buffers: dict[Any, Any] = {}
        self._lib, self.manager = lib, None

    def _open_ring_buffer(self, fd: int, callback: Any, context: Any) -> None:
        self.manager = self._lib.bpf_new_ringbuf(fd, callback, context)
        if not self.manager:
            raise SystemExit("bpf_new_ringbuf failed")


class Reading:
    """One way of reading, from a table of bcc's over the map behind `fd`."""

    def __init__(self, kind: str, fd: int, cpu: int, pages: int, callback: Callable[[Any], Any]) -> None:
        """callback: makes of the table what its users hand to bcc."""
        tables = importlib.import_module("bcc.table")
        self._lib = importlib.import_module("bcc.libbcc").lib
        made = tables.RingBuf if kind == "ring" else tables.PerfEventArray
        self.table: Any = made.__new__(made)  # its __init__ asks a compiled module for what is set here
        table, self._cpu = self.table, cpu
        table.bpf, table.map_fd, table.max_entries = Shell(self._lib), fd, 1 << 20
        table.Key, table.Leaf, table._event_class = ctypes.c_int, ctypes.c_uint, Sample
        table._cbs, table._open_key_fds = {}, {}
        if kind == "ring":
            table.open_ring_buffer(callback(table))
        else:
            table._open_perf_buffer(cpu, callback(table), pages, None, 1)

    def drain(self) -> None:
        """Take out all that is there."""
        bpf = self.table.bpf
        if bpf.manager is not None:
            self._lib.bpf_consume_ringbuf(bpf.manager)
            return
        readers = (ctypes.c_void_p * 1)(*bpf.perf_buffers.values())
        self._lib.perf_reader_consume(1, readers)

    def close(self) -> None:
        """Let go of the buffer."""
        if self.table.bpf.manager is not None:
            self._lib.bpf_free_ringbuf(self.table.bpf.manager)
            return
        for reader in self.table.bpf.perf_buffers.values():
            self._lib.perf_reader_free(reader)
        self.table._open_key_fds.clear()


def empty(table: Any) -> Any:
    def callback(cpu: Any, data: Any, size: int) -> None:
        pass

    return callback


def event(table: Any) -> Any:
    def callback(cpu: Any, data: Any, size: int) -> None:
        event = table.event(data)
        event.ts  # noqa: B018
        event.comm  # noqa: B018

    return callback


def cast(table: Any) -> Any:
    kind, to = ctypes.POINTER(Sample), ctypes.cast

    def callback(cpu: Any, data: Any, size: int) -> None:
        event = to(data, kind).contents
        event.ts  # noqa: B018
        event.comm  # noqa: B018

    return callback


def unpack(table: Any) -> Any:
    string_at, fields = ctypes.string_at, struct.Struct("<Q8x16s").unpack

    def callback(cpu: Any, data: Any, size: int) -> None:
        _ts, _comm = fields(string_at(data, 32))

    return callback


ROWS = {
    "bcc, empty callback": empty, 'bcc, b["events"].event(data)': event, "bcc, cast to Structure": cast,
    "bcc, string_at + struct.unpack": unpack,
}  # fmt: skip


def filled(name: str) -> None:
    """Ask for the buffer of a row to be filled."""
    print("fill", name, sep="\t", flush=True)
    sys.stdin.readline()


def main(kind: str, cpu: int, pages: int, rounds: int, *fds: int) -> None:
    """Time each row in each round; count first what a round has."""
    met: list[int] = []
    readings: dict[str, Reading] = {}
    for (name, callback), fd in zip(ROWS.items(), fds, strict=True):
        counting = Reading(kind, fd, cpu, pages, lambda table: lambda cpu, data, size: met.append(size))
        met.clear()
        filled(name)
        counting.drain()
        counting.close()
        readings[name] = Reading(kind, fd, cpu, pages, callback)
    for _ in range(rounds):
        for name, reading in readings.items():
            filled(name)
            start = time.thread_time()
            reading.drain()
            print(name, len(met), time.thread_time() - start, sep="\t", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
