"""The words that a loop over a capture and Python tell each other, and how LLVM IR gets at them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Final

PLACES = 1 << 11  # for results that are counted in place
PART, WORD = 64, 8  # places that are looked at together; bytes of one
UNUSED = bytes(PART * WORD)

_WORDS = (
    "at", "end",  # of the file in the arena: the next record, and the end; guest addresses
    "todo",  # packets left
    "packets", "bytes", "insns",  # sums
    "unit", "offset",  # ns of the file's clock, and what is added to its time
    "budget",
    "cpus", "cpu",  # how many take packets in turn, and whose turn it is
    "first_cpu",  # whose turn it is behind the last
    "context",  # address of the context
    "template",  # host address of the bytes that a packet's context has first, where programs store in it
    "record",  # address of the word that a recorded fault is in, 0 for none
    "result",  # r0 of the last packet
    "buffer", "front",  # guest address where the file is mapped or read to, and the place in the file of what is there
    "room", "size",  # bytes that are read at a time, and that the file has: 0 where it is mapped
    "file", "pread",  # the file's descriptor, and the host's address of pread(2)
)  # fmt: skip

PLACE: Final = {name: index for index, name in enumerate(_WORDS)}
DONE, ENOUGH, ODD, TRAPPED, TOLD = range(5)  # the end; `todo` packets; an odd record; a trap; a result or a fault


class Walk(ctypes.Structure):
    """The words; behind them, how often results came, and which: a place has the first one that came there."""

    counts: ctypes.Array[ctypes.c_uint64]
    results: ctypes.Array[ctypes.c_uint64]
    _fields_ = [
        *((name, ctypes.c_uint64) for name in PLACE),
        ("counts", ctypes.c_uint64 * PLACES),
        ("results", ctypes.c_uint64 * PLACES),
    ]

    @property
    def reached(self) -> int:
        """The place in the file of the next record."""
        return int(self.front + self.at - self.buffer)

    def clear(self) -> None:
        """Count from zero again."""
        self.packets = self.bytes = self.insns = 0
        ctypes.memset(self.counts, 0, ctypes.sizeof(self.counts))

    def counted(self) -> Mapping[int, int]:
        """How often each result came that was counted in place. Most places have none: numpy takes nine starts to load,
        and parts of them compare in a fourth of the time that it takes to go through them."""
        counts = bytes(self.counts)
        places = [
            place
            for first in range(0, PLACES, PART)
            if counts[WORD * first : WORD * (first + PART)] != UNUSED
            for place in range(first, first + PART)
        ]
        return {self.results[place]: count for place in places if (count := self.counts[place])}


def get(name: str, to: str) -> str:
    """Read a word as %to; %pto is where it is."""
    return f"  %p{to} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  %{to} = load i64, ptr %p{to}"


def add(name: str, value: str, to: str) -> str:
    """Add to a word."""
    return (
        f"  %q{to} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  %o{to} = load i64, ptr %q{to}\n"
        f"  %n{to} = add i64 %o{to}, {value}\n  store i64 %n{to}, ptr %q{to}"
    )


def put(*names: str) -> str:
    """Store %rest_name in each."""
    return "\n".join(
        f"  %q{name} = getelementptr i64, ptr %w, i64 {PLACE[name]}\n  store i64 %rest_{name}, ptr %q{name}"
        for name in names
    )
