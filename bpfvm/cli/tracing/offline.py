"""A tool over a capture or a script of events: what it attaches runs in the emulator, its sleeping lets time go by."""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bpfvm.cli.target import failed_at
from bpfvm.core.errors import BpfvmError, LoadError
from bpfvm.lang import userspace
from bpfvm.obj.captures.capture import open_capture
from bpfvm.run.replay import Replay

if TYPE_CHECKING:
    from bpfvm.timeline import Timeline
    from bpfvm.timeline.scripted import Scripted

_AFTER = 10.0  # seconds behind the last packet after which a tool that sleeps is ended
_NANO = 10**9


@contextmanager
def replayed(path: str, engine: str, ctx: Mapping[str, int]) -> Iterator[None]:
    """In the block, programs are attached to the packets of a capture. LoadError for one that cannot be read."""
    with open_capture(path) as capture:
        space = Replay(capture, engine, ctx)
        with userspace.instead(space), _time_of(space):
            yield


@contextmanager
def scripted(path: str, engine: str) -> Iterator[None]:
    """In the block, events of a script happen to programs. LoadError for a file without a function `script`."""
    from bpfvm.timeline.scripted import Scripted

    file = Path(path)
    if not file.is_file():
        raise LoadError(f"{path}: {'a folder, not a Python file' if file.is_dir() else 'no such file'}")
    try:
        script = runpy.run_path(str(file.resolve()), run_name="bpfvm_script").get("script")
    except BpfvmError:
        raise
    except Exception as error:
        raise LoadError(f"{failed_at(file, error)}: {type(error).__name__}: {error}") from None
    if not callable(script):
        raise LoadError(f"{path}: a script defines script(timeline), which adds events to the timeline")

    def told(timeline: Timeline) -> None:
        try:
            script(timeline)
        except Exception as error:
            text = str(error) if isinstance(error, BpfvmError) else f"{type(error).__name__}: {error}"
            raise LoadError(f"{failed_at(file, error)}: {text}") from None

    space = Scripted(told, engine)
    with userspace.instead(space), _time_of(space):
        yield


@contextmanager
def _time_of(space: Replay | Scripted) -> Iterator[None]:
    """`time.sleep`, `time.time` and `time.strftime` are those of the capture, whose clock shows UTC."""
    strftime = time.strftime
    ended = 0.0

    def sleep(seconds: float) -> None:
        nonlocal ended
        ended = 0.0 if space.pause(seconds) else ended + seconds
        if ended > _AFTER:
            raise KeyboardInterrupt

    def shown(form: str, *when: Any) -> str:
        return strftime(form, *(when or (time.gmtime(space.now // _NANO),)))

    replaced: dict[str, Callable[..., Any]] = {
        "sleep": sleep, "time": lambda: space.now / _NANO, "time_ns": lambda: space.now, "strftime": shown,
    }  # fmt: skip
    before = {name: getattr(time, name) for name in replaced}
    try:
        for name, one in replaced.items():
            setattr(time, name, one)
        yield
    finally:
        for name, one in before.items():
            setattr(time, name, one)
