"""import-linter sees the packages behind the links and finds an upward import. Run by `tox -e lint`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.plants.tree import copy, plant, tool


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bpfvm/isa/insn.py", "import bpfvm.obj.model  # noqa: E402, F401"),
        ("compiler/__init__.py", "import bpfvm.emulator  # noqa: E402, F401"),
        ("emulator/__init__.py", "import bpfvm.program  # noqa: E402, F401"),
        ("bpfvm/lang/types.py", "def lazy() -> None:\n    import bpfvm.cli  # noqa: F401"),
    ],
)
def test_a_planted_upward_import_is_found(tmp_path: Path, name: str, code: str) -> None:
    place = copy(tmp_path)
    plant(place, name, code)
    done = tool(place, "lint-imports")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout


def test_a_planted_unused_import_is_found(tmp_path: Path) -> None:
    place = copy(tmp_path)
    plant(place, "emulator/__init__.py", "import json")
    done = tool(place, "ruff", "check")
    assert done.returncode == 1, done.stdout + done.stderr
