"""Functions of the kernel that can be probed, by name or pattern, from tracefs or /proc/kallsyms."""

from __future__ import annotations

import fnmatch
import functools
from pathlib import Path

from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.kernel.attach import tracefs

_SYMBOLS = Path("/proc/kallsyms")
MOST = 1000  # functions that one pattern may mean


def matching(pattern: str) -> tuple[str, ...]:
    """The functions that a name or a pattern with `*` and `?` means. LoadError for none, UsageError for too many."""
    if not any(one in pattern for one in "*?["):
        return (pattern,)
    found = tuple(name for name in names() if fnmatch.fnmatchcase(name, pattern))
    if not found:
        raise LoadError(f"kprobe {pattern}: the kernel has no function of such a name")
    if len(found) > MOST:
        raise UsageError(f"kprobe {pattern}: {len(found)} functions have such a name, and at most {MOST} are probed")
    return found


def near(name: str) -> str:
    """What a message may offer for a function that is not there."""
    from difflib import get_close_matches

    found = get_close_matches(name.partition("+")[0], names(), 3)
    return f"; did you mean {', '.join(found)}?" if found else ""


@functools.cache
def names() -> tuple[str, ...]:
    """All that can be probed; all functions where the kernel does not tell which; () where it tells nothing."""
    try:
        lines = (tracefs.root() / "available_filter_functions").read_text(encoding="ascii").splitlines()
        return tuple(dict.fromkeys(line.split()[0] for line in lines if line))
    except (OSError, Unavailable):
        pass
    try:
        rows = (line.split() for line in _SYMBOLS.read_text(encoding="ascii").splitlines())
    except OSError:
        return ()
    return tuple(dict.fromkeys(row[2] for row in rows if len(row) > 2 and row[1] in "tTwW" and "." not in row[2]))
