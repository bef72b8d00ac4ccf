"""`bpfvm fuzz`: what it prints, its exit status, its files and that they replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bpfvm.cli import fuzz, status
from bpfvm.fuzz.report import Report
from bpfvm.run import backend
from bpfvm.run.backend import Engine
from tests.unit.fuzz.compiler_plants import PLANTS as COMPILER_PLANTS
from tests.unit.fuzz.compiler_plants import planted
from tests.unit.fuzz.plants import RIGHT, Rewritten, row

Captured = pytest.CaptureFixture[str]
MISSING = "kept away by the test"


class Same:
    """The reference tier under another name."""

    name = "same"
    load = staticmethod(RIGHT.load)


@pytest.fixture(autouse=True)
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that is right, one that is wrong and one that is missing, beside the reference tier."""
    wrong = Rewritten("wrong", row("mov32_x", "mov64_x"))
    rows = (
        backend.ENGINES[0],
        Engine("same", Same, lambda: None),
        Engine("kernel", lambda: wrong, lambda: MISSING),
        Engine("wrong", lambda: wrong, lambda: None),
    )
    for module in (backend, fuzz):
        monkeypatch.setattr(module, "ENGINES", rows)


PROGRAMS = ("--kind", "programs")


def run(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = status(["fuzz", *arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return code, out, err


def test_machines_that_agree(capsys: Captured, tmp_path: Path) -> None:
    out_folder = str(tmp_path / "none")
    code, out, err = run(
        capsys, *PROGRAMS, "--engines", "interp,same", "--seed", "7", "--programs", "30", "--out", out_folder
    )
    assert code == 0, out
    assert "bpfvm: seed 7, engines interp, same" in err
    assert "30 programs, 30 compared on" in out
    assert "0 differences" in out
    assert not Path(out_folder).exists()


def test_json_and_the_same_seed(capsys: Captured) -> None:
    arguments = (*PROGRAMS, "--engines", "interp,same", "--seed", "7", "--programs", "30", "--json")
    documents = []
    for _ in range(2):
        code, out, _ = run(capsys, *arguments)
        assert code == 0
        documents.append({**json.loads(out), "seconds": 0})
    assert documents[0] == documents[1]
    assert documents[0]["engines"] == ["interp", "same"]
    assert documents[0]["hits"]["exit"] > 0
    assert documents[0]["files"] == []


def test_a_difference_is_reduced_written_and_replayed(capsys: Captured, tmp_path: Path) -> None:
    arguments = (*PROGRAMS, "--seed", "1", "--programs", "100", "--out", str(tmp_path), "--json")
    code, out, _ = run(capsys, "--engines", "interp,wrong", *arguments)
    document = json.loads(out)
    assert code == 1
    assert document["differences"]
    assert document["files"]
    small = min(document["files"], key=lambda one: one["insns"])
    assert small["insns"] <= 8
    for one in document["files"]:
        code, out, _ = run(capsys, "--replay", one["file"], "--engines", "interp,wrong")
        assert code == 1
        assert "differs; " in out
        code, out, _ = run(capsys, "--replay", one["file"], "--engines", "interp,same", "--json")
        assert code == 0
        assert {case["result"] for case in json.loads(out)["cases"]} == {"equal"}


def test_differences_of_one_cause_are_one_file(capsys: Captured, tmp_path: Path) -> None:
    code, out, _ = run(
        capsys, *PROGRAMS, "--engines", "interp,wrong", "--seed", "1", "--programs", "400", "--out", str(tmp_path)
    )
    assert code == 1
    assert "10 differences" in out
    assert 1 <= len(list(tmp_path.iterdir())) < 10


def test_data_files_replay(capsys: Captured, tmp_path: Path) -> None:
    path = tmp_path / "two.data"
    path.write_text("-- asm\nw0 = w2\nexit\n-- rows r2\n5 -> 5\n0x100000005 -> 5\n")
    code, out, _ = run(capsys, "--replay", str(path), "--engines", "interp,wrong")
    assert code == 1
    five, wide = out.splitlines()
    assert five == "two: r2=5: equal"
    assert wide.startswith("two: r2=0x100000005: differs; r0: interp 0x5, wrong 0x100000005")


def test_damaged_programs_on_one_engine(capsys: Captured) -> None:
    code, out, _ = run(capsys, "--kind", "bytes", "--engines", "interp", "--seed", "1", "--programs", "200")
    assert code == 0
    assert "200 programs, 200 compared" in out
    code, out, _ = run(capsys, "--kind", "bytes", "--seed", "1", "--programs", "50", "--json")
    assert code == 0
    assert [one["engines"] for one in json.loads(out)["reports"]] == [["interp"], ["same"], ["wrong"]]


def test_mutants(capsys: Captured) -> None:
    code, out, _ = run(capsys, "--kind", "mutants", "--engines", "interp,same", "--seconds", "0.3")
    assert code == 0
    assert "0 differences" in out


def test_one_engine_has_nothing_to_compare_with(capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    code, out, err = run(capsys, "--engines", "interp")
    assert (code, out) == (2, "")
    assert "there is nothing to compare with: interp is the only engine" in err
    rows = (backend.ENGINES[0], backend.ENGINES[2])
    for module in (backend, fuzz):
        monkeypatch.setattr(module, "ENGINES", rows)
    code, out, err = run(capsys, "--seconds", "1")
    assert (code, out) == (2, "")
    assert f"(kernel: {MISSING})" in err


@pytest.mark.parametrize(
    ("arguments", "status_wanted", "message"),
    [
        (["--engines", "interp,fast"], 2, "there is no engine 'fast'"),
        (["--engines", "interp,interp"], 2, "name each engine once"),
        (["--engines", "interp,kernel"], 1, MISSING),
        (["--engines", ""], 2, "there is no engine ''"),
        (["--seconds", "-1"], 2, "--seconds"),
        (["--programs", "0"], 2, "--programs"),
        (["--seed", "x"], 2, "--seed"),
        (["--kind", "poems"], 2, "--kind"),
        (["--replay", "nowhere.json"], 2, "nowhere.json"),
        (["--replay", "nowhere.data"], 2, "nowhere.data"),
        (["--replay", "."], 2, "--replay"),
        (["--wrong"], 2, "--wrong"),
    ],
)
def test_what_cannot_be_used_is_one_clear_line(
    arguments: list[str], status_wanted: int, message: str, capsys: Captured
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (status_wanted, "")
    assert message in err


def test_ctrl_c_leaves_what_was_found(capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(seconds: float | None, programs: int | None) -> Callable[[Report], None]:
        def show(report: Report) -> None:
            if report.generated == 20:
                raise KeyboardInterrupt

        return show

    monkeypatch.setattr(fuzz, "_shower", lambda bar, seconds, programs: interrupted(seconds, programs))
    arguments = (*PROGRAMS, "--seed", "1", "--programs", "500", "--out", str(tmp_path))
    code, out, err = run(capsys, "--engines", "interp,same", *arguments)
    assert code == 130
    assert "20 programs, 20 compared" in out
    assert "bpfvm: interrupted" in err
    code, out, err = run(capsys, "--engines", "interp,wrong", *arguments, "--json")
    document = json.loads(out)
    assert code == 1
    assert document["interrupted"]
    assert document["files"]
    assert run(capsys, "--replay", document["files"][0]["file"], "--engines", "interp,wrong")[0] == 1


def test_an_output_that_is_no_folder(capsys: Captured, tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    code, _, err = run(
        capsys, *PROGRAMS, "--engines", "interp,wrong", "--programs", "100", "--seed", "1", "--out", str(place)
    )
    assert code == 2
    assert "file" in err


def test_functions_of_python(capsys: Captured, tmp_path: Path) -> None:
    arguments = ("--kind", "python", "--programs", "20", "--seed", "1", "--jobs", "1", "--out", str(tmp_path))
    code, out, err = run(capsys, *arguments, "--engines", "cpython,same")
    assert code == 0, out
    assert "bpfvm: seed 1, engines cpython, same" in err
    assert "25 functions, " in out
    with planted(next(one for one in COMPILER_PLANTS if one.name == "comparisons are unsigned")):
        code, out, _ = run(capsys, *arguments, "--engines", "same", "--json")
        document = json.loads(out)
        assert code == 1
        assert document["kind"] == "python"
        assert document["engines"] == ["cpython", "same"]
        assert min(one["lines"] for one in document["files"]) <= 10
        path = document["files"][0]["file"]
        code, out, _ = run(capsys, "--replay", path, "--engines", "same")
        assert code == 1
        assert "differs; " in out
    code, out, _ = run(capsys, "--replay", path, "--engines", "same", "--json")
    assert code == 0
    assert {one["result"] for one in json.loads(out)["cases"]} == {"equal"}


def test_programs_on_hooks(capsys: Captured, tmp_path: Path) -> None:
    arguments = ("--kind", "hooks", "--programs", "20", "--seed", "1", "--jobs", "1", "--out", str(tmp_path))
    code, out, _ = run(capsys, *arguments, "--engines", "cpython,same", "--json")
    assert code == 0, out
    assert json.loads(out)["kind"] == "hooks"
    assert json.loads(out)["generated"] == 25
    path = Path(__file__).parents[2] / "python" / "value_of_padding_in_the_packet.py"
    code, out, _ = run(capsys, "--replay", str(path), "--engines", "same")
    assert code == 0
    assert out.count("equal") == 8  # four levels, with records of faults and without


def test_both_kinds_take_half_of_the_time(capsys: Captured) -> None:
    code, out, _ = run(capsys, "--seconds", "0.2", "--seed", "1", "--jobs", "1", "--engines", "interp,same", "--json")
    document = json.loads(out)
    assert code == 0
    assert document["kind"] == "programs"
    assert document["python"]["engines"] == ["cpython", "interp", "same"]
    code, out, err = run(capsys, *PROGRAMS, "--engines", "cpython,interp")
    assert (code, out) == (2, "")
    assert "takes part in --kind python" in err


def test_objects_of_others(capsys: Captured) -> None:
    folder = str(Path(__file__).parents[2] / "packets")
    code, out, _ = run(capsys, "--objects", folder, "--engines", "interp,same", "--seed", "1", "--json")
    document = json.loads(out)
    print({name: document[name] for name in ("compared", "runs", "rejected")})
    assert code == 0
    assert document["kind"] == "objects"
    assert document["compared"] >= 10
    assert document["runs"] >= 3 * document["compared"]
