"""Amounts as messages say them."""

from __future__ import annotations

import re
from pathlib import Path

from bpfvm.core.amounts import octets

ROOT = Path(__file__).parents[3]


def test_one_byte_and_more() -> None:
    assert [octets(count) for count in (0, 1, 2, -1)] == ["0 bytes", "1 byte", "2 bytes", "-1 bytes"]


def test_faults_use_it() -> None:
    """No fault of the emulator writes the plural by itself."""
    texts = {path: path.read_text() for path in sorted((ROOT / "emulator").rglob("*.py"))}
    own = [f"{path.name}: {line.strip()}" for path, text in texts.items() for line in text.splitlines()
           if "Stop(" in line and re.search(r"\{[a-z_.()]+\} bytes", line)]  # fmt: skip
    assert len(texts) >= 100
    assert not own
