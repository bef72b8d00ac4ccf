"""Runs the project in tests/plants/outside as somebody else's: in a folder of its own, by pytest and the plugin."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path

PROJECT = Path(__file__).with_name("outside")
ROOT = PROJECT.parents[2]


def run(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, before: Sequence[str] = (),
    copied: bool = True,
) -> subprocess.CompletedProcess[str]:  # fmt: skip
    """Run pytest in a copy of the project, `folder`/outside. before: a command that runs it. copied: copy it first.

    Where bpfvm is not installed its checkout is on the path, and the plugin named.
    """
    place = folder / "outside"
    if copied:
        shutil.copytree(PROJECT, place, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True)
    plugin = [] if "bpfvm" in entry_points(group="pytest11").names else ["-p", "bpfvm.testing.plugin"]
    # reading the checkout for its constants, Hypothesis takes longer for a first input than it allows itself
    quick = ("-p", "no:xdist", "-p", "no:pytest_cov", "--hypothesis-profile=ci")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV_", "PYTHON"))}
    added = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": ""} if plugin else {}
    return subprocess.run(
        [*before, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir=.", *quick, *plugin, *arguments],
        cwd=place, env={**kept, **added, "COLUMNS": "120", "NO_COLOR": "1", **(environment or {})},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def report(output: str, folder: Path) -> str:
    """What pytest says of failures and skips, without what is not the same in each run."""
    text = output[output.index("= FAILURES =") :].partition("\n")[2]
    text = re.sub(r"^=+ (.*) in [\d.]+s =+$", r"= \1 =", text.replace(f"{folder}/outside/", ""), flags=re.M)
    text = text.replace("portable, native", "portable")  # where llvmlite is installed
    text = re.sub(r"^(FAILED \S+).*$", r"\1", text, flags=re.M)  # how much of a message fits depends on the path
    return re.sub(r"^([_=-])\1+ (.*) \1+$", r"\1\1\1 \2", text, flags=re.M)
