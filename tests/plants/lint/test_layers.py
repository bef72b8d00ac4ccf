"""import-linter sees the packages behind the links and finds an upward import. Run by `tox -e lint`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.plants.tree import ROOT, copy, plant, tool


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy in which the tools find nothing, and read all that there is."""
    place = copy(tmp_path_factory.mktemp("sound"))
    layers, style = tool(place, "lint-imports"), tool(place, "ruff", "check")
    assert layers.returncode == 0, layers.stdout + layers.stderr
    assert style.returncode == 0, style.stdout + style.stderr
    read = re.search(r"Analyzed (\d+) files", layers.stdout)
    assert read is not None, layers.stdout
    written = sum(1 for part in ("bpfvm", "compiler", "emulator") for _ in (ROOT / part).rglob("*.py"))
    assert int(read[1]) >= written > 50, "import-linter read too few files"
    return place


@contextmanager
def planted(place: Path, name: str, code: str) -> Iterator[None]:
    """The copy with `code` in the file `name`, and afterwards as it was."""
    file = place / name
    before = file.read_bytes() if file.exists() else None
    plant(place, name, code)
    try:
        yield
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_bytes(before)


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
def test_a_planted_import_is_found(sound: Path, name: str, code: str, blamed: str) -> None:
    with planted(sound, name, code):
        after = tool(sound, "lint-imports")
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
def test_a_planted_fault_of_style_is_found(sound: Path, name: str, code: str, rule: str) -> None:
    with planted(sound, name, code):
        after = tool(sound, "ruff", "check", "--output-format=concise")
    assert after.returncode == 1, after.stdout + after.stderr
    found = [line for line in after.stdout.splitlines() if line.startswith(f"{name}:") and rule in line]
    assert len(found) == 1, after.stdout
