"""A tool is run as its users run it: FILE.py with its arguments, ended by Ctrl-C, SIGTERM or after a time."""

from __future__ import annotations

import io
import os
import runpy
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from bpfvm.cli.target import failed_at
from bpfvm.core.errors import BpfvmError, LoadError, UsageError
from bpfvm.lang import userspace
from bpfvm.program import Program


def run(path: str, arguments: Sequence[str], verbose: bool) -> int:
    """Run the file as a program: its exit status. LoadError, or BpfvmError that names the line of another error.

    verbose: that error's whole traceback on standard error.
    """
    file = Path(path)
    if not file.is_file():
        raise LoadError(f"{path}: {'a folder, not a Python file' if file.is_dir() else 'no such file'}")
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(file.resolve().parent))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # who reads a pipe sees lines as they come
    begun: list[None] = []
    try:
        with userspace.told(lambda: begun.append(None)):
            made = runpy.run_path(str(file.resolve()), run_name="__main__")
    except UsageError as error:  # of a declaration, which does not know its line
        raise UsageError(f"{failed_at(file, error)}: {error}") from None
    except (BpfvmError, BrokenPipeError):
        raise
    except KeyboardInterrupt:
        return 0
    except SystemExit as error:
        return _status(error.code)
    except BaseException as error:
        if verbose:
            traceback.print_exc()
        raise BpfvmError(f"{failed_at(file, error)}: {type(error).__name__}: {error}") from None
    names = [name for name, one in made.items() if isinstance(one, Program)]
    if not names and not begun:
        sys.stderr.write(f"bpfvm: {path} has no program and attached none: decorate a function, with @bpf.kprobe for "
                         "example\n")  # fmt: skip
    if names and not begun:
        sys.stderr.write(
            f"bpfvm: {path} attached none of its programs: write `with bpf.attach({', '.join(names)}):` and what is "
            'done with their maps under `if __name__ == "__main__":`, or use --json\n'
        )
    return 0


def _status(code: Any) -> int:
    if code is None or isinstance(code, int):
        return int(code or 0)
    sys.stderr.write(f"{code}\n")
    return 1


@contextmanager
def ended_after(seconds: float | None) -> Iterator[None]:
    """SIGTERM ends like Ctrl-C, and comes by itself so many seconds after something was attached."""
    before = signal.signal(signal.SIGTERM, _interrupt), signal.signal(signal.SIGALRM, _time_is_up)
    started = False

    def start() -> None:
        nonlocal started
        if seconds is not None and not started:
            started = True
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-6))

    try:
        with userspace.told(start):
            yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGTERM, before[0])
        signal.signal(signal.SIGALRM, before[1])


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _time_is_up(number: int, frame: FrameType | None) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
