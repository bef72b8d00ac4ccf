"""Offline tests run where engine native is missing, too: no llvmlite, or no executable memory."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).parents[1]
ASKS = ("missing", "EMULATORS", '!= "native"')  # what is there, or goes without


def test_no_test_takes_it_for_granted() -> None:
    naming = [path for path in TESTS.rglob("*.py") if '"native"' in path.read_text()]
    wrong = [str(path.relative_to(TESTS)) for path in naming if not any(one in path.read_text() for one in ASKS)]
    print(f"{len(naming)} files name the engine")
    assert wrong == [], "take the engines from tests/engines.py"
    assert len(naming) >= 10
