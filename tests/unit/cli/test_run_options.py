"""Options of `bpfvm run`: contents of maps, CPUs, chance, contexts, registers, memory, traces, coverage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bpfvm import XDP_PASS, Array, bpf, struct, u32
from bpfvm.cli import inputs, status
from bpfvm.core.machine import Input, Result
from bpfvm.obj.captures.capture import open_capture
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.run.session import Session
from examples.traffic import frames

ROOT = Path(__file__).resolve().parents[3]
COUNTER, PROBE = str(ROOT / "tests/objects/xdp_count.o"), str(ROOT / "tests/process/probe.o")
REQUESTS = str(ROOT / "tests/process/requests")
Captured = pytest.CaptureFixture[str]


@struct
class Row:
    key: u32
    value: u32


rows = Array(Row, 4)


@bpf.xdp
def counted() -> int:
    rows[0].value += 1
    return XDP_PASS


@pytest.fixture
def capture(tmp_path: Path) -> str:
    path = tmp_path / "traffic.pcap"
    write_capture(str(path), [(1000 * number, frame) for number, frame in enumerate(frames())])
    return str(path)


def document(capsys: Captured, *arguments: str, code: int = 0) -> dict[str, Any]:
    assert status(["run", *arguments, "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: Captured, *arguments: str) -> str:
    assert status(["run", *arguments]) in (1, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize(
    "text", ['[{"key": 6, "value": 100}]', '{"6": 100}', '{"0x6": 100}', "[0, 0, 0, 0, 0, 0, 100]"]
)
def test_contents_of_maps_in_each_form(text: str, capture: str, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "hits.json").write_text(text)
    found = document(capsys, COUNTER, "--packet", capture, "--map", f"hits={tmp_path}/hits.json")
    assert found["maps"]["hits"][6] == {"key": 6, "value": 112}


def test_what_a_run_prints_is_what_the_next_one_takes(capture: str, tmp_path: Path, capsys: Captured) -> None:
    first = document(capsys, COUNTER, "--packet", capture)["maps"]["hits"]
    (tmp_path / "hits.json").write_text(json.dumps(first))
    second = document(capsys, COUNTER, "--packet", capture, "--map", f"hits={tmp_path}/hits.json")["maps"]["hits"]
    assert [one["value"] for one in second] == [2 * one["value"] for one in first]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON: "),
        ("", "not JSON: the file is empty"),
        (" \n", "not JSON: the file is empty"),
        ("\0\1", "not JSON: "),
        ("[" * 100_000, "not JSON: nested too deeply"),
        ("3", 'map hits: 3 is no contents; write [{"key": 1, "value": 2}]'),
        ("null", "map hits: null is no contents"),
        ('"hits"', 'map hits: "hits" is no contents'),
        ('[{"key": 1}]', "map hits: entry 0 has no value; an entry is {"),
        ('[{"key": 1, "value": 1}, {"value": 1}]', "map hits: entry 1 has no key; an entry is {"),
        ('[{"key": 1, "vlaue": 2}]', "map hits: entry 0 has no value and has 'vlaue'; an entry is {"),
        ('[{"key": 1, "value": 2, "cpu": 0}]', "map hits: entry 0 has 'cpu'; an entry is {"),
        ('[{"key": 1, "value": 2}, 5]', "map hits: entry 1 is 5; an entry is {"),
        ('[{"key": 1, "value": 2}, {}]', "map hits: entry 1 has no key and no value; an entry is {"),
        ('[{"key": 1, "value": 2}, {"key": 1, "value": 3}]', "map hits: entry 1 has the key of an earlier one, 1"),
        ('{"1": 1, "1": 2}', "not JSON: an object has two members '1'"),
        ('{"1": 1, "0x1": 2}', "map hits: entry 1 has the key of an earlier one, 1"),
        ('[{"key": "x", "value": 1}]', "map hits['x'] key: "),
        ('[{"key": null, "value": 1}]', "map hits[None] key: None is not an integer"),
        ('[{"key": 1, "value": null}]', "map hits[1]: None is not an integer"),
        ('[{"key": 1, "value": NaN}]', "map hits[1]: nan is not an integer"),
        ('[{"key": 1, "value": 18446744073709551616}]', "map hits[1]: 18446744073709551616 is not from 0 to "),
        ('{"1": "many"}', "map hits[1]: 'many' is not "),
        ("[1, [2]]", "map hits[1]: [2] is not an integer"),
    ],
)
def test_contents_that_cannot_be(text: str, message: str, capture: str, tmp_path: Path, capsys: Captured) -> None:
    """Each names the file."""
    file = tmp_path / "hits.json"
    file.write_text(text)
    assert f"bpfvm: {file}: {message}" in refusal(capsys, COUNTER, "--packet", capture, "--map", f"hits={file}")


def test_an_index_that_a_map_does_not_have(capture: str, tmp_path: Path, capsys: Captured) -> None:
    file = tmp_path / "hits.json"
    file.write_text('[{"key": 300, "value": 1}]')
    told = refusal(capsys, COUNTER, "--packet", capture, "--map", f"hits={file}")
    assert "map hits: index 300 is not below 256" in told


def test_structs_whose_members_are_called_key_and_value(tmp_path: Path) -> None:
    """A list of them is one of values by index."""
    (tmp_path / "rows.json").write_text('[{"key": 1}, {"key": 2, "value": 3}]')
    found = inputs.contents(counted.object, [f"rows={tmp_path}/rows.json"])
    assert found == {"rows": {0: {"key": 1}, 1: {"key": 2, "value": 3}}}


def test_cpus_take_packets_in_turn(capture: str, capsys: Captured) -> None:
    found = document(capsys, PROBE, "--program", "chance", "--packet", capture, "--cpus", "5")
    assert found["packets"] == 24
    assert found["maps"]["counts"][0] == {"key": 0, "value": [5, 5, 5, 5, 4]}


def test_chance_is_the_seeds(capture: str, capsys: Captured) -> None:
    runs = {
        seed: [
            document(capsys, PROBE, "--program", "chance", "--packet", capture, "--seed", seed)["actions"]
            for _ in range(2)
        ]
        for seed in ("1", "2", "3", "4")
    }
    assert all(one == two for one, two in runs.values())
    assert len({str(one) for one, _ in runs.values()}) > 1


def test_registers_of_a_file(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "regs.json").write_text('[{"ax": 7}, {"rax": -1}, {}]')
    found = document(capsys, PROBE, "--program", "returned", "--regs", f"{tmp_path}/regs.json")
    assert (found["runs"], found["packets"]) == (3, 0)
    assert found["trace"] == ["gave 7", "gave -1", "gave 0"]


def test_memory_of_files(tmp_path: Path, capsys: Captured) -> None:
    name = 0x7FFF_0000_1000
    (tmp_path / "request").write_bytes(
        (5).to_bytes(8, "little") + (0).to_bytes(8, "little") + name.to_bytes(8, "little")
    )
    (tmp_path / "name").write_bytes(b"checkout\0")
    (tmp_path / "regs.json").write_text('{"di": 4096}')
    given = ("--regs", f"{tmp_path}/regs.json", "--memory", f"0x1000={tmp_path}/request")
    found = document(capsys, PROBE, "--program", "entered", *given, "--memory", f"{name:#x}={tmp_path}/name")
    assert found["actions"] == {"0": 1}
    assert found["maps"]["names"] == [{"key": 5, "value": "checkout"}]
    assert document(capsys, PROBE, "--program", "entered", *given)["actions"] == {"2": 1}
    assert document(capsys, PROBE, "--program", "entered")["actions"] == {"1": 1}


def test_registers_from_a_program(capsys: Captured) -> None:
    pytest.importorskip("unicorn", reason="Unicorn is not installed: pip install 'bpfvm[uprobes]'")
    for engine in ("interp", "portable"):
        where = ("--engine", engine, "--regs-from")
        found = document(capsys, PROBE, "--program", "entered", *where, f"{REQUESTS}:handle")
        assert found["maps"]["names"] == [
            {"key": number, "value": name} for number, name in enumerate(("index", "login", "search"), 1)
        ]
        assert found["runs"] == 3
        found = document(capsys, PROBE, "--program", "returned", *where, f"{REQUESTS}:factorial", "--limit", "4")
        assert found["trace"] == [f"gave {number}" for number in (1, 2, 6, 24)]
    assert "and never called never" in refusal(
        capsys, PROBE, "--program", "entered", "--regs-from", f"{REQUESTS}:never"
    )


def test_a_context_of_bytes(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "record").write_bytes(bytes(8) + (6).to_bytes(4, "little") + b"bash".ljust(20, b"\0"))
    found = document(capsys, PROBE, "--program", "recorded", "--ctx-file", f"{tmp_path}/record")
    assert found["actions"] == {"6": 1}
    assert found["maps"]["counts"][2] == {"key": 2, "value": [1]}
    assert document(capsys, PROBE, "--program", "recorded", code=1)["faults"][0]["message"].startswith("access: ")


def test_a_trace_names_every_instruction(capture: str, capsys: Captured) -> None:
    assert status(["run", COUNTER, "--packet", capture, "--trace", "--limit", "2", "--json"]) == 0
    out, err = capsys.readouterr()
    found, lines = json.loads(out), err.splitlines()
    assert len(lines) == found["insns"]
    assert lines[0].split() == ["1", "count", "0:", *["r2", "=", "*(u32", "*)(r1", "+4)"], "r1=context+0,", "r2=?"]
    assert lines[-1].split()[:3] == ["2", "count", "16:"]


def test_coverage_of_a_run(capture: str, tmp_path: Path, capsys: Captured) -> None:
    document(capsys, COUNTER, "--packet", capture, "--coverage", f"{tmp_path}/cov.info")
    lines = (tmp_path / "cov.info").read_text().splitlines()
    assert "FNDA:24,count" in lines
    assert "coverage is counted by engines interp and native" in refusal(
        capsys, COUNTER, "--packet", capture, "--coverage", f"{tmp_path}/x", "--engine", "portable"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([COUNTER], "give it packets by --packet"),
        ([COUNTER, "--regs", "x"], "it runs on packets, not on --regs"),
        ([PROBE, "--program", "entered", "--packet", "x"], "it takes no packets"),
        ([PROBE, "--program", "entered", "--out", "x"], "it has no packets to write"),
        ([PROBE, "--program", "entered", "--regs", "x", "--regs-from", "y:z"], "--regs and --regs-from exclude"),
        ([PROBE, "--program", "recorded", "--regs", "x"], "it sees no registers"),
        ([PROBE, "--program", "entered", "--regs", "x"], "x: No such file"),
        ([PROBE, "--program", "entered", "--regs-from", "y"], "write PROGRAM:FUNCTION"),
        ([PROBE, "--program", "entered", "--regs-from", "y:z"], "y: No such file"),
        ([PROBE, "--program", "entered", "--regs-from", "y:z", "--regs-args", "'"], "--regs-args"),
        ([PROBE, "--program", "entered", "--memory", "x"], "write ADDRESS=FILE"),
        ([PROBE, "--program", "recorded", "--ctx", "pid=3"], "give bytes by --ctx-file"),
        ([COUNTER, "--packet", "x", "--map", "hits"], "write NAME=FILE.json"),
        ([COUNTER, "--packet", "x", "--map", "none=y"], "there is no map 'none'"),
        ([COUNTER, "--packet", "x", "--cpus", "2", "--engine", "kernel"], "kernel"),
        ([COUNTER, "--packet", "x", "--trace", "--engine", "portable"], "--trace is made by engine interp"),
    ],
)
def test_what_does_not_go_together(
    arguments: list[str], message: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    if message.startswith("y: "):
        pytest.importorskip("unicorn", reason="a process is looked for by what emulates it")
    assert message in refusal(capsys, *arguments)


def test_packets_are_written_with_their_verdicts(capture: str, tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out.pcapng"
    document(capsys, PROBE, "--program", "chance", "--packet", capture, "--out", str(out))
    with open_capture(out) as found, open_capture(capture) as given:
        assert [bytes(data) for _, data, _ in found] == [bytes(data) for _, data, _ in given]
    data = out.read_bytes()
    assert data.count(b"XDP_PASS") + data.count(b"XDP_DROP") == 24
    assert data.count(b"XDP_DROP") >= 1
    assert "directory" in refusal(capsys, COUNTER, "--packet", capture, "--out", str(tmp_path))


def test_ctrl_c_leaves_the_results_so_far(capture: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = Session.run, [0]

    def interrupted(session: Session, given: Input) -> Result:
        calls[0] += 1
        if calls[0] == 8:
            raise KeyboardInterrupt
        return real(session, given)

    monkeypatch.setattr(Session, "run", interrupted)
    assert status(["run", COUNTER, "--packet", capture, "--json"]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out)["actions"] == {"XDP_PASS": 7}
    assert err == "bpfvm: interrupted after 7 packets\n"


def test_an_empty_folder_is_enough_and_little_is_loaded(capture: str, tmp_path: Path) -> None:
    """Continuous integration runs this as a user without root, by the system's own Python."""
    (tmp_path / "empty").mkdir()
    program = (
        "import sys\nfrom bpfvm.cli import status\ncode = status(sys.argv[1:])\n"
        "print(*(one for one in sys.modules if one in ('numpy', 'llvmlite', 'rich', 'scapy')), file=sys.stderr)\n"
        "sys.exit(code)\n"
    )
    command = [sys.executable, "-c", program, "run", COUNTER, "--packet", capture, "--json"]
    done = subprocess.run(command, cwd=tmp_path / "empty", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "\n")
    found = json.loads(done.stdout)
    assert (found["engine"], found["actions"]) == ("portable", {"XDP_PASS": 24})
    assert list((tmp_path / "empty").iterdir()) == []


def test_a_capture_that_is_read_is_never_written(capture: str, tmp_path: Path, capsys: Captured) -> None:
    before = Path(capture).read_bytes()
    (tmp_path / "link").symlink_to(capture)
    for out in (capture, str(tmp_path / "link")):
        refusal(capsys, COUNTER, "--packet", capture, "--out", out)
        assert Path(capture).read_bytes() == before
