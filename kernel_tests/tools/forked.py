"""`bpfvm …` in a child of this process, which has imported all of it already: what comes of a command is that of one
that its users start, half a second sooner."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from pathlib import Path

from kernel_tests.networks import inside

ROOT = Path(__file__).resolve().parents[2]


class Forked:
    """The child, as subprocess.Popen has it: `pid`, `stdout`, `stderr`, `returncode`."""

    def __init__(self, *words: str, within: str = "") -> None:
        """words: of the command. within: a network namespace."""
        self.pid = 0
        self.returncode: int | None = None
        streams = [os.pipe() for _ in range(2)]
        if within:
            inside(within, lambda: self._fork(words, streams))
        else:
            self._fork(words, streams)
        for _, writes in streams:
            os.close(writes)
        self.stdout, self.stderr = (os.fdopen(reads) for reads, _ in streams)

    def _fork(self, words: tuple[str, ...], streams: list[tuple[int, int]]) -> None:
        self.pid = os.fork()
        if self.pid:
            return
        status = 99
        try:
            _become(streams)
            from bpfvm import cli

            status = cli.status(list(words))
            sys.stdout.flush()
        finally:
            os._exit(status)

    def send_signal(self, number: int) -> None:
        """To one that has not been waited for."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float) -> int:
        """Its status, or the negative number of the signal that ended it. TimeoutError."""
        end = time.monotonic() + timeout
        while self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.returncode = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise TimeoutError(f"the child runs on after {timeout} s")
            else:
                time.sleep(0.002)
        return self.returncode

    def communicate(self, timeout: float = 20) -> tuple[str, str]:
        """What it wrote and nobody has read; again gives nothing."""
        told = tuple("" if one.closed else one.read() for one in (self.stdout, self.stderr))
        self.wait(timeout)
        for one in (self.stdout, self.stderr):
            one.close()
        return told[0], told[1]


def _become(streams: list[tuple[int, int]]) -> None:
    """A process with streams of its own, as a shell starts it."""
    for number, (_, writes) in enumerate(streams, 1):
        os.dup2(writes, number)
    os.chdir(ROOT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    sys.stdin = open(os.devnull)  # noqa: SIM115
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(number, "wb", closefd=False), write_through=number == 2)
                              for number in (1, 2))  # fmt: skip
