"""The project speaks of itself alone: no path of a machine in what ships."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:root|home|work|Users)/")
SHIPPED = ("*.md", "docs/**/*.md", "bpfvm/**/*.py", "compiler/**/*.py", "emulator/**/*.py", "examples/*.py", "*.toml")


def test_no_path_of_a_machine() -> None:
    seen = 0
    for pattern in SHIPPED:
        for path in ROOT.glob(pattern):
            seen += 1
            for number, line in enumerate(path.read_text().splitlines(), 1):
                assert not MACHINE_PATH.search(line), f"{path.relative_to(ROOT)}:{number}: {line}"
    print(f"{seen} files read")
    assert seen > 50
