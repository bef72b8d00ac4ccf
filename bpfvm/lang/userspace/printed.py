"""Lines that programs print with bpf_trace_printk: taken apart as the kernel's trace pipe has them, and made so of what
a capture or a script of events runs.

Lines are written as kernel/trace/trace_output.c does (trace_print_context):

    task-pid     [cpu] flags seconds.micros: function: message
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

from bpfvm.core.machine import Input
from bpfvm.lang.userspace.ending import Ending

_NANO = 10**9
SLICE = 0.1  # seconds after which a signal is seen
FUNCTION = "bpf_trace_printk"
_FLAGS = "....."  # neither interrupts nor preemption are off

# A task's name may hold anything, "-" and spaces too: the pid is the last number before the CPU. With option
# record-tgid the thread group stands in between, in parentheses.
_LINE = re.compile(
    r"\s*(?P<task>.*)-(?P<pid>\d+)\s+(?:\((?P<group>[\s\d-]+)\)\s+)?\[(?P<cpu>\d+)\]\s+(?P<flags>\S+)\s+"
    r"(?P<time>\d+(?:\.\d+)?):\s(?P<function>[^\s:]+):\s?(?P<message>.*)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line. text: all of it; of a line that is none of ours nothing else is known, and message is text. task: its
    name, "<...>" where nobody knows one.

    flags: of interrupts and preemption ("d..2."). time: seconds since boot by the trace clock. function: what wrote
    it, "bpf_trace_printk" for programs.
    """

    text: str
    message: str
    task: str = ""
    pid: int = -1
    cpu: int = -1
    flags: str = ""
    time: float = -1.0
    function: str = ""

    @classmethod
    def of(cls, text: str) -> Line:
        """Parse a line without its end."""
        found = _LINE.fullmatch(text)
        if found is None:
            return cls(text, text)
        return cls(text, found["message"], found["task"], int(found["pid"]), int(found["cpu"]), found["flags"],
                   float(found["time"]), found["function"])  # fmt: skip

    @classmethod
    def made(cls, message: str, given: Input) -> Line:
        """The line of what a program printed in one run."""
        task, pid = ("<idle>", 0) if given.task is None else (given.task.comm.decode(errors="replace"), given.task.tid)
        seconds, rest = divmod(given.clock, _NANO)
        when = f"{seconds:5d}.{rest // 1000:06d}"
        text = f"{task:>16}-{pid:<7d} [{given.cpu:03d}] {_FLAGS} {when}: {FUNCTION}: {message}"
        return cls(text, message, task, pid, given.cpu, _FLAGS, float(when), FUNCTION)


class Printing(Protocol):
    """Who runs programs in place of the kernel, and keeps what they print."""

    def printed(self) -> Sequence[Line]:
        """Lines since it was asked last."""

    def pause(self, seconds: float, fds: Sequence[int] = ()) -> bool:
        """Let so much time go by: False where nothing comes any more."""


class Printed:
    """The trace log of programs that run in place of the kernel's: as bpfvm.kernel.readers.TracePipe, `for`,
    `async for`, `read`, `poll`, which end with what is run. lost: none is."""

    def __init__(self, by: Printing, timeout: float | None = None) -> None:
        """timeout: seconds after which `for` ends where no line comes."""
        self._by, self.timeout, self.lost = by, timeout, 0
        self._lines = deque[Line]()
        self._closed = False

    def __enter__(self) -> Printed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Line]:
        """Lines as they come, until `close`, Ctrl-C, SIGTERM, the end of what is run, or `timeout` seconds without."""
        waited = 0.0
        with Ending() as ending:
            while not self._closed:
                while not self._closed and self._fill():
                    yield self._lines.popleft()
                    waited = 0.0
                late = self.timeout is not None and waited >= self.timeout
                if ending.asked or late or not (self._by.pause(SLICE) or self._fill()):
                    return
                waited += SLICE

    async def __aiter__(self) -> AsyncIterator[Line]:
        """As `for`, in asyncio."""
        import asyncio

        for line in self:
            yield line
            await asyncio.sleep(0)

    def read(self) -> list[Line]:
        """The lines that are there."""
        self._fill()
        found = list(self._lines)
        self._lines.clear()
        return found

    def poll(self, timeout: float | None = None) -> list[Line]:
        """As `read`, but wait until there is one: at most `timeout` seconds."""
        waited = 0.0
        while not (found := self.read()) and not self._closed and (timeout is None or waited < timeout):
            waited += SLICE
            if not self._by.pause(SLICE):
                return self.read()
        return found

    def fileno(self) -> int:
        """There is none to wait for."""
        return -1

    def close(self) -> None:
        """End iterations; again does nothing."""
        self._closed = True

    def _fill(self) -> bool:
        self._lines += self._by.printed()
        return bool(self._lines)


__all__ = ["Line", "Printed", "Printing"]
