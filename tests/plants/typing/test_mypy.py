"""mypy reads compiler/ and emulator/ and finds an error there. Run by `tox -e typing`, which installs mypy."""

from __future__ import annotations

import re
from pathlib import Path

from tests.plants.tree import ROOT, copy, plant, tool

FILES = re.compile(r"in (\d+) source files|checked (\d+) source files")


PLANTED = ("compiler/__init__.py", "emulator/__init__.py", "bpfvm/core/bits.py")


def files_read(output: str) -> int:
    """How many files mypy says that it read."""
    found = FILES.search(output)
    assert found is not None, output
    return int(found[1] or found[2])


def test_a_planted_type_error_is_found(tmp_path: Path) -> None:
    place = copy(tmp_path, ".mypy_cache")  # as `mypy` has left it here: what was read once is read no more
    before = tool(place, "mypy")
    assert before.returncode == 0, before.stdout + before.stderr
    for name in PLANTED:
        plant(place, name, 'planted: int = "not an int"')
    after = tool(place, "mypy")
    assert after.returncode == 1, after.stdout + after.stderr
    blamed = re.findall(r"^(\S+):\d+: error: Incompatible types in assignment", after.stdout, re.M)
    assert sorted(blamed) == sorted(name if name.startswith("bpfvm") else f"bpfvm/{name}" for name in PLANTED)
    written = sum(1 for part in ("bpfvm", "compiler", "emulator") for _ in (ROOT / part).rglob("*.py"))
    print(f"mypy read {files_read(before.stdout)} files, {written} of them bpfvm's own")
    assert files_read(before.stdout) == files_read(after.stdout) > written > 50
