"""What mypy says of a typed module that uses bpfvm from outside: nothing but what it must. Run by `tox -e typing`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.plants.tree import ROOT

CLIENT = Path(__file__).with_name("client.py")


def test_a_typed_client(tmp_path: Path) -> None:
    place = tmp_path / "client.py"
    place.write_text(CLIENT.read_text())
    options = ["--strict", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "client.py"],
        cwd=tmp_path, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    lines = CLIENT.read_text().splitlines()
    wanted = [
        (number, found[1]) for number, line in enumerate(lines, 1) if (found := re.search(r"# mypy: (\S+)", line))
    ]
    said = re.findall(r"^client\.py:(\d+): error: .*\[(\S+)\]$", done.stdout, re.M)
    print(done.stdout)
    assert [(int(number), code) for number, code in said] == wanted, done.stdout + done.stderr
    assert len(wanted) >= 6
