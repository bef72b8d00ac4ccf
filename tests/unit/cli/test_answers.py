"""`--helper`: Python functions in place of helpers, from files; what cannot be is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.obj.writer.object import write_object
from tests.engines import EMULATORS

Captured = pytest.CaptureFixture[str]
HELPERS = """\
import os

def get_current_pid_tgid():
    return 2

def other():
    return 1

def broken():
    return {}["nothing"]

number = 3
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.chdir(tmp_path)
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble("call 14\nexit")))
    Path("p.o").write_bytes(write_object(ObjectSpec({"p": program}, {})))
    write_capture("c.pcap", [(0, bytes(64)), (1, bytes(64))])
    Path("h.py").write_text(HELPERS)
    Path("bad.py").write_text("x = 1\n1 / 0\n")
    return ["run", "p.o", "--packet", "c.pcap"]


@pytest.mark.parametrize(("given", "action"), [
    ("h.py:get_current_pid_tgid", "XDP_PASS"),
    ("get_current_pid_tgid=h.py:other", "XDP_DROP"),
    ("bpf_get_current_pid_tgid=h.py:other", "XDP_DROP"),
])  # fmt: skip
@pytest.mark.parametrize("engine", EMULATORS)
def test_a_function_answers(given: str, action: str, engine: str, run: list[str], capsys: Captured) -> None:
    assert status([*run, "--helper", given, "--json", "--engine", engine]) == 0
    assert json.loads(capsys.readouterr().out)["actions"] == {action: 2}


def test_what_the_file_prints_stays_out_of_the_answer(run: list[str], capsys: Captured) -> None:
    Path("h.py").write_text(f"print('imported')\n{HELPERS}")
    assert status([*run, "--helper", "h.py:get_current_pid_tgid", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["actions"] == {"XDP_PASS": 2}
    assert "imported" in said.err


@pytest.mark.parametrize(("given", "message", "code"), [
    ("h.py", "write FILE.py:FUNCTION, or NAME=FILE.py:FUNCTION", 2),
    ("=h.py:other", "write FILE.py:FUNCTION", 2),
    ("h.py:nothing", "h.py has no function 'nothing'; it has get_current_pid_tgid, other, broken", 2),
    ("h.py:number", "number is 3, and must be a function", 2),
    ("h.py:other", "there is no helper 'other'", 2),
    ("no.py:other", "no.py: no such file", 2),
    ("bad.py:other", "bad.py:2: importing it failed: ZeroDivisionError", 2),
])  # fmt: skip
def test_what_cannot_be(given: str, message: str, code: int, run: list[str], capsys: Captured) -> None:
    assert status([*run, "--helper", given]) == code
    out, err = capsys.readouterr()
    assert message in err
    assert err.count("\n") == 1
    assert out == ""


def test_an_error_in_the_function_is_a_fault_with_its_place(run: list[str], capsys: Captured) -> None:
    assert status([*run, "--helper", "get_current_pid_tgid=h.py:broken", "--json"]) == 1
    fault, *_ = json.loads(capsys.readouterr().out)["faults"]
    assert fault["message"].endswith("h.py:10: bpf_get_current_pid_tgid#14: KeyError: 'nothing'")


def test_without_an_answer_the_helper_is_named(run: list[str], capsys: Captured) -> None:
    program = ProgramSpec("p", "xdp", "xdp", tuple(assemble("call 35\nr0 = 2\nexit")))
    Path("p.o").write_bytes(write_object(ObjectSpec({"p": program}, {})))
    assert status(run) == 1
    assert "--helper FILE.py:get_current_task" in capsys.readouterr().out


def test_one_name_twice_and_engines_that_have_their_own(run: list[str], capsys: Captured) -> None:
    given = ["--helper", "h.py:get_current_pid_tgid"]
    assert status([*run, *given, *given]) == 2
    assert "was given before" in capsys.readouterr().err
    assert status([*run, *given, "--engine", "cpython"]) == 1
    assert "p comes from an object file, not from a Python function" in capsys.readouterr().err
