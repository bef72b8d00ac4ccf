"""docs/helpers.md is what the helper table says. `--update` writes it."""

from __future__ import annotations

from pathlib import Path

from bpfvm.tables.doc import page
from bpfvm.tables.helpers import HELPERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "helpers.md"


def test_the_page_is_current(update: bool) -> None:
    if update:
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "the table has changed: pytest tests/golden --update writes docs/helpers.md"


def test_every_helper_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert [row.name for row in HELPERS if f"### {row.id}. {row.name}\n\n`{row.declaration}`\n" not in text] == []
    print(f"{len(HELPERS)} helpers")
    assert len(HELPERS) >= 211
