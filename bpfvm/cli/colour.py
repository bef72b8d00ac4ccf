"""Whether what goes to a stream is coloured: on a terminal, unless the user does not want it."""

from __future__ import annotations

import os
from typing import TextIO


def wanted(stream: TextIO) -> bool:
    """NO_COLOR (no-color.org) switches colours off, FORCE_COLOR on; else terminals that are not "dumb" get them."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"
