"""Every data file, committed object, packet program and function through all machines, the kernel among them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bpfvm import bpf
from bpfvm.cli import status
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from examples.traffic import frames
from tests.contract.captures import external
from tests.contract.data_files import compare, every_case
from tests.contract.machines import MACHINES, Corpus, pairs
from tests.programs.functions import CASES

ROOT = Path(__file__).resolve().parents[2]
SHORTEST = 14  # bytes of a frame that BPF_PROG_TEST_RUN takes


@pytest.mark.parametrize(("corpus", "machine"), pairs(), ids=str)
def test_machines_agree(corpus: Corpus, machine: str) -> None:
    corpus.check(machine)


def test_a_wrong_case_is_found_on_the_kernel() -> None:
    cases = [case for case in every_case() if case.result is not None and case.expect.kernel is None][:3]
    result, (first, second, third) = cases[1].result, cases
    assert result is not None
    second = replace(second, expect=replace(second.expect, result=result ^ 1 << 40))
    assert [line.partition(": r0 is ")[0] for line in compare("kernel", [first, second, third]).wrong] == [
        str(second.place)
    ]
    refused = replace(third, expect=replace(third.expect, kernel="some words"))
    assert compare("kernel", [refused]).wrong == [
        f"{third.place}: the kernel takes it, and must refuse it with 'some words'"
    ]


def test_check_asks_every_machine() -> None:
    program = bpf.function(CASES[0][0])
    assert program.check(*CASES[0][1][0]).engines == MACHINES


def counts(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    capsys.readouterr()  # what the test itself has printed
    assert status(["run", *arguments, "--json"]) == 0, capsys.readouterr().err
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return {key: document[key] for key in ("packets", "bytes", "actions", "maps")}


def test_c_and_python_count_as_the_kernel_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    captures, reason = external()
    made = tmp_path / "made.pcap"
    write_capture(str(made), [(1000 * number, frame) for number, frame in enumerate(frames())])
    total = left_out = 0
    for path in [made, *captures]:
        with open_capture(str(path)) as capture:
            every = [bytes(data) for _, data, _ in capture]
        taken = [data for data in every if len(data) >= SHORTEST]
        kept = tmp_path / f"kept-{path.name}"
        write_capture(str(kept), [(1000 * number, data) for number, data in enumerate(taken)])
        python, c = str(ROOT / "examples/proto.py"), str(ROOT / "tests/objects/xdp_count.o")
        runs = {
            (target, name): counts(capsys, target, "--packet", str(kept), "--engine", name)
            for target, name in (
                (c, "interp"),
                (c, "kernel"),
                (python, "cpython"),
                (python, "interp"),
                (python, "kernel"),
            )
        }
        first = runs[c, "kernel"]
        assert first["packets"] == len(taken) > 0
        for run, found in runs.items():
            assert found == first, f"{path.name}: {run}"
        total, left_out = total + len(taken), left_out + len(every) - len(taken)
    print(f"{total} packets of {1 + len(captures)} captures compared; {left_out} under {SHORTEST} bytes; {reason}")
    assert total >= 24
