"""Events per second through whole tools, two fields of each read, as multiples of bcc's Python.

A tool of ours runs by `bpfvm trace`: its program is attached to a function of its own process, which it calls, and its
user half reads its declared ring, or perf events, by `for e in events`. The peers, the events (88 bytes) and the way of
timing are those of the benchmark `readers`, in the same run, in turn, and in one build of Python where it can be bcc's.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import readers
from bpfvm.kernel import available

ROOT = Path(__file__).resolve().parents[1]
ROWS = 3  # of the tool
GOALS = {"tool: for e in events": "bcc's fastest with two fields", "tool: events.blocks()": "10 times the usual idiom"}


class Tool:
    """Our tool, a round at a time."""

    def __init__(self, kind: str) -> None:
        rounds = str(readers.ROUNDS)
        command = [sys.executable, "-m", "bpfvm", "trace", "benchmarks/_tools_ours.py", kind, rounds]
        self.events = 0
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self, spent: dict[str, list[float]]) -> None:
        """CPU seconds of as many events as the peers' rows have."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        for _ in range(ROWS):
            name, events, seconds = self._process.stdout.readline().rstrip("\n").split("\t")
            spent.setdefault(name, []).append(float(seconds) / int(events) * readers.EVENTS)

    def close(self) -> None:
        self._process.communicate(timeout=20)
        readers.check(readers.EVENTS if self._process.returncode == 0 else 0, "the tool")


def measured(kind: str, cpu: int) -> tuple[dict[str, float], str]:
    """As readers.measured: CPU seconds by row, and why bcc's Python cannot run."""
    spent: dict[str, list[float]] = {}
    with _maps(kind) as maps, contextlib.closing(Tool(kind)) as tool:
        why = readers.bcc(kind, cpu, maps, spent, lambda: tool.round(spent))
        while len(spent.get("tool: events.read()", ())) < readers.ROUNDS:
            tool.round(spent)
    return {name: min(each) for name, each in spent.items()}, why


@contextlib.contextmanager
def _maps(kind: str) -> Iterator[dict[str, readers.Filled]]:
    with contextlib.ExitStack() as opened:
        yield {name: opened.enter_context(contextlib.closing(readers.Filled(kind))) for name in readers.PEERS}


def main() -> None:
    """Print a row for each way of reading, of both kinds of buffers."""
    missing = available()
    if missing is not None:
        print(f"not run: {missing}")
        return
    if not readers.in_interpreter_of_bcc("tools"):
        run()


def run() -> None:
    """In this interpreter."""
    before, cpu = os.sched_getaffinity(0), min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})  # programs write to the buffer of the CPU that they run on
    try:
        for kind in readers.TYPE:
            readers.show(kind, *measured(kind, cpu), GOALS)
    finally:
        os.sched_setaffinity(0, before)


if __name__ == "__main__":
    main()
