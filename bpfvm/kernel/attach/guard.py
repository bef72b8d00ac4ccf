"""A process that undoes something when the one that started it is gone, however it went.

Filters of tc and events of tracefs stay in the kernel until somebody removes them. The guard waits for the end of its
standard input, which comes when its parent closes it or dies, and then removes them.
"""

from __future__ import annotations

import importlib
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bpfvm.core.errors import Unavailable

_PATIENCE = 10.0  # seconds for it to end


class Guard:
    """A guard that runs, in the caller's network namespace."""

    def __init__(self, task: Callable[..., None], *arguments: str | int) -> None:
        """task: a function of a module, which removes what the arguments name."""
        root = str(Path(__file__).parents[3])
        words = json.dumps([task.__module__, task.__name__, *arguments])
        command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {root!r}); "
                   "from bpfvm.kernel.attach.guard import main; main()", words]  # fmt: skip
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
            )
        except OSError as error:
            raise Unavailable(f"no process can be started to undo what is attached: {error.strerror}") from None
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise Unavailable(f"the process that undoes what is attached fails: {self._end()}")

    def undo(self) -> None:
        """Undo now. Unavailable where that fails."""
        told = self._end()
        if told:
            raise Unavailable(f"detaching fails: {told}")

    def _end(self) -> str:
        _, errors = self._process.communicate(timeout=_PATIENCE)
        return errors.decode(errors="replace").strip().rpartition("\n")[2] if self._process.returncode else ""


def main() -> None:
    """The guard's own process."""
    module, task, *arguments = json.loads(sys.argv[1])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.buffer.read()
    getattr(importlib.import_module(module), task)(*arguments)
