"""A copy of the repository in which something is planted that a tool must find."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".tox", "__pycache__", ".mypy_cache", ".ruff_cache", ".import_linter_cache", ".hypothesis", "*.egg-info"
)


def copy(folder: Path, cache: str = "") -> Path:
    """The repository below `folder`, links kept as links. cache: of the tool that reads it, where there is one."""
    place = folder / "copy"
    shutil.copytree(ROOT, place, symlinks=True, ignore=LEFT_OUT)
    if cache and (ROOT / cache).is_dir():
        shutil.copytree(ROOT / cache, place / cache)
    return place


def plant(place: Path, name: str, code: str) -> None:
    """Append `code` to the file `name` of the copy."""
    with (place / name).open("a") as file:
        file.write(f"\n\n{code}\n")


def tool(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment in the copy."""
    path = str(Path(sys.executable).parent / command[0])
    return subprocess.run([path, *command[1:]], cwd=place, capture_output=True, text=True, check=False)
