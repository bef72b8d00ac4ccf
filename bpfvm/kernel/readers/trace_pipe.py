"""What programs print with bpf_trace_printk: lines of the kernel's trace_pipe.

There is one such pipe for the whole machine, and reading takes lines out: of two readers each gets some. A tracing
instance with event bpf_trace/bpf_trace_printk enabled has a pipe of its own.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.readers.waiting import SLICE, Waiter
from bpfvm.kernel.sys import Fd, error_name, error_text
from bpfvm.lang.userspace.ending import Ending
from bpfvm.lang.userspace.printed import Line

_CHUNK = 1 << 16
UNNAMED = "<...>"  # the log keeps the names of few tasks (saved_cmdlines_size)
_FIRST_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO (include/linux/proc_ns.h)

_LOST = re.compile(r"CPU:(?P<cpu>\d+) \[LOST (?P<count>\d+ )?EVENTS\]")


class TracePipe:
    """Reads lines from now on: `for`, `async for`, `read`, `poll`, `select`. Close it, or use `with`.

    lost: lines that the kernel wrote over before anybody read them; their count, where it tells one, else 1.
    """

    def __init__(self, path: str | Path | None = None, *, timeout: float | None = None) -> None:
        """path: of another trace_pipe than the machine's own. timeout: seconds after which `for` ends.

        Raises Unavailable where there is none, it cannot be read, or tracing is switched off.
        """
        self.timeout, self.lost = timeout, 0
        self._rest, self._lines = b"", deque[Line]()
        self._ended = False
        self._fd: Fd | None = Fd(_opened(_usual() if path is None else Path(path)))
        try:
            self._waiter = Waiter([self._fd.number])
        except OSError as error:
            self._fd.close()
            raise Unavailable(f"trace_pipe cannot be waited for: {_told(error)}") from None

    def __enter__(self) -> TracePipe:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Line]:
        """Lines as they come, until `close`, Ctrl-C, SIGTERM, or `timeout` seconds without one."""
        self._check()
        return self._rounds()

    def __aiter__(self) -> AsyncIterator[Line]:
        """As `for`, in asyncio."""
        self._check()
        return self._async_rounds()

    def read(self) -> list[Line]:
        """The lines that are there."""
        self._check()
        self._fill()
        found = list(self._lines)
        self._lines.clear()
        return found

    def poll(self, timeout: float | None = None) -> list[Line]:
        """As `read`, but wait until there is one: at most `timeout` seconds, else until `close`."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not (found := self.read()) and not self._ended and self._waiter.wait(deadline) and self._fd is not None:
            pass
        return found

    def fileno(self) -> int:
        """A descriptor that select(2) says is ready when there is something; then `read` all of it."""
        self._check()
        return self._waiter.fd

    def close(self) -> None:
        """End iterations and waiting, in other threads too; again does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            self._waiter.close()
            fd.close()

    def _rounds(self) -> Iterator[Line]:
        deadline = None
        with Ending() as ending:
            while self._fd is not None:
                self._fill()
                while self._lines:
                    yield self._lines.popleft()
                    deadline = None
                if deadline is None and self.timeout is not None:
                    deadline = time.monotonic() + self.timeout
                if self._ended or ending.asked or not self._waiter.wait(deadline):
                    return

    async def _async_rounds(self) -> AsyncIterator[Line]:
        import asyncio

        start = time.monotonic()
        with Ending() as ending:
            while self._fd is not None:
                self._fill()
                while self._lines:
                    yield self._lines.popleft()
                    start = time.monotonic()
                late = self.timeout is not None and time.monotonic() - start >= self.timeout
                if self._ended or ending.asked or late:
                    return
                await asyncio.sleep(SLICE / 10)  # event loops cannot watch every kind of pipe that this may be

    def _fill(self) -> None:
        """Take what is there out of the pipe."""
        while self._fd is not None and not self._ended:
            try:
                data = os.read(self._fd.number, _CHUNK)
            except BlockingIOError:
                return
            except OSError as error:
                raise Unavailable(f"trace_pipe cannot be read: {_told(error)}") from None
            self._ended = not data
            *whole, self._rest = (self._rest + data).split(b"\n")
            if self._ended and self._rest:
                whole, self._rest = [*whole, self._rest], b""
            for one in whole:
                self._note(one.decode(errors="replace"))

    def _note(self, text: str) -> None:
        lost = _LOST.match(text)
        if lost is not None:
            self.lost += int(lost["count"] or 1)
        line = Line.of(text)
        self._lines.append(replace(line, task=_name_of(line.pid)) if line.task == UNNAMED else line)

    def _check(self) -> None:
        if self._fd is None:
            raise UsageError("this TracePipe is closed; open another one")


def _name_of(task: int) -> str:
    """What a task is called that the kernel's log has no name of, where it is alive and /proc numbers tasks as the log
    does, which is by the first namespace."""
    try:
        if os.stat("/proc/self/ns/pid").st_ino != _FIRST_NAMESPACE:
            return UNNAMED
        return Path(f"/proc/{task}/comm").read_text(errors="replace").removesuffix("\n")
    except OSError:
        return UNNAMED


def _usual() -> Path:
    """The machine's own, where tracefs is mounted or can be."""
    from bpfvm.kernel.attach import tracefs

    return tracefs.root() / "trace_pipe"


def _opened(path: Path) -> int:
    """A descriptor of it."""
    try:
        _check_on(path.with_name("tracing_on"))
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise Unavailable(f"there is no {path}; mount it: mount -t tracefs tracefs /sys/kernel/tracing") from None
    except OSError as error:
        why = "; run as root" if isinstance(error, PermissionError) else ""
        raise Unavailable(f"{path}: {_told(error)}{why}") from None


def _check_on(switch: Path) -> None:
    """Raise Unavailable where the kernel writes no lines; a switch that cannot be read says nothing."""
    try:
        is_off = switch.read_text().strip() == "0"
    except OSError:
        return
    if is_off:
        raise Unavailable(f"tracing is switched off, and no line will come: {switch} is 0; write 1 to it")


def _told(error: OSError) -> str:
    number = error.errno or 0
    return f"{error_text(number)} ({error_name(number)})"


__all__ = ["Line", "TracePipe"]
