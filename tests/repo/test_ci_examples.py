"""The examples of continuous integration name commands, markers, extras and files that there are."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "ci"


def test_extras_and_markers_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = "".join(one.read_text() for one in sorted(FOLDER.iterdir()))
    named = {extra for group in re.findall(r"bpfvm\[([\w,]+)\]", text) for extra in group.split(",")}
    assert named
    assert named <= set(extras)
    assert set(re.findall(r"-m (kernel)\b", text)) == {"kernel"}
    assert "tox -e vm" in text
    assert re.search(r"^\[testenv:vm\]", (ROOT / "tox.ini").read_text(), re.M)


def test_the_container_has_the_capabilities_that_the_table_names() -> None:
    from bpfvm.kernel.host.privilege import _BITS

    text = (FOLDER / "Containerfile").read_text()
    given = set(re.findall(r"--cap-add=(\w+)", text))
    assert given == {"BPF", "PERFMON", "NET_ADMIN"}
    assert {f"CAP_{one}" for one in given} <= _BITS.keys()
    instructions = [line.split()[0] for line in text.splitlines() if line and not line.startswith("#")]
    assert instructions == ["FROM", "WORKDIR", "COPY", "RUN", "ENV", "CMD"]
