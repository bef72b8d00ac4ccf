"""The fuzz of map operations: both tiers and a plain model agree, planted mistakes are found and made small."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from bpfvm.cli import fuzz_maps, status
from bpfvm.core.errors import LoadError
from bpfvm.emulator.machine import Loaded
from bpfvm.emulator.maps import TYPES
from bpfvm.fuzz.maps.differ import Difference, Report, batches, compare, differ, lacking, left_out
from bpfvm.fuzz.maps.document import document, of_document, write
from bpfvm.fuzz.maps.generate import LEFT_OUT, SHAPES, sequence
from bpfvm.fuzz.maps.machine import Machine, backends
from bpfvm.fuzz.maps.operation import MAP, PROGRAM, USER, Operation, Sequence
from bpfvm.fuzz.maps.program import BATCH, operations
from bpfvm.fuzz.maps.shrink import shrink
from bpfvm.obj.model import MapSpec
from tests.unit.fuzz.map_plants import Plant, Wrong, forgets_prefixes, keeps_the_newest

OPERATIONS = 400


@pytest.mark.parametrize("kind", SHAPES)
def test_both_tiers_agree(kind: str) -> None:
    report = differ(("interp", "portable"), 5, OPERATIONS, types=[kind], length=200)
    print(report)
    assert report.differences == []
    assert lacking(report, OPERATIONS) == [
        f"{name}: 0 of {OPERATIONS} operations compared" for name in SHAPES if name != kind
    ]
    assert {what[1] for what in report.done} == {"program", "user"}


def test_every_type_is_fuzzed_or_has_a_reason() -> None:
    assert set(SHAPES) | set(LEFT_OUT) >= set(TYPES)
    assert not set(SHAPES) & set(LEFT_OUT)
    assert set(left_out()) == set(TYPES) - set(SHAPES)


def test_a_seed_makes_the_same_sequence_again() -> None:
    assert sequence("hash", 3, 1, 50, 2) == sequence("hash", 3, 1, 50, 2)
    assert sequence("hash", 3, 1, 50, 2) != sequence("hash", 3, 2, 50, 2)
    made = {one.name for kind in SHAPES for number in range(4) for one in sequence(kind, 1, number, 500, 2).operations}
    assert made == {*PROGRAM, *USER}


def test_batches_are_of_one_side_and_cpu() -> None:
    case = sequence("hash", 3, 1, 500, 2)
    found = list(batches(case.operations))
    assert [one for batch in found for one in batch] == list(case.operations)
    assert all(len({(one.side, one.cpu) for one in batch}) == 1 and len(batch) <= BATCH for batch in found)
    assert len(found) < 250


@pytest.mark.parametrize(
    ("kind", "plant", "most"),
    [("queue", keeps_the_newest, 3), ("stack", keeps_the_newest, 3), ("lpm_trie", forgets_prefixes, 2)],
)
def test_a_planted_mistake_is_found_made_small_and_replayed(kind: str, plant: Plant, most: int, tmp_path: Path) -> None:
    machines = [*backends(["interp"]), Wrong(plant)]
    report = differ(machines, 1, 20_000, types=[kind])
    assert report.differences, report
    small = shrink(machines, report.differences[0])
    print(f"{len(report.differences[0].case.operations)} to {len(small.case.operations)} operations\n{small}")
    assert len(small.case.operations) <= most + small.case.map.max_entries * (kind != "lpm_trie")
    path = write(tmp_path, small)
    again = of_document(json.loads(path.read_text()), str(path))
    assert again == small.case
    assert compare(machines, again) is not None
    assert compare(backends(["interp", "portable"]), again) is None


def test_what_a_machine_raises_is_a_difference() -> None:
    def breaks(loaded: Loaded) -> None:
        del loaded.system.maps[MAP]

    found = compare([*backends(["interp"]), Wrong(breaks)], sequence("hash", 1, 0, 10, 2))
    assert found is not None
    assert found.lines == (f"a machine raised KeyError: '{MAP}'",)


def model(spec: MapSpec, done: list[Operation]) -> list[object]:
    """What a hash map, a queue or a stack answers, by a dict or a list: the number alone."""
    table: dict[bytes, bytes] = {}
    line: list[bytes] = []
    answers: list[object] = []
    for one in done:
        key = one.key
        if one.name in ("update", "push"):
            answers.append(_updated(spec, table, line, one))
        elif one.name == "delete":
            answers.append(-errno.EINVAL if not key else 0 if table.pop(key, None) is not None else -errno.ENOENT)
        elif key:
            answers.append(table.get(key))
        else:
            at = -1 if spec.type == "stack" else 0
            answers.append(line[at] if line else None)
            if line and one.name in ("pop", "lookup_and_delete"):
                del line[at]
    return answers


def _updated(spec: MapSpec, table: dict[bytes, bytes], line: list[bytes], one: Operation) -> int:
    assert isinstance(one.value, bytes)
    if one.key:
        if one.flags == 1 and one.key in table:
            return -errno.EEXIST
        if one.flags == 2 and one.key not in table:
            return -errno.ENOENT
        if one.key not in table and len(table) == spec.max_entries:
            return -errno.E2BIG
        table[one.key] = one.value
        return 0
    if one.flags == 1:
        return -errno.EINVAL
    if len(line) == spec.max_entries:
        if not one.flags:
            return -errno.E2BIG
        del line[0]
    line.append(one.value)
    return 0


@pytest.mark.parametrize("kind", ["hash", "queue", "stack"])
@pytest.mark.parametrize("side", ["program", "user"])
def test_each_side_answers_as_a_plain_model(kind: str, side: str) -> None:
    known = ("lookup", "update", "delete", "push", "pop", "peek", "lookup_and_delete")
    names = {"hash": ("lookup", "update", "delete")}.get(kind, known)
    compared = 0
    for number in range(3):
        case = sequence(kind, 7, number, 1500, 1)
        done = [one for one in case.operations if one.side == side and one.name in names and one.flags < 3]
        done = [one for one in done if "update" in one.name or "push" in one.name or not one.flags]
        machine = Machine(backends(["portable"])[0], Sequence("model", case.map, tuple(done)))
        for one, (found, shown), wanted in zip(done, answered(machine, done), model(case.map, done), strict=True):
            if isinstance(wanted, int):
                assert found == wanted, one
            elif wanted is None:
                assert found in (0, -errno.ENOENT), one
            else:
                assert isinstance(shown, bytes)
                assert isinstance(wanted, bytes)
                assert wanted in (shown, shown[8 : 8 + len(wanted)]), (one, found)
            compared += 1
        machine.close()
    print(f"{compared} operations of {side} on {kind}")
    assert compared > 500


def answered(machine: Machine, done: list[Operation]) -> list[tuple[int, bytes | list[bytes]]]:
    return [answer for batch in batches(done) for answer in machine.answers(batch)]


def test_a_file_that_is_wrong_is_told() -> None:
    case = sequence("hash", 1, 0, 3, 2)
    good = document(Difference(case, ("a", "b")))
    assert of_document(good, "f") == case
    changes: tuple[dict[str, object], ...] = (
        {"map": {}}, {"map": 7}, {"map": {**good["map"], "type": "hush"}}, {"operations": 7},
        {"operations": [{"side": "user", "name": "x"}]},
        {"operations": [{"side": "user", "name": "lookup", "key": "00"}]},
        {"operations": [{"side": "program", "name": "push", "key": "00000000"}]},
        {"operations": [{"side": "user", "name": "update", "key": "00000000", "value": "00"}]},
        {"operations": [{"side": "user", "name": "update", "key": "00000000", "value": ["00" * 8]}]},
        {"operations": [{"side": "program", "name": "update", "key": "00000000", "value": "00"}]},
        {"operations": [{"side": "user", "name": "lookup", "key": "00000000", "flags": 1 << 64}]},
        {"operations": [{"side": "user", "name": "lookup", "key": "00000000", "cpu": -1}]},
    )  # fmt: skip
    for change in changes:
        with pytest.raises(LoadError, match=r"^f: "):
            of_document({**good, **change}, "f")


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["fuzz", "--kind", "maps", "--engines", "interp,portable", "--seed", "2", "--operations", "60"]
    assert status([*arguments, "--out", str(tmp_path)]) == 0
    out, _ = capsys.readouterr()
    assert f"{60 * len(SHAPES)} operations compared" in out
    assert "left out: ringbuf: what it holds are events" in out
    assert status([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["types"] == dict.fromkeys(SHAPES, 60)
    assert found["differences"] == found["lacking"] == []
    path = write(tmp_path, Difference(sequence("hash", 1, 0, 30, 2), ()))
    assert status(["fuzz", "--replay", str(path), "--engines", "interp,portable"]) == 0
    assert capsys.readouterr().out == "hash:1:0: equal\n"
    away = document(Difference(sequence("hash", 1, 0, 30, 2), ()))
    path.write_text(
        json.dumps({**away, "operations": [{"side": "user", "name": "lookup", "key": "00000000", "cpu": 9}]})
    )
    assert status(["fuzz", "--replay", str(path), "--engines", "interp,portable"]) == 0
    assert capsys.readouterr().out == "hash:1:0: not compared; the machine has no CPU 9, it has 2\n"
    assert status([*arguments, "--programs", "3"]) == 2
    assert "--kind maps is limited by --operations or --seconds" in capsys.readouterr().err
    assert all(operations(one) for shapes in SHAPES.values() for one in shapes)


def test_what_was_found_before_ctrl_c_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    case = sequence("hash", 1, 0, 30, 2)

    def interrupted(*_: object, report: Report, **__: object) -> Report:
        report.differences.append(Difference(case, ("a line",)))
        raise KeyboardInterrupt

    monkeypatch.setattr(fuzz_maps, "differ", interrupted)
    arguments = ["fuzz", "--kind", "maps", "--engines", "interp,portable", "--seed", "2", "--operations", "60"]
    assert status([*arguments, "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "bpfvm: interrupted" in captured.err
    path = tmp_path / "map-hash-1-0.json"
    assert str(path) in captured.out
    assert of_document(json.loads(path.read_text()), str(path)) == case
