"""The modules of examples/, imported as commands import them: some read sys.argv."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]


def modules() -> list[ModuleType]:
    """Every example, in the order of names."""
    found = []
    for path in sorted((ROOT / "examples").glob("*.py")):
        if path.stem != "__init__":
            with patch.object(sys, "argv", [str(path)]):
                found.append(import_module(f"examples.{path.stem}"))
    return found
