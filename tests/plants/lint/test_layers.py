"""import-linter sees the packages behind the links and finds an upward import. Run by `tox -e lint`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.plants.tree import ROOT, copy, plant, tool


@pytest.mark.parametrize(
    ("name", "code", "blamed"),
    [
        ("bpfvm/isa/insn.py", "import bpfvm.cli", "bpfvm.isa.insn -> bpfvm.cli"),
        ("compiler/__init__.py", "import bpfvm.emulator", "bpfvm.compiler -> bpfvm.emulator"),
        ("emulator/__init__.py", "import bpfvm.program", "bpfvm.emulator -> bpfvm.program"),
        (
            "bpfvm/lang/types/scalars.py",
            "def lazy() -> None:\n    import bpfvm.cli",
            "bpfvm.lang.types.scalars -> bpfvm.cli",
        ),
        ("bpfvm/obj/elf/container.py", "import ctypes", "bpfvm.obj.elf.container -> ctypes"),
        ("bpfvm/extra.py", "import bpfvm.core.bits", "bpfvm.extra"),  # a module that stands in no layer
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, name: str, code: str, blamed: str) -> None:
    place = copy(tmp_path)
    before = tool(place, "lint-imports")
    assert before.returncode == 0, before.stdout + before.stderr
    read = re.search(r"Analyzed (\d+) files", before.stdout)
    assert read is not None, before.stdout
    written = sum(1 for part in ("bpfvm", "compiler", "emulator") for _ in (ROOT / part).rglob("*.py"))
    assert int(read[1]) >= written > 50, "import-linter read too few files"
    plant(place, name, code)
    after = tool(place, "lint-imports")
    assert after.returncode == 1, after.stdout + after.stderr
    assert blamed in re.sub(r"\s+", " ", after.stdout)


@pytest.mark.parametrize(
    ("name", "code", "rule"),
    [
        ("emulator/__init__.py", "import json", "F401"),
        ("compiler/pipeline.py", "from .passes import dce", "TID252"),
        ("bpfvm/run/compare.py", "print()", "T201"),
    ],
)
def test_a_planted_fault_of_style_is_found(tmp_path: Path, name: str, code: str, rule: str) -> None:
    place = copy(tmp_path)
    before = tool(place, "ruff", "check")
    assert before.returncode == 0, before.stdout + before.stderr
    plant(place, name, code)
    after = tool(place, "ruff", "check", "--output-format=concise")
    assert after.returncode == 1, after.stdout + after.stderr
    found = [line for line in after.stdout.splitlines() if line.startswith(f"{name}:") and rule in line]
    assert len(found) == 1, after.stdout
