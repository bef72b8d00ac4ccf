"""The kernel and its tools show lines of Python: in logs of the verifier, in dumps, in what a refusal says."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpfvm import Array, bpf, u32, u64
from bpfvm.core.errors import VerifierReject
from bpfvm.kernel.objects import install
from bpfvm.kernel.programs import program as programs
from bpfvm.kernel.sys import Fd
from bpfvm.obj.model import ObjectSpec

HERE = Path(__file__).name
hits = Array(u64, 4)


def written_out(a: int) -> int:
    return a // 3 + 1000


@bpf.func
def compiled_once(a: u32, b: u32) -> u32:
    return a // b


@bpf.function
def counted(a: u32, b: u32) -> u64:
    hits[a & 3] += 1
    c = written_out(a)
    return u64(c) + compiled_once(a, b)


def _line(text: str) -> int:
    """The number of the one line of this file that is `text`."""
    lines = [number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.strip() == text]
    (number,) = lines
    return number


LINES = {text: _line(text) for text in (
    "hits[a & 3] += 1", "return a // 3 + 1000", "return u64(c) + compiled_once(a, b)", "return a // b",
)}  # fmt: skip


def test_bpftool_shows_lines_of_python() -> None:
    bpftool = shutil.which("bpftool")
    if bpftool is None:
        pytest.skip("bpftool is not installed")
    with install.install(counted.object, pin=False) as installed:
        fd = installed.programs["counted"].fd.number
        number = re.search(r"prog_id:\s+(\d+)", Path(f"/proc/self/fdinfo/{fd}").read_text())
        assert number is not None
        shown = [
            subprocess.run([bpftool, *more, "prog", "dump", "xlated", "id", number[1], *form], capture_output=True,
                           text=True, check=True).stdout
            for more, form in ((["-j"], []), ([], ["linum"]))
        ]  # fmt: skip
    for text, line in LINES.items():
        assert re.search(rf"; {re.escape(text)} \[file:\S*{HERE} line_num:{line} line_col:\d+\]", shown[1]), (
            text,
            shown[1],
        )
    protos = [one["proto"] for one in json.loads(shown[0]) if "proto" in one]
    assert protos == ["int counted(struct counted_arguments * ctx)", "u32 compiled_once(u32 a, u32 b, u64 * status)"]


def test_the_verifier_walks_lines_of_python(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _log(monkeypatch, counted.object)
    for text, line in LINES.items():
        assert f"; {text} @ {HERE}:{line}" in log, log


def _log(monkeypatch: pytest.MonkeyPatch, spec: ObjectSpec) -> str:
    """What the verifier writes when it takes a program."""
    import ctypes

    written = ctypes.create_string_buffer(1 << 20)
    attempt = programs._attempt

    def asked(attr: Any) -> Fd:
        attr.log_level, attr.log_size, attr.log_buf = 2, len(written), ctypes.addressof(written)
        return attempt(attr)

    monkeypatch.setattr(programs, "_attempt", asked)
    with install.install(spec, pin=False):
        return written.value.decode()


@bpf.global_func
def verified_alone(a: u32, b: u32) -> u64:
    hits[0] += 1
    return u64(a // b)


@bpf.function
def calls_global(a: u32, b: u32) -> u64:
    return verified_alone(a, b) + verified_alone(b, a)


def test_a_global_function_is_verified_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    log = _log(monkeypatch, calls_global.object)
    assert "Validating verified_alone() func#1..." in log
    assert log.count("Func#1 ('verified_alone') is global and assumed valid") == 2
    assert f"; return u64(a // b) @ {HERE}:{_line('return u64(a // b)')}" in log
    assert calls_global.check(7, 2).value == 3
    assert calls_global.check(7, 0).fault is not None


def test_a_refusal_names_the_line_of_python() -> None:
    """The test for null is taken out behind the compiler's back: what uses the pointer is blamed."""
    spec = counted.object
    program = spec.programs["counted"]
    (test,) = [
        one
        for one in program.insns
        if one.op.name == "jeq64_k" and one.source and one.source.line == LINES["hits[a & 3] += 1"]
    ]
    insns = tuple(replace(one, off=0) if one is test else one for one in program.insns)
    damaged = replace(spec, programs={"counted": replace(program, insns=insns)})
    with pytest.raises(VerifierReject) as caught:
        install.install(damaged, pin=False)
    line = LINES["hits[a & 3] += 1"]
    assert f"{__file__}:{line} `hits[a & 3] += 1`" in str(caught.value)
    assert f"; hits[a & 3] += 1 @ {HERE}:{line}" in caught.value.log
