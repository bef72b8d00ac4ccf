"""`bpfvm run`: its JSON, its exit status, and one clear line for whatever it cannot use."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.cli.report import show_map
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec
from examples.traffic import frames

ROOT = Path(__file__).resolve().parents[3]
COUNTER, PROTO = str(ROOT / "tests/objects/xdp_count.o"), str(ROOT / "examples/proto.py")
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "traffic.pcap"
    write_capture(str(path), [(1000 * number, frame) for number, frame in enumerate(frames())])
    return str(path)


def test_json_has_the_keys_of_the_contract(capture: str, capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", capture, "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert err == ""
    keys = "target program type engine packets bytes actions faults maps trace insns seconds warnings"
    assert list(document) == keys.split()
    assert document["actions"] == {"XDP_PASS": 24}
    assert len(document["maps"]["hits"]) == 256
    assert document["maps"]["hits"][6] == {"key": 6, "value": 12}


def test_maps_are_kept_over_captures_and_limit_stops(capture: str, capsys: Captured) -> None:
    assert status(["run", PROTO, "--packet", capture, "--packet", capture, "--limit", "30", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["packets"] == 30
    assert document["maps"]["hits"][6]["value"] == 18
    assert [fault["packet"] for fault in document["faults"]] == [24]
    assert document["faults"][0]["message"].startswith("PacketError: ")
    assert document["faults"][0]["source"].endswith("proto.py:13")


def test_a_program_is_chosen_by_name_or_section(capture: str, capsys: Captured) -> None:
    two = str(ROOT / "tests/objects/xdp_two.o")
    assert status(["run", two, "--packet", capture]) == 2
    assert "choose one of" in capsys.readouterr().err
    names = []
    for chosen in ("first", "xdp/second"):
        assert status(["run", two, "--packet", capture, "--program", chosen, "--json"]) == 0
        names.append(json.loads(capsys.readouterr().out)["program"])
    assert len(set(names)) == 2
    assert status(["run", f"{PROTO}:proto", "--packet", capture]) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.o", "--packet", "CAPTURE"], "nowhere.o"),
        ([COUNTER, "--packet", "nowhere.pcap"], "nowhere.pcap"),
        ([COUNTER, "--packet", COUNTER], "not a pcap or pcapng capture"),
        (["CAPTURE", "--packet", "CAPTURE"], "not an ELF"),
        ([COUNTER, "--packet", "CAPTURE", "--program", "other"], "has no program 'other'"),
        ([COUNTER, "--packet", "CAPTURE", "--engine", "fast"], "there is no engine 'fast'"),
        ([COUNTER, "--packet", "CAPTURE", "--engine", "kernel"], "BPFVM_KERNEL"),
        ([COUNTER, "--packet", "CAPTURE", "--engine", "cpython"], "from an object file"),
        ([COUNTER, "--packet", "CAPTURE", "--ctx", "speed=3"], "has no field 'speed'"),
        ([COUNTER, "--packet", "CAPTURE", "--ctx", "ingress_ifindex=x"], "is not a number"),
        ([COUNTER, "--packet", "CAPTURE", "--ctx", "ingress_ifindex=4294967296"], "holds 32 bits"),
        ([COUNTER], "--packet"),
        (["--wrong"], "--wrong"),
        ([f"{PROTO}:absent", "--packet", "CAPTURE"], "has no program 'absent'"),
        (["EMPTY.py", "--packet", "CAPTURE"], "no program here"),
        (["BROKEN.py", "--packet", "CAPTURE"], "BROKEN.py:2: importing it failed: SyntaxError"),
        (["RAISES.py", "--packet", "CAPTURE"], "RAISES.py:3: importing it failed: ZeroDivisionError"),
        (["LEAVES.py", "--packet", "CAPTURE"], "ended the process"),
        (["SCALARS.py", "--packet", "CAPTURE"], "takes no packets"),
        (["WRONG.py", "--packet", "CAPTURE"], "error[E037]"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    arguments: list[str], message: str, capture: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    code = status(["run", *(capture if one == "CAPTURE" else one for one in arguments)])
    out, err = capsys.readouterr()
    assert code == (1 if message in ("BPFVM_KERNEL", "from an object file", "error[E037]") else 2)
    assert message in err
    assert "Traceback" not in err
    assert out == ""


FILES = {
    "EMPTY.py": "x = 1\n",
    "BROKEN.py": "\ndef (:\n",
    "RAISES.py": "def f():\n    pass\nx = 1 // 0\n",
    "LEAVES.py": "import sys\nsys.exit(3)\n",
    "SCALARS.py": "from bpfvm import bpf, u32\n\n\n@bpf.function\ndef f(a: u32) -> u32:\n    return a\n",
    "WRONG.py": "from bpfvm import bpf, pkt\n\n\n@bpf.xdp\ndef f(ctx):\n    return pkt.ip.tcpp\n",
}


def test_a_user_half_does_not_run(capture: str, tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "tool.py"
    path.write_text(
        "import sys\nfrom bpfvm import bpf\nLIMIT = int(sys.argv[1])\n\n\n@bpf.xdp\ndef f(ctx):\n    return LIMIT\n\n\n"
        "if __name__ == '__main__':\n    raise SystemExit('the user half')\n"
    )
    assert status(["run", str(path), "--packet", capture, "--json", "--", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["actions"] == {"XDP_DROP": 24}


def test_a_truncated_capture_loses_nothing_readable_and_says_what_is_gone(capture: str, capsys: Captured) -> None:
    data = Path(capture).read_bytes()
    Path(capture).write_bytes(data[:-10])
    assert status(["run", COUNTER, "--packet", capture, "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["packets"] >= 23
    assert err.startswith("bpfvm: ")
    assert len(err.splitlines()) == 1


def test_a_machine_fault_is_status_1(capture: str, tmp_path: Path, capsys: Captured) -> None:
    from bpfvm.isa.insn import insn
    from bpfvm.obj.model import ObjectSpec, ProgramSpec
    from bpfvm.obj.writer.object import write_object

    code = (insn("ldx32", 2, 1, 0), insn("ldx32", 0, 2, 4000), insn("exit"))
    path = tmp_path / "bad.o"
    path.write_bytes(write_object(ObjectSpec({"bad": ProgramSpec("bad", "xdp", "xdp", code)}, {})))
    assert status(["run", str(path), "--packet", capture, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["faults"][0]["message"] == "access: read of 4 bytes at packet+4000, packet is 60 bytes"
    assert document["faults"][0]["insn"] == 1
    assert document["actions"] == {}


def test_one_entry_is_one(capsys: Captured) -> None:
    show_map("total", MapSpec("total", "array", 4, 8, 1), [{"key": 0, "value": 0}])
    show_map("pairs", MapSpec("pairs", "array", 4, 8, 2), [{"key": 0, "value": 0}, {"key": 1, "value": 5}])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "total (array, 1 entry; 1 that is 0 not shown)"
    assert lines[1] == "pairs (array, 2 entries; 1 that is 0 not shown)"
