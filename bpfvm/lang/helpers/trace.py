"""`print` while a program runs in CPython: a line of the trace, as of a compiled program."""

from __future__ import annotations

import builtins
from typing import Any

from bpfvm.lang.active import current


def traced(*given: Any, sep: str | None = None, end: str | None = None, file: Any = None, flush: bool = False) -> None:
    """Stands for the builtin during a run; outside of it, and with a file, it is the builtin."""
    on = current()
    if on is None or file is not None:
        PRINT(*given, sep=sep, end=end, file=file, flush=flush)
        return
    text = (" " if sep is None else sep).join(map(str, given)) + ("\n" if end is None else end)
    on.trace(text.removesuffix("\n"))


PRINT = builtins.print
