"""docs/helpers.md is what the helper table says. `--update` writes it."""

from __future__ import annotations

from pathlib import Path

from bpfvm.emulator.helpers import IMPLEMENTED
from bpfvm.emulator.helpers.missing import why
from bpfvm.tables.doc import page
from bpfvm.tables.helpers import HELPERS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "helpers.md"


MISSING = {row.name: why(row.name) for row in HELPERS if row.name not in IMPLEMENTED}


def test_the_page_is_current(update: bool) -> None:
    if update:
        PAGE.write_text(page(MISSING))
    assert PAGE.read_text() == page(MISSING), (
        "the table has changed: pytest tests/golden --update writes docs/helpers.md"
    )


def test_every_helper_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert [row.name for row in HELPERS if f"### {row.id}. {row.name}\n\n`{row.declaration}`\n" not in text] == []
    print(f"{len(HELPERS)} helpers")
    assert len(HELPERS) >= 211


def test_the_page_tells_what_the_emulator_has() -> None:
    text = PAGE.read_text()
    entries = text.split("\n### ")[1:]
    has = {
        entry.split()[1]
        for entry in entries
        if entry.rstrip().partition("\n## ")[0].rstrip().endswith("The emulator has it.")
    }
    assert has == set(IMPLEMENTED)
    assert len(has) >= 60
    print(f"{len(has)} of {len(HELPERS)} helpers emulated")
