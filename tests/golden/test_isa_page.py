"""docs/isa.md is what the instruction table says. `--update` writes it."""

from __future__ import annotations

from pathlib import Path

from bpfvm.isa.doc import page
from bpfvm.isa.ops import OPS, RESERVED

PAGE = Path(__file__).resolve().parents[2] / "docs" / "isa.md"


def test_the_page_is_current(update: bool) -> None:
    if update:
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "the table has changed: pytest tests/golden --update writes docs/isa.md"


def test_every_row_and_every_opcode_byte_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert [op.name for op in OPS if f"| `{op.name}` | `{op.code:#04x}` |" not in text] == []
    assert [code for code in RESERVED if f"`{code:#04x}`" not in text] == []
    print(f"{len(OPS)} rows, {len(RESERVED)} reserved opcode bytes")
    assert len(OPS) >= 182
