"""The examples of docs/testing.md are a project whose tests pass, and its names are all there is."""

from __future__ import annotations

import re
from pathlib import Path

from bpfvm.testing import frames, strategies
from tests.plants.outside_run import PROJECT, ROOT, run

PAGE = (ROOT / "docs/testing.md").read_text()
FILES = dict(re.findall(r"^```python file=(\S+)\n(.*?)^```", PAGE, re.M | re.S))


def test_the_examples_pass(tmp_path: Path) -> None:
    place = tmp_path / "outside"
    place.mkdir()
    for name, text in FILES.items():
        (place / name).write_text(text)
    done = run(tmp_path, "-q", "test_fixture.py", "test_random.py", copied=False)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


def test_the_report_is_one_that_was_seen() -> None:
    (shown,) = re.findall(r"^```text\n(.*?)^```", PAGE, re.M | re.S)
    seen = (PROJECT / "broken.report").read_text().splitlines()
    assert [line for line in seen if line in shown.splitlines()] == shown.splitlines()


def test_every_strategy_is_on_the_page() -> None:
    for module in (strategies, frames):
        names = [name for name, one in vars(module).items() if callable(one) and one.__module__ == module.__name__]
        public = [name for name in names if name[0].islower() and name not in ("checksum", "edges", "payloads")]
        assert len(public) >= 7
        assert not [name for name in public if not re.search(rf"\b{name}\b", PAGE)]
