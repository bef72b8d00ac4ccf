"""Files of cases: what is written is read again as the same case, and no damage to it gives anything but an error."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.core.machine import Input
from bpfvm.fuzz import reproducer
from bpfvm.fuzz.case import Case, generated, make
from bpfvm.fuzz.differ import compare
from bpfvm.fuzz.generate import program
from bpfvm.fuzz.report import Difference
from bpfvm.isa.asm import assemble
from bpfvm.testing.datafile import NAME, read_cases
from tests.unit.fuzz.plants import RIGHT


def difference(case: Case, kind: str = "value") -> Difference:
    return Difference(case, kind, ("r0: a 0x1, b 0x2 (64 bits)",), 0)


def test_json_is_read_as_the_same_case(tmp_path: Path) -> None:
    files = 0
    for number in range(60):
        case = generated(program, 1, number)
        path = reproducer.write(tmp_path, difference(case), RIGHT)
        assert path.suffix == ".json"
        again = reproducer.read(path)
        assert again == case
        assert [one.symbol for one in again.program.insns] == [one.symbol for one in case.program.insns]
        files += 1
    assert len(list(tmp_path.iterdir())) == files == 60


def test_a_data_file_states_what_the_judge_gives(tmp_path: Path) -> None:
    text = "r0 = *(u64 *)(r1 +0)\nr0 *= -1\n*(u16 *)(r1 +2) = 7\ncall pc+1\nexit\nr0 = 1\nr0 <<= 63\nexit"
    case = make("1:7", "syscall", assemble(text), (Input(ctx=bytes(range(9))),))
    path = reproducer.write(tmp_path, difference(case), RIGHT)
    assert path.name == "value-1-7.data"
    assert "# r0: a 0x1, b 0x2 (64 bits)" in path.read_text()
    (read,) = read_cases(path)
    assert (read.insns, read.mem, read.result) == (case.program.insns, bytes(range(9)), 1 << 63)
    assert read.expect.memory == bytes((0, 1, 7, 0, 4, 5, 6, 7, 8))
    for stored in (False, True):
        with RIGHT.load(read.spec(stored), NAME, {}) as loaded:
            assert read.check(loaded.run(read.input(stored))) == []


@pytest.mark.parametrize(
    "case",
    [
        make("1:1", "xdp", assemble("r0 = 1\nexit"), (Input(packet=bytes(14)),)),
        make("1:1", "syscall", assemble("r0 = 1\nexit"), (Input(ctx=b""), Input(ctx=b""))),
        make("1:1", "syscall", assemble("r0 = *(u8 *)(r1 +8)\nexit"), (Input(ctx=b""),)),
    ],
)
def test_what_no_data_file_holds_is_json(case: Case, tmp_path: Path) -> None:
    path = reproducer.write(tmp_path, difference(case), RIGHT)
    assert path.suffix == ".json"
    assert reproducer.read(path) == case


def test_bytes_that_do_not_decode_are_kept(tmp_path: Path) -> None:
    case = make("1:3", "syscall", (), ())
    path = reproducer.write(tmp_path, Difference(case, "crash", ("it broke",), code=b"\xff" * 8), RIGHT)
    assert json.loads(path.read_text())["code"] == "ff" * 8
    with pytest.raises(LoadError, match="opcode 0xff"):
        reproducer.read(path)


def test_damaged_files_are_one_clear_line(tmp_path: Path) -> None:
    case = generated(program, 1, 0)
    whole = reproducer.write(tmp_path, difference(case), RIGHT).read_text()
    path, rng, refused = tmp_path / "damaged.json", random.Random(1), 0
    for _ in range(1500):
        text = damaged(whole, rng)
        path.write_text(text, encoding="utf-8", errors="surrogateescape")
        said = ""
        try:
            compare((RIGHT, RIGHT), reproducer.read(path))
        except LoadError as error:
            said = str(error)
        assert "\n" not in said, text
        refused += bool(said)
    print(f"{refused} of 1500 refused")
    assert refused >= 700


def damaged(text: str, rng: random.Random) -> str:
    """The text with a character, a value or a key replaced."""
    choice = rng.random()
    if choice < 0.3:
        at = rng.randrange(len(text))
        return text[:at] + rng.choice('{}[]":,0x-é\0') + text[at + 1 :]
    document = json.loads(text)
    place = document
    for _ in range(rng.randrange(4)):
        inner = list(place.values()) if isinstance(place, dict) else place
        deeper = [one for one in inner if isinstance(one, dict | list) and one]
        if not deeper:
            break
        place = rng.choice(deeper)
    key = rng.choice(list(place)) if isinstance(place, dict) else rng.randrange(len(place))
    if rng.random() < 0.3:
        del place[key]
    else:
        place[key] = rng.choice((None, True, 0, -1, 1 << 70, 1.5, "", "x", "0" * 9, [], {}, [[]], {"a": 1}))
    return json.dumps(document)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"nowhere\.json: a case cannot be read: No such file"):
        reproducer.read(tmp_path / "nowhere.json")
