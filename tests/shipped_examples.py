"""The modules of examples/, imported as commands import them: some read sys.argv."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

ROOT = Path(__file__).resolve().parents[1]


# What tools cannot do without
NEEDED = {
    "load_balancer": ("lo", "10.0.0.1:80", "02:00:00:00:00:01"), "rate_limiter": ("lo",), "xdp_firewall": ("lo",),
}  # fmt: skip


def example(name: str) -> ModuleType:
    """One, as it is without options."""
    with patch.object(sys, "argv", [str(ROOT / "examples" / f"{name}.py"), *NEEDED.get(name, ())]):
        return import_module(f"examples.{name}")


def modules() -> list[ModuleType]:
    """Every one, in the order of names."""
    return [example(path.stem) for path in sorted((ROOT / "examples").glob("*.py")) if path.stem != "__init__"]
