"""The examples of docs/tracing.md are a project whose tests pass on every engine, and its names are all there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from bpfvm.lang.traced.sites import FAMILIES
from bpfvm.timeline import Seen, Task, Timeline
from tests.plants.outside_run import ROOT, run

PAGE = (ROOT / "docs/tracing.md").read_text()
FILES = dict(re.findall(r"^```python file=(\S+)\n(.*?)^```", PAGE, re.M | re.S))
TESTS = [name for name in FILES if name.startswith("test_")]


@pytest.mark.parametrize("engine", ["auto", "cpython"])
def test_the_examples_pass(tmp_path: Path, engine: str) -> None:
    place = tmp_path / "outside"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    chosen = TESTS if engine == "auto" else ["test_fixture.py"]
    done = run(tmp_path, "-q", f"--bpf-engine={engine}", *chosen, copied=False)
    assert f"{5 if engine == 'auto' else 1} passed" in done.stdout, done.stdout + done.stderr


def test_all_names_are_on_the_page() -> None:
    at, made = inspect.signature(Timeline.at).parameters, inspect.signature(Timeline).parameters
    options = [f"{one.name}=" for one in (*at.values(), *made.values()) if one.kind is one.KEYWORD_ONLY]
    seen = [f"seen.{name}" for name in vars(Seen) if not name.startswith("_") and name not in ("agreed", "last")]
    tasks = [f"{name}=" for name, one in inspect.signature(Task).parameters.items() if one.kind is one.KEYWORD_ONLY]
    wanted = [*options, *seen, *tasks, *(kind for kind in FAMILIES if "ret" not in kind and "lsm_" not in kind)]
    assert len(wanted) >= 30
    assert [name for name in wanted if name not in PAGE and name not in ("fmod_ret", "syscall_exit")] == []
