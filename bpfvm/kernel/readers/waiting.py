"""Waiting for records on any of several descriptors."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Sequence
from contextlib import suppress

from bpfvm.kernel.sys import Fd

# What a program writes without waking anybody (BPF_RB_NO_WAKEUP, wakeup= of perf) is found within this many seconds.
SLICE = 0.1
_PAUSE = 0.001

_GONE = select.POLLHUP | select.POLLERR | select.POLLNVAL


class Waiter:
    """fd: one descriptor for all of them, which select(2) and event loops take.

    Waiting itself is done by poll(2): it asks each descriptor what is there when it is called, where epoll knows only
    of what it was woken for.
    """

    def __init__(self, fds: Sequence[int]) -> None:
        """fds: of maps and perf events; they stay their owners'. Raises OSError."""
        self._fds = set(fds)
        self._vain = 0  # times in a row that something was said to be there and was not
        self._epoll = select.epoll()
        self._stop = Fd(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        try:
            self._all = (*self._fds, self._stop.number)
            for fd in self._all:
                self._epoll.register(fd, select.EPOLLIN)
        except OSError:
            self.close()
            raise

    @property
    def fd(self) -> int:
        return self._epoll.fileno()

    def wait(self, deadline: float | None) -> bool:
        """Until something may be there, `close` or a SLICE: False where it is past the deadline (time.monotonic)."""
        left = SLICE if deadline is None else min(SLICE, deadline - time.monotonic())
        if left <= 0:
            return False
        pause = self.pause()
        if pause:
            time.sleep(min(pause, left))
        poll = select.poll()  # one a call: several threads may wait
        for fd in self._all:
            poll.register(fd, select.POLLIN)
        ready = poll.poll(left * 1000)
        for fd, events in ready:
            if events & _GONE and not events & select.POLLIN:
                self._forget(fd)
        self._vain += bool(ready)
        return True

    def pause(self) -> float:
        """Seconds to sleep before the next wait: a ring whose next record is reserved and not submitted is ready."""
        return _PAUSE if self._vain > 1 else 0.0

    def found(self) -> None:
        """Something was there."""
        self._vain = 0

    def woken(self) -> None:
        """An event loop said that something is there."""
        self._vain += 1

    def close(self) -> None:
        """Wake who waits, in whatever thread; again does nothing."""
        if self._epoll.closed:
            return
        os.eventfd_write(self._stop.number, 1)
        self._epoll.close()
        self._stop.close()

    def _forget(self, fd: int) -> None:
        """A CPU that is offline wakes nobody and would be ready for ever; what it wrote is read all the same."""
        if fd in self._fds:
            self._fds.discard(fd)
            self._all = tuple(one for one in self._all if one != fd)
            with suppress(OSError, ValueError):  # closed meanwhile
                self._epoll.unregister(fd)
