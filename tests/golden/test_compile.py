"""Every diagnostic of the frontend: the lines it blames, and its whole text. `--update` rewrites the texts."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from bpfvm.core.codes import CODES
from tests.golden.blame import FOLDER, blames, diagnostics, difference, mismatches, rendered

INPUTS = sorted(FOLDER.glob("*.py"))
ROOT = Path(__file__).resolve().parents[2]

# Codes that no file of its own can show, with the tests that raise them.
ELSEWHERE = {
    "E001": "tests/unit/compiler/test_frontend_source.py",
    "E002": "tests/unit/compiler/test_frontend_source.py",
    "E003": "tests/unit/compiler/test_frontend_source.py",
    "E065": "tests/unit/compiler/test_frontend_depth.py",
    "W141": "tests/unit/compiler/test_targets.py",
}


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("path", INPUTS, ids=lambda path: path.stem)
def test_diagnostics(path: Path, update: bool) -> None:
    diags = diagnostics(path)
    wrong = mismatches(blames(path.read_text()), diags)
    assert not wrong, "blame lines are corrected by hand, never by --update:\n" + "\n".join(wrong)
    golden, text = path.with_suffix(".diag"), rendered(diags)
    if update:
        golden.write_text(text)
    want = golden.read_text() if golden.exists() else ""
    assert text == want, difference(golden, want, text)


def test_each_input_blames_a_line() -> None:
    silent = [path.name for path in INPUTS if not blames(path.read_text())]
    assert not silent
    print(f"{len(INPUTS)} inputs")
    assert len(INPUTS) >= 100


def test_no_output_without_its_input() -> None:
    orphans = [path.name for path in FOLDER.glob("*.diag") if not path.with_suffix(".py").exists()]
    assert not orphans


def test_each_code_has_a_golden() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "compiler").rglob("*.py"))
    raised = set(re.findall(r'"([EW]\d{3})"', sources))
    blamed = Counter(blame.code for path in INPUTS for blame in blames(path.read_text()))
    assert raised == set(CODES)
    assert raised - set(blamed) == set(ELSEWHERE)
    for code, place in ELSEWHERE.items():
        assert code in (ROOT / place).read_text()
    print(f"{len(raised)} codes, {sum(blamed.values())} blames:", *(f"{one} {blamed[one]}" for one in sorted(blamed)))
    assert sum(blamed.values()) >= 200
