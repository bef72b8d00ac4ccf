"""What compiled code shares with Python: one structure of 64-bit words, passed to every function.

The arena's host address and the callbacks stand in it, not in the code, so that compiled code serves any process.
"""

from __future__ import annotations

import ctypes
from typing import Final

from bpfvm.emulator.interp import DEPTH

_WORDS = (
    "trap",  # why the code leaves early: one of the codes below, 0 for not at all
    "placed",  # 1 once slot is that of the trap
    "slot",  # of a trap, and of the call that a helper is in
    "depth",  # of the frame that called a helper
    "executed",  # instructions in functions that were left
    "left",  # of the budget, at the start
    "patience",  # may_goto: tests left
    "exit",  # of code that is covered: the bit of the exit by which a function came back, see coverage.py
    "pending",  # 1 after a tail call that was taken
    "packet_start", "packet_end", "context_start", "context_end",  # the packet's linear part, and the context
    "cpu", "now",  # the CPU that runs, and the time
    "clock",  # the time of the packet of a capture that runs, which chance begins with
    "base",  # the arena's address in the host
    "locks",  # host address of the maps' locks, a line of the cache each, for threads
    "rings",  # host address of a word for each map: how far Python has taken a ring's records, see rings.py
    "owing",  # how much a program owns that it must give back
    "changed",  # 1 where code reserved or gave back records of which Python has not been told
    "record",  # guest address at which a compiled program notes its faults, of each thread its own
    "pages",  # host address of the table of pages, see runtime.py
    *(f"top{depth}" for depth in range(DEPTH)),  # the ends of the frames' stacks, as guest addresses
    *(f"poison{depth}" for depth in range(DEPTH)),  # host addresses of what their bytes hold first
)  # fmt: skip

# Callbacks by name, with the number of words that each takes behind the state. All return one word.
CALLBACKS: Final = {
    "load": 3,  # address, offset, size
    "store": 4,  # address, offset, size, value
    "atomic": 3,  # address, offset, size: the address of both, checked
    "packet": 2,  # place, size: a legacy packet load, all ones outside of the packet
    "helper": 7,  # number, registers that were written (bit n: r1 + n), r1 to r5
    "kfunc": 7,  # slot, registers that were written, r1 to r5
    "follow": 1,  # depth: the rest of the run, after a tail call
}

STOPPED, OVER, TOO_DEEP = 1, 2, 3  # traps: an exception of Python, the budget, too many frames

INDEX: Final = {name: place for place, name in enumerate((*_WORDS, *CALLBACKS))}


class State(ctypes.Structure):
    """The words, and the callbacks' host addresses behind them."""

    _fields_ = [(name, ctypes.c_uint64) for name in INDEX]
