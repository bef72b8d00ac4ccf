"""Coverage of a C object by source line: counted by hand against the source, as LCOV and as coverage.py reads it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.core.machine import Input
from bpfvm.emulator import INTERP, PORTABLE
from bpfvm.obj.reader.object import read_object
from bpfvm.run.coverage import FileCoverage, by_source, lcov
from bpfvm.testing import coverage

OBJECTS = Path(__file__).parents[2] / "objects"
COUNT = OBJECTS / "xdp_count.o"
LONG, SHORT = bytes(64), bytes(20)


def covered(*packets: bytes) -> FileCoverage:
    """xdp_count.c after these packets."""
    spec = read_object(COUNT)
    with INTERP.load(spec, "count", {}) as loaded, loaded.cover() as counted:
        for packet in packets:
            loaded.run(Input(packet=packet))
    files = by_source(spec, counted, str(COUNT))
    assert list(files) == [str(OBJECTS / "xdp_count.c")]
    return files[str(OBJECTS / "xdp_count.c")]


def test_lines_count_as_often_as_they_ran() -> None:
    one = covered(LONG, LONG, SHORT)
    lines = (OBJECTS / "xdp_count.c").read_text().splitlines()
    assert all(lines[line - 1].strip() for line in one.lines), "no code stands for an empty line"
    place = {text.strip(): number for number, text in enumerate(lines, 1)}
    assert one.lines[place["if (data + 24 > end)"]] == 3
    assert one.lines[place["__u32 proto = data[23];"]] == 2
    assert one.lines[place["__sync_fetch_and_add(value, 1);"]] == 2
    assert one.functions["count"][1] == 3


def test_both_sides_of_a_branch() -> None:
    line = next(n for n, text in enumerate((OBJECTS / "xdp_count.c").read_text().splitlines(), 1) if "24 > end" in text)
    for packets, sides in (((LONG,), {0, 1}), ((LONG, SHORT), {1}), ((SHORT, SHORT), {0, 2})):
        (branch,) = (one for one in covered(*packets).branches if one.line == line)
        assert {branch.fell, branch.taken} == sides


def test_lcov() -> None:
    text = lcov({"a.c": covered(LONG)})
    assert text.startswith("TN:\nSF:a.c\nFN:")
    assert text.endswith("end_of_record\n")
    assert "FNDA:1,count" in text
    assert {line.split(":")[0] for line in text.splitlines()} >= {"DA", "BRDA", "LF", "LH", "BRF", "BRH", "FNF", "FNH"}


def test_coverage_report_takes_c_files(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    source = str(OBJECTS / "xdp_count.c")
    coverage.write(str(tmp_path / ".coverage"), {source: covered(SHORT)}, {})
    (tmp_path / ".coveragerc").write_text("[run]\nbranch = true\nplugins = bpfvm.testing.coverage\n")
    command = [sys.executable, "-m", "coverage", "report", "-m"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if "xdp_count.c" in line)
    missing = next(n for n, text in enumerate(Path(source).read_text().splitlines(), 1) if "proto = data" in text)
    assert str(missing) in line
    assert "100%" not in line
    coverage.write(str(tmp_path / ".coverage"), {source: covered(LONG)}, {})
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert str(missing) not in next(line for line in done.stdout.splitlines() if "xdp_count.c" in line).split("%")[-1]


def test_a_file_that_is_not_there_is_shown_from_the_object(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    one = FileCoverage({1: 1, 3: 0}, followed={(-1, 1), (1, -1)}, arcs={(-1, 1), (1, 3), (1, -1)})
    coverage.write(str(tmp_path / "data"), {"/gone/f.c": one}, {("/gone/f.c", 3): "return 0;"})
    known = coverage.Sources(tmp_path / coverage.LINES).file_reporter("/gone/f.c")
    assert known.source().splitlines()[2] == "return 0;"
    assert known.lines() == {1, 3}
    assert known.exit_counts() == {1: 2}


def test_what_cannot_be_written_or_counted(tmp_path: Path) -> None:
    pytest.importorskip("coverage")
    (tmp_path / "notes").write_text("not a database")
    with pytest.raises(UsageError, match="notes"):
        coverage.write(str(tmp_path / "notes"), {"f.c": FileCoverage()}, {})
    if Path("/dev/full").exists():
        with pytest.raises(UsageError, match="/dev/full"):
            coverage.write("/dev/full", {"f.c": FileCoverage()}, {})
    spec = read_object(COUNT)
    with PORTABLE.load(spec, "count", {}) as loaded, pytest.raises(Unavailable, match="engines interp and native"):
        loaded.cover()


@pytest.mark.parametrize("text", [
    "", "[1]", '{"f.c": 1}', '{"f.c": {"lines": 3, "arcs": [], "text": {}}}', "[" * 100_000,
    '{"f.c": {"lines": ["x"], "arcs": [[1]], "text": {}}}', '{"f.c": {"lines": [1], "arcs": [[1, 2]]}}',
])  # fmt: skip
def test_what_something_else_wrote_is_written_anew(tmp_path: Path, text: str) -> None:
    pytest.importorskip("coverage")
    (tmp_path / coverage.LINES).write_text(text)
    one = FileCoverage({1: 1, 3: 0}, followed={(-1, 1), (1, -1)}, arcs={(-1, 1), (1, 3), (1, -1)})
    assert coverage.Sources(tmp_path / coverage.LINES).file_reporter("f.c").lines() == set()
    coverage.write(str(tmp_path / "data"), {"f.c": one}, {})
    assert coverage.Sources(tmp_path / coverage.LINES).file_reporter("f.c").lines() == {1, 3}
