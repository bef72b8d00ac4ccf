"""What programs sent in one run, for outcomes: whole records by map, each with zeros behind it where perf pads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from bpfvm.kernel.readers.memory import KernelSide
from bpfvm.kernel.readers.perf import Event
from bpfvm.kernel.readers.reader import open_events
from bpfvm.kernel.readers.ring import RingBuffer
from bpfvm.kernel.readers.span import MOST
from bpfvm.kernel.readers.typed import Decoder


class Events:
    """The buffers of all such maps that a program uses, by name."""

    def __init__(self, maps: Mapping[str, KernelSide]) -> None:
        """Raises Unavailable where the host does not let them be read."""
        self._buffers: dict[str, Sequence[RingBuffer | Event]] = {}
        self._told: dict[str, int] = {}
        with ExitStack() as opened:
            for name, one in maps.items():
                if one.spec.type == "ringbuf":
                    self._buffers[name] = [RingBuffer.of(one)]
                    opened.callback(self._buffers[name][0].close)
                elif one.spec.type == "perf_event_array":
                    self._buffers[name] = open_events(one, one.fd, opened)
            self._opened = opened.pop_all()

    def read(self) -> tuple[dict[str, tuple[bytes, ...]], dict[str, int]]:
        """Records by map, and how many more each lost since the last reading; maps without any are left out.

        Of perf event arrays by CPU, those of one in order.
        """
        events: dict[str, tuple[bytes, ...]] = {}
        missed: dict[str, int] = {}
        for name, buffers in self._buffers.items():
            found = [record for one in buffers for record in _drained(one)]
            lost = sum(one.lost or 0 for one in buffers)
            if found:
                events[name] = tuple(found)
            if lost != self._told.get(name, 0):
                missed[name] = lost - self._told.get(name, 0)
                self._told[name] = lost
        return events, missed

    def close(self) -> None:
        """Close every buffer; again does nothing."""
        self._buffers = {}
        self._opened.close()


def _drained(buffer: RingBuffer | Event) -> list[bytes]:
    whole = Decoder("", False, None, None)
    found: list[bytes] = []
    while (batch := buffer.scan(MOST)) is not None:
        found.extend(whole.take(batch)[1])
        buffer.commit(batch.position(batch.count))
    if isinstance(buffer, Event):
        buffer.renew()
    return found
