"""How many of something, in words, as messages say it."""

from __future__ import annotations


def octets(count: int) -> str:
    """`1 byte`, `2 bytes`."""
    return f"{count} byte{'' if count == 1 else 's'}"
