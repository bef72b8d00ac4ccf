"""Files that are kept for later processes, in $XDG_CACHE_HOME/bpfvm (~/.cache/bpfvm).

A file that is another user's counts as missing; where none can be written, nothing is kept. Of each folder's files the
older half goes when there are too many, by when they were last asked for.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from bpfvm.core.errors import LoadError
from bpfvm.obj.files import open_regular

MOST = 4096  # files of a folder: some 50 MB of machine code


def folder() -> Path:
    """Where they are (XDG Base Directory Specification: a relative path counts as none)."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path(os.path.expanduser("~")) / ".cache") / "bpfvm"


def read(path: Path) -> bytes | None:
    """What is kept there, or None."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            with contextlib.suppress(OSError):  # a folder that is only read
                os.utime(file.fileno())
            return file.read()
    except (LoadError, OSError):
        return None


def write(path: Path, data: bytes) -> None:
    """Keep bytes there, whole or not at all; a folder that cannot be written is no error."""
    import tempfile  # takes longer than reading does

    name = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".new-", delete=False) as file:
            name = file.name
            file.write(data)
        os.replace(name, path)
        _prune(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name)


def _prune(where: Path) -> None:
    files = [one for one in os.scandir(where) if one.is_file(follow_symlinks=False)]
    if len(files) <= MOST:
        return
    ages = []
    for one in files:
        with contextlib.suppress(OSError):  # another process removed it
            ages.append((one.stat(follow_symlinks=False).st_mtime_ns, one.path))
    for _, path in sorted(ages)[: len(ages) // 2]:
        with contextlib.suppress(OSError):
            os.unlink(path)
