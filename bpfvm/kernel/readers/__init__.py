"""Events from the kernel, and messages to it, over memory that both share.

RingReader, PerfReader, Readers    what programs send, typed: bpfvm.kernel.readers.reader says how they are used
UserRing                           messages to programs
TracePipe                          lines of bpf_trace_printk
"""

from __future__ import annotations

from typing import Any

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.kernel.readers.event import Event
from bpfvm.kernel.readers.memory import KernelSide
from bpfvm.kernel.readers.outcome import Events
from bpfvm.kernel.readers.reader import PerfReader, Reader, Readers, RingReader
from bpfvm.kernel.readers.source import Lost, LostEvents
from bpfvm.kernel.readers.trace_pipe import TracePipe
from bpfvm.kernel.readers.user_ring import UserRing, send, waiting
from bpfvm.obj.btf.table import Btf

__all__ = ["Event", "Events", "Lost", "LostEvents", "PerfReader", "Reader", "Readers", "RingReader", "TracePipe",
           "UserRing", "open_reader", "send", "waiting"]  # fmt: skip


def open_reader(map: KernelSide, btf: Btf | None, type: Any = None, **options: Any) -> Reader:
    """The reader for the map's type. type, options: as RingReader's or PerfReader's.

    Raises UsageError for a map that holds no events.
    """
    if map.spec.type == "ringbuf":
        return RingReader(map, type, btf=btf, **options)
    if map.spec.type == "perf_event_array":
        return PerfReader(map, type, btf=btf, **options)
    hint = "; a UserRing writes to it" if map.spec.type == "user_ringbuf" else ""
    raise UsageError(f"map {map.spec.name} is {an(map.spec.type)}, and events come in a ringbuf or a perf_event_array"
                     f"{hint}")  # fmt: skip
