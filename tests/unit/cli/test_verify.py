"""`bpfvm verify`: verdicts, their explanation, JSON, status; whatever object it is given."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import pytest

from bpfvm.cli import status

ROOT = Path(__file__).resolve().parents[3]
PACKETS, OBJECTS = ROOT / "tests/packets", ROOT / "tests/objects"
Captured = pytest.CaptureFixture[str]

SOURCE = """
from bpfvm import bpf, pkt

@bpf.xdp
def tcp(ctx):
    if pkt.ip.proto == 6:
        return 1
    return 2
"""


def test_a_program_that_is_taken(capsys: Captured) -> None:
    assert status(["verify", str(PACKETS / "dissect.o")]) == 0
    assert capsys.readouterr().out == "dissect: accept (477 instructions walked, 29 states kept)\n"


def test_a_python_program(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "tcp.py"
    path.write_text(SOURCE)
    assert status(["verify", str(path)]) == 0
    assert capsys.readouterr().out.startswith("tcp: accept (")


def test_a_rejection_is_explained(capsys: Captured) -> None:
    assert status(["verify", str(OBJECTS / "maps_attributes.o"), "--program", "attributes"]) == 1
    out = capsys.readouterr().out
    for words in ("attributes: reject (", "Verification failed: Argument", "Reason:", "R2 type=scalar expected=fp, pkt",
                  "At:           ./maps_attributes.c:57 `update(&seen, 0, &key, 0);`, instruction 35",
                  "R2 comes from instruction 33: r2 = 0", "Suggestion:"):  # fmt: skip
        assert words in out


def test_json(capsys: Captured) -> None:
    assert status(["verify", str(OBJECTS / "maps_attributes.o"), "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    (one,) = (program for program in document["programs"] if program["name"] == "attributes")
    assert (one["type"], one["verdict"], one["insn"]) == ("xdp", "reject", 35)
    assert one["source"] == {"file": "./maps_attributes.c", "line": 57}
    assert one["message"].startswith("R2 type=scalar expected=")
    assert one["processed"] == 31
    assert one["explanation"]["title"] == "Argument"


def test_undecided_names_the_feature_and_the_budget(capsys: Captured) -> None:
    assert status(["verify", str(PACKETS / "dissect.o"), "--budget", "100"]) == 0
    assert "dissect: undecided: after 100 instructions" in capsys.readouterr().out


def test_log_and_costs(capsys: Captured) -> None:
    assert status(["verify", str(PACKETS / "dissect.o"), "--log", "2", "--costs"]) == 0
    out = capsys.readouterr().out
    assert "\n0: R1=ctx() R10=fp0\n" in out
    assert "./dissect.c:66\n" in out


def test_a_kernel_that_is_not_known(capsys: Captured) -> None:
    assert status(["verify", str(PACKETS / "dissect.o"), "--kernel", "5.4"]) == 2
    assert "the model knows Linux 6.18, not 5.4" in capsys.readouterr().err


def test_damaged_objects_are_one_line(capsys: Captured, tmp_path: Path) -> None:
    """Bytes of code changed at random: a verdict or one line, never a traceback."""
    chance, path, seen = Random(6), tmp_path / "damaged.o", {0: 0, 1: 0, 2: 0}
    whole = (PACKETS / "tcp_options.o").read_bytes()
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(0x40, 0x500)] = chance.randrange(256)
        path.write_bytes(data)
        code = status(["verify", str(path), "--budget", "5000"])
        out, err = capsys.readouterr()
        assert (code == 2) == bool(err), err
        assert err.count("\n") <= 1
        assert "Traceback" not in out + err
        seen[code] += 1
    print(f"60 damaged objects: status {seen}")
    assert seen[1] >= 5
