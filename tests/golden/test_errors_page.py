"""docs/errors.md is what the tables and the compiler say. `--update` writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bpfvm.core.codes import CODES
from bpfvm.core.explain import explanations, page
from tests.golden.examples import diagnostics, said

PAGE = Path(__file__).resolve().parents[2] / "docs" / "errors.md"


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
def test_the_page_is_current(update: bool) -> None:
    text = page({code: said(diagnostics(one.wrong)) for code, one in explanations().items() if one.wrong})
    if update:
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "a text has changed: pytest tests/golden --update writes docs/errors.md"


def test_every_code_is_on_the_page() -> None:
    text = PAGE.read_text()
    assert re.findall(r"^## (\w+): ", text, re.M) == list(CODES)
    print(f"{len(CODES)} codes, {text.count('```text')} with examples")
    assert text.count("```text") >= len(CODES) - 6
