"""What `with` holds: `bpf.rcu()`, `bpf.no_preempt()`, `bpf.irq_saved()`, `bpf.lock(v.lock)`.

Each is begun and ended by a pair of calls, also where a fault ends the program in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from bpfvm.lang.active import machine
from bpfvm.lang.helpers.words import word
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.scalars import u32
from bpfvm.lang.types.structs import struct


@struct
class bpf_spin_lock:
    """A lock in a map's value, one for each: `class Value: lock: SpinLock`. The kernel knows it by its name."""

    val: u32


SpinLock = bpf_spin_lock
FLAGS = 8  # bytes in which what interrupts were is kept


class Section:
    """A section between two kernel functions. saves: both get the address of a word."""

    __slots__ = ("__name__", "begin", "end", "saves")

    def __init__(self, name: str, begin: str, end: str, saves: bool = False) -> None:
        self.__name__, self.begin, self.end, self.saves = name, begin, end, saves

    def __call__(self) -> AbstractContextManager[None]:
        """For `with`."""
        return self._running()

    @contextmanager
    def _running(self) -> Iterator[None]:
        on = machine(f"bpf.{self.__name__}()")
        given = (on.place(bytes(FLAGS)),) if self.saves else ()
        on.kfunc(self.begin, *given)
        try:
            yield
        finally:
            on.kfunc(self.end, *given)


class Lock:
    """`bpf.lock(v.lock)`: a SpinLock of a map's value is held."""

    __name__ = "lock"

    def __call__(self, lock: Any) -> AbstractContextManager[None]:
        """For `with`. TypeError for what is no lock."""
        if not isinstance(lock, View) or not isinstance(lock, SpinLock):
            raise TypeError(f"bpf.lock() takes a SpinLock of a map's value, not {type(lock).__name__}")
        return self._running(lock)

    @contextmanager
    def _running(self, lock: View) -> Iterator[None]:
        on = machine("bpf.lock()")
        address = word(on, lock)
        on.helper("spin_lock", address)
        try:
            yield
        finally:
            on.helper("spin_unlock", address)


rcu = Section("rcu", "bpf_rcu_read_lock", "bpf_rcu_read_unlock")
no_preempt = Section("no_preempt", "bpf_preempt_disable", "bpf_preempt_enable")
irq_saved = Section("irq_saved", "bpf_local_irq_save", "bpf_local_irq_restore", saves=True)
lock = Lock()
