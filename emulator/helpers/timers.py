"""Helpers on timers; emulator.timers says when they fire."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.bits import M64
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.memory import Pointer
from bpfvm.emulator.timers import MADE, STARTED

CLOCKS = (0, 1, 7)  # CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME
ABSOLUTE, PINNED = 1, 2  # BPF_F_TIMER_ABS, BPF_F_TIMER_CPU_PIN
LONGEST = (1 << 63) - 1  # KTIME_MAX


def timer_init(caller: Caller, timer: Pointer, store: MapStore, flags: int) -> int:
    """0, -EINVAL for a clock that there is not, -EBUSY for a timer that is made already."""
    if timer.region.owner is not store:
        home = timer.region.owner.handle.name
        raise Stop("helper", f"argument 1 of bpf_timer_init#169 is in {home}, argument 2 is {store.handle.name}")
    if flags not in CLOCKS:
        return -errno.EINVAL
    timers = caller.system.timers
    if timers.read(timer.address).state & MADE:
        return -errno.EBUSY
    timers.make(timer.address, store, timer.region.base, flags)
    return 0


def timer_set_callback(caller: Caller, timer: Pointer, function: int) -> int:
    """0, -EINVAL before timer_init."""
    timers = caller.system.timers
    found = timers.read(timer.address)
    if not found.state & MADE:
        return -errno.EINVAL
    assert caller.code is not None, "a program runs"
    timers.write(timer.address, replace(found, callback=timers.callback(caller.code.program.name, function)))
    return 0


def timer_start(caller: Caller, timer: Pointer, wait: int, flags: int) -> int:
    """0, -EINVAL without timer_init and a callback, and for unknown flags."""
    timers = caller.system.timers
    found = timers.read(timer.address)
    if flags & ~(ABSOLUTE | PINNED) or not found.state & MADE or not found.callback:
        return -errno.EINVAL
    now = 0 if flags & ABSOLUTE else caller.system.clock()
    timers.start(timer.address, found, min(now + wait, LONGEST) & M64)
    return 0


def timer_cancel(caller: Caller, timer: Pointer) -> int:
    """1 where it was started, else 0. The callback is forgotten. -EDEADLK in the timer's own callback."""
    timers = caller.system.timers
    found = timers.read(timer.address)
    if not found.state & MADE:
        return -errno.EINVAL
    if timers.running == timer.address:
        return -errno.EDEADLK
    timers.write(timer.address, replace(found, state=MADE, callback=0))
    return int(bool(found.state & STARTED))


HELPERS: Mapping[str, Function] = {
    "timer_init": timer_init,
    "timer_set_callback": timer_set_callback,
    "timer_start": timer_start,
    "timer_cancel": timer_cancel,
}
