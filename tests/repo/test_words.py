"""The project speaks of itself alone: no path of a machine, no promise instead of code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = (".py", ".md", ".toml", ".ini", ".c", ".h", ".sh", ".data", ".tsv")
FOLDERS = ("bpfvm", "compiler", "emulator", "tests", "kernel_tests", "benchmarks", "examples", "docs")
UNWANTED = {
    "path of a machine": re.compile(r"(?<![\w.)}>*])/(?:root|home|work|Users)/\w|\.\./shared"),
    "promise": re.compile(r"\b(?:TODO|FIXME|XXX)\b"),
    "number of a ticket": re.compile(r"\b(?:issue|ticket|PR) #?\d+", re.I),
}


def shipped() -> list[Path]:
    """Every text that ships: the folders, links not followed, and the files beside them."""
    below = (path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))
    found = [path for path in (*below, *ROOT.glob("*")) if path.suffix in TEXTS and path.resolve() == path]
    return [path for path in found if path != Path(__file__).resolve() and "__pycache__" not in path.parts]


@pytest.mark.parametrize("what", UNWANTED)
def test_no_unwanted_words(what: str) -> None:
    files = shipped()
    print(f"{len(files)} files read")
    assert len(files) > 150
    for path in files:
        for number, line in enumerate(path.read_text().splitlines(), 1):
            assert not UNWANTED[what].search(line), f"{path.relative_to(ROOT)}:{number}: {what}: {line}"
