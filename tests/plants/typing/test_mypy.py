"""mypy reads compiler/ and emulator/ and finds an error there. Run by `tox -e typing`, which installs mypy."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plants.tree import copy, plant, tool

FILES = re.compile(r"in (\d+) source files|checked (\d+) source files")


@pytest.mark.parametrize("name", ["compiler/__init__.py", "emulator/__init__.py", "bpfvm/core/bits.py"])
def test_a_planted_type_error_is_found(tmp_path: Path, name: str) -> None:
    place = copy(tmp_path)
    plant(place, name, 'planted: int = "not an int"')
    done = tool(place, "mypy")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Incompatible types in assignment" in done.stdout
    found = FILES.search(done.stdout)
    assert found is not None
    assert int(found[1] or found[2]) > 50, "mypy read too few files"
