"""`bpfvm compile`: what it writes and prints, and that no file and no option gives more than a clear line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bpfvm
from bpfvm.cli import status

ROOT = Path(__file__).resolve().parents[3]
TWO = """\
from bpfvm import *
print("made at import")
hits = Array(u64, 4)

@bpf.xdp
def count(ctx):
    hits[len(pkt) % 4] += 1

@bpf.function
def half(a: u32) -> u32:
    return a // 2

def helper(a):
    return a
"""
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "two.py"
    path.write_text(TWO)
    return path


def test_an_object_of_several_programs(two: Path, capsys: Captured) -> None:
    assert status(["compile", str(two)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("two.o: ")
    assert out.endswith(" bytes, count, half\n")
    assert err == "made at import\n"  # what the file prints is none of the command's own words
    made = bpfvm.load("two.o")
    assert list(made.programs) == ["count", "half"]
    assert made.programs["count"].emulate(bytes(63)).maps["hits"][3] == 1


def test_json_is_one_document(two: Path, capsys: Captured) -> None:
    assert status(["compile", "two.py", "--json", "-o", "x.o"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["programs"]] == ["count", "half"]
    assert set(document["programs"][0]) == {"name", "section", "type", "slots", "stack"}
    assert document["maps"] == [{"name": "hits", "type": "array", "key_size": 4, "value_size": 8, "max_entries": 4}]
    assert document["object"] == "x.o"
    assert status(["compile", "two.py:half", "--json", "--asm", "--dump-ir=dce"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert "r0" in document["programs"][0]["asm"]
    assert [one["after"] for one in document["ir"]] == ["dce"]
    assert not Path("two.o").exists()


def test_text_and_ir(two: Path, capsys: Captured) -> None:
    assert status(["compile", "two.py", "--asm", "--program", "half"]) == 0
    assert capsys.readouterr().out.startswith("half:\n")
    assert status(["compile", "two.py:half", "--dump-ir"]) == 0
    assert capsys.readouterr().out.startswith("; after frontend\n")
    assert not Path("two.o").exists()


def test_errors_of_all_programs_are_shown_at_once(two: Path, capsys: Captured) -> None:
    two.write_text(TWO.replace("a // 2", "a / 2").replace("% 4", "% fuor"))
    assert status(["compile", "two.py"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": error[")[2][:4] for line in err.splitlines() if "error[" in line] == ["E010", "E042"]
    assert "^^^^" in err
    assert "\x1b" not in err


def test_colours(two: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    two.write_text(TWO.replace("a // 2", "a / 2"))
    monkeypatch.setenv("FORCE_COLOR", "1")
    status(["compile", "two.py"])
    assert "\x1b[1;31merror[E042]:\x1b[0m" in capsys.readouterr().err
    monkeypatch.setenv("NO_COLOR", "1")
    status(["compile", "two.py"])
    assert "\x1b" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.py"], "none.py: no such file"),
        (["two.py:hafl"], "two.py has no program 'hafl'; did you mean half? it has count, half"),
        (["two.py:helper"], "two.py: helper is a plain function: decorate it"),
        (["two.py:9"], "two.py has no program '9'"),
        (["two.py", "--program", "nothing"], "has no program 'nothing'"),
        (["two.o"], "two.o is not a Python file"),
        (["."], ". is not a Python file"),
        (["two.py", "--dump-ir=magic"], "--dump-ir=magic: there is no such pass; passes are frontend, "),
        (["two.py", "-o", "no/folder/x.o"], "no/folder/x.o: No such file or directory"),
        (["two.py", "-o", "."], "bpfvm: .: Is a directory"),
        (["two.py", "-o", "/dev/full"], "No space left on device"),
        (["two.py", "-o", "two.py"], "two.py is the file to compile"),
        (["two.py", "-o", "link.o"], "link.o is the file to compile"),
        ([], "Missing argument"),
        (["two.py", "--nothing"], "No such option"),
    ],
)
def test_bad_usage(two: Path, arguments: list[str], words: str, capsys: Captured) -> None:
    Path("link.o").symlink_to("two.py")
    assert status(["compile", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len([line for line in err.splitlines() if line.startswith("bpfvm: ")]) <= 1
    assert two.read_text() == TWO


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "no program here"),
        (b"import nothing_of_this_name", "hostile.py:1: importing it failed: ModuleNotFoundError"),
        (b"x = 1\ndef f(:", "hostile.py:2: importing it failed: SyntaxError"),
        (b"def f():\n  return '\xff'", "importing it failed: SyntaxError"),
        (b"# coding: nonsense\n", "importing it failed: SyntaxError"),
        (b"x = 1\0", "hostile.py: importing it failed: "),  # SyntaxError; ValueError before 3.11.4
        (b"\nraise SystemExit(7)", "importing it ended the process (exit status 7)"),
        (b"\nraise ValueError('a\\nb\\x1b[2J')", r"hostile.py:2: importing it failed: ValueError: a\nb\x1b[2J"),
        (b"def f(): f()\nf()", "hostile.py:1: importing it failed: RecursionError"),
        (b"from bpfvm import Hsah", "bpfvm has no 'Hsah' in this version; did you mean Hash?"),
        (b"from bpfvm import LruHash", "bpfvm has no 'LruHash' in this version; write Hash(\u2026, lru=True)"),
        (b"from bpfvm import *\n@bpf.kprob('x')\ndef f(): pass", "bpf has no 'kprob' in this version"),
        (b"from bpfvm import *\nhits = Array(u64, 0)", "hostile.py:2: Array: max_entries must be from 1"),
        (b"from bpfvm import *\nlen(pkt)", "len(pkt) has a meaning only while a program runs"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, text: bytes, words: str, capsys: Captured) -> None:
    path = tmp_path / "hostile.py"
    path.write_bytes(text)
    assert status(["compile", str(path), "-o", str(tmp_path / "x.o")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "x.o").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_may_not_be_written(two: Path, capsys: Captured) -> None:
    folder = two.parent / "locked"
    folder.mkdir(mode=0o500)
    assert status(["compile", "two.py", "-o", "locked/x.o"]) == 2
    assert "locked/x.o: Permission denied" in capsys.readouterr().err


def test_a_reader_that_goes_away(two: Path) -> None:
    script = f"{sys.executable} -m bpfvm compile two.py --dump-ir | head -c 1"
    done = subprocess.run(
        ["bash", "-c", script], cwd=two.parent, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
