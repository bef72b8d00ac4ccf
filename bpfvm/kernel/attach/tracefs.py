"""tracefs: where it is, numbers of its events, and events made by hand for kernels without a PMU for probes."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import time
from pathlib import Path

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.sys import error_name

_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # the same on all architectures: numbers are shared since 5.1
_CLOEXEC, _CREATE = 1, 6  # FSOPEN_CLOEXEC and FSMOUNT_CLOEXEC; FSCONFIG_CMD_CREATE
_PATIENCE = 5.0  # seconds
PLACES = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))


def root() -> Path:
    """The folder of tracefs, or of a mount of its own that nobody else sees. Unavailable where neither can be had."""
    for one in PLACES:
        if (one / "events").is_dir():
            return one
    return Path(f"/proc/self/fd/{_own_mount()}")


@functools.cache
def _own_mount() -> int:
    """A mount of tracefs that stands nowhere in the file tree (fsmount(2), since 5.2): its descriptor, kept."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    made = call(_FSOPEN, b"tracefs", _CLOEXEC)
    if made >= 0:
        try:
            if call(_FSCONFIG, made, _CREATE, None, None, 0) == 0:
                mounted = int(call(_FSMOUNT, made, _CLOEXEC, 0))
                if mounted >= 0:
                    return mounted
        finally:
            os.close(made)
    raise Unavailable(
        f"tracefs is not there: it is mounted neither at {PLACES[0]} nor at {PLACES[1]}, and cannot be mounted "
        f"({error_name(ctypes.get_errno())}); as root, mount -t tracefs tracefs {PLACES[0]}"
    )


def event_number(group: str, name: str) -> int | None:
    """The number by which perf_event_open(2) knows an event; None where there is none. Unavailable without tracefs."""
    try:
        return int((root() / "events" / group / name / "id").read_text(encoding="ascii"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        raise Unavailable(
            f"tracepoint {group}:{name} cannot be read ({error_name(number or 0)}): run as root"
        ) from None


def names_like(group: str, name: str) -> list[str]:
    """Events of a group or groups that a message may name, nearest first."""
    from difflib import get_close_matches

    try:
        events = root() / "events"
        folder = events / group
        if not folder.is_dir():
            groups = [one.name for one in events.iterdir() if one.is_dir()]
            return [f"{one}:…" for one in get_close_matches(group, groups, 3)]
        own = [one.name for one in folder.iterdir() if one.is_dir()]
    except OSError:
        return []
    return [f"{group}:{one}" for one in get_close_matches(name, own, 3)]


def raw_like(name: str) -> list[str]:
    """Tracepoints, without their groups, that a message may name, nearest first; none where they cannot be read."""
    from difflib import get_close_matches

    try:
        lines = (root() / "available_events").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError, Unavailable):
        return []
    return get_close_matches(name, {line.rpartition(":")[2] for line in lines}, 3)


def add_event(file: str, line: str) -> None:
    """Write one line to kprobe_events or uprobe_events. Raises OSError.

    Python's append mode seeks to the end, which these files refuse.
    """
    fd = os.open(root() / file, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        os.write(fd, line.encode() + b"\n")
    finally:
        os.close(fd)


def remove_event(file: str, name: str) -> None:
    """Take an event away; one that is gone is no error. Raises OSError.

    While a process that was killed still holds it, the event is busy: then again, for some seconds.
    """
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            add_event(file, f"-:{name}")
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
