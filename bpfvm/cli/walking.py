"""How far the verifier model has come, on standard error: a line that changes on a terminal, else one now and then."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

PATIENCE, AGAIN = 1.0, 10.0  # seconds before a line appears on a terminal, and between lines elsewhere


class Walking:
    """Progress of one walk over a program. A context manager; `step` is what the model calls."""

    def __init__(self, name: str, budget: int) -> None:
        self._name, self._budget = name, budget
        self._start = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._line: Any = None

    def __enter__(self) -> Walking:
        return self

    def __exit__(self, *error: object) -> None:
        if self._line is not None:
            self._line.stop()

    def step(self, processed: int, waiting: int) -> None:
        """So many instructions were walked, so many branches wait."""
        self.say(f"{self._name}: {processed} of at most {self._budget} instructions walked, {waiting} branches wait")

    def say(self, words: str) -> None:
        """Words of how far it is, if the last ones are some time ago."""
        now = time.monotonic()
        if now - self._last < (PATIENCE if self._terminal else AGAIN):
            return
        self._last = now
        if self._terminal:
            self._show(words)
        else:
            click.echo(f"{words}, {now - self._start:.0f} s", err=True)

    def _show(self, words: str) -> None:
        if self._line is None:
            from rich.console import Console

            self._line = Console(stderr=True).status("")
            self._line.start()
        self._line.update(words)
