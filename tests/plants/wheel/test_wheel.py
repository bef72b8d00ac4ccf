"""What is installed from the wheel: all packages, under one name, away from the checkout. For `tox -e wheel`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_module_is_in_the_wheel_under_one_name() -> None:
    installed = {str(path) for path in files("bpfvm") or ()}
    wanted = {
        f"bpfvm/{path.relative_to(ROOT)}" for part in ("compiler", "emulator") for path in (ROOT / part).rglob("*.py")
    }
    assert wanted <= installed, wanted - installed
    assert len(wanted) > 10
    assert {"bpfvm/py.typed", "bpfvm/cli/run.py"} <= installed
    tops = {path.split("/")[0] for path in installed if not path.startswith("..")}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bpfvm"}


def test_the_command_runs_away_from_the_checkout(tmp_path: Path) -> None:
    command = Path(sys.executable).parent / "bpfvm"
    done = subprocess.run([command, "run", "--help"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Example: bpfvm run" in done.stdout
