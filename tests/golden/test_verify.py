"""`bpfvm verify` in words: the commonest rejections, explained. `--update` rewrites the texts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.insn import slots
from bpfvm.obj.model import ObjectSpec
from bpfvm.testing.datafile import helper_number
from bpfvm.testing.verdicts import PROGRAM, VerdictCase, load_verdicts, spec_of
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.report.explain import explain
from tests.golden.blame import difference

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).with_name("verify")
CASES = {case.name: case for case in load_verdicts(ROOT / "tests/verifier")}
# One of each of the messages that users meet most often, in about that order
COMMONEST = (
    "values: a value that may be null", "packets: one byte more than was checked", "context: a field that is not there",
    "functions: a callback follows a number", "helpers: an argument that was never set", "ends: too large a result",
    "references: a record that is not given back", "stack: below the stack",
    "atomics: a fetched value is unknown", "values: a variable offset that may be below a value",
    "values: behind a value", "values: a variable offset without a bound", 
    "scalars: division by a zero that is written",
    "functions: a pointer for a number", "atomics: a load-acquire that no address divides",
    "helpers: a size that may be negative", "helpers: a size that may be zero", "helpers: a size without a bound",
    "helpers: a helper of other programs", "helpers: a helper for programs under the GPL",
    "helpers: a number where memory is wanted", "flow: a loop that never ends", "flow: code that nothing reaches",
    "pointers: a pointer times a number", "functions: a call while a lock is held",
    "references: a record that is given back twice",
    "context: a context pointer that was moved", "packets: a byte before the packet", "subprograms: nine frames",
    "comparisons: a packet pointer too far from the start", "functions: the lock is written",
)  # fmt: skip


def sourced(case: VerdictCase) -> ObjectSpec:
    """The case as an object whose source is the text of the program, its lines counted from 1."""
    spec = spec_of(case)
    program = spec.programs[PROGRAM]
    file, first = Path(case.place.file).name, case.place.line
    lines = Path(case.place.file).read_text().splitlines()
    at = next(number for number in range(first, len(lines)) if lines[number] == "-- asm") + 1
    places, sources = {}, {}
    end = next(number for number in range(at, len(lines)) if lines[number].startswith("-- "))
    insns = assemble("\n".join(lines[at:end]), helper=helper_number, file=file)
    for slot, one in zip(slots(insns), insns, strict=False):
        if one.source is not None:
            places[slot] = Location(file, one.source.line)
            sources[file, one.source.line] = lines[at + one.source.line - 1]
    return replace(spec, programs={PROGRAM: replace(program, lines=places)}, sources=sources)


def test_commonest_rejections(update: bool) -> None:
    texts = []
    for name in COMMONEST:
        spec = sourced(CASES[name])
        texts.append(f"# {name}\n{explain(spec, PROGRAM, verify(spec, PROGRAM))}\n")
    golden, said = FOLDER / "rejections.txt", "\n".join(texts)
    if update:
        golden.write_text(said)
    want = golden.read_text() if golden.exists() else ""
    assert said == want, difference(golden, want, said)
    assert len(texts) >= 30


@pytest.mark.parametrize("name", ["core_layout", "maps_attributes"])
def test_a_rejection_in_c(name: str, update: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["verify", str(ROOT / f"tests/objects/{name}.o")]) == 1
    golden, said = FOLDER / f"{name}.txt", capsys.readouterr().out
    if update:
        golden.write_text(said)
    want = golden.read_text() if golden.exists() else ""
    assert said == want, difference(golden, want, said)
