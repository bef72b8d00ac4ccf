"""A progress bar on standard error, where that is a terminal and the input takes more than a second."""

from __future__ import annotations

import sys
import time
from typing import Any

from bpfvm.obj.captures.capture import Capture

EVERY = 1 << 10  # steps between looks at the clock
PATIENCE = 1.0  # seconds before a bar appears


class Progress:
    """How much of a capture was read. A context manager."""

    def __init__(self, name: str, capture: Capture) -> None:
        self._name, self._capture = name, capture
        self._steps, self._start = 0, time.monotonic()
        self._wanted = sys.stderr.isatty()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self) -> None:
        """One packet was read."""
        self._steps += 1
        if self._wanted and not self._steps % EVERY:
            self._look(self._capture.passed)

    def passed(self, packets: int, at: int) -> None:
        """Many packets were read, up to a place in the file."""
        self._steps += packets
        if self._wanted:
            self._look(at)

    def _look(self, at: int) -> None:
        if self._bar is None:
            if time.monotonic() - self._start < PATIENCE:
                return
            self._open()
        self._bar.update(self._task, completed=at, description=f"{self._name}: {self._steps} packets")

    def _open(self) -> None:
        self._bar = _bar()
        self._task = self._bar.add_task(self._name, total=self._capture.size)


class Tasks:
    """How many of several captures are done. A context manager."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._packets = total, 0, 0
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Tasks:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(f"0 of {self._total} captures", total=self._total)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def done(self, packets: int) -> None:
        """One more is, with so many packets."""
        self._done, self._packets = self._done + 1, self._packets + packets
        if self._bar is not None:
            words = f"{self._done} of {self._total} captures, {self._packets} packets"
            self._bar.update(self._task, completed=self._done, description=words)


def _bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    bar.start()
    return bar
