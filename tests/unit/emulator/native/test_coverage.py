"""Coverage by compiled code: what the reference tier counts, for every program that there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.cli import status
from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.fuzz.case import generated
from bpfvm.fuzz.generate import program
from bpfvm.isa.asm import assemble
from bpfvm.obj.captures.pcap import write_capture
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.run.coverage import Counts
from bpfvm.testing.datafile import NAME, load_cases

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROOT = Path(__file__).resolve().parents[3]
COUNTER = str(ROOT / "objects" / "xdp_count.o")
MAPS = {"m": MapSpec("m", "array", 4, 8, 3)}


def counts(engine: str, spec: ObjectSpec, name: str, inputs: list[Input], maps: object = None) -> Counts:
    given = maps if isinstance(maps, dict) else {}
    with Emulator(engine, 20_000).load(spec, name, given) as loaded:
        with loaded.cover() as counted:
            results = [loaded.run(one) for one in inputs]
        assert not any(one.fault is not None and one.fault.kind == "budget" for one in results), "tiers differ there"
        return Counts().add(counted)


def sides(found: Counts) -> dict[str, dict[int, list[int]]]:
    """Those of branches that were met."""
    return {name: {slot: pair for slot, pair in known.items() if any(pair)} for name, known in found.sides.items()}


def same(spec: ObjectSpec, name: str, inputs: list[Input], maps: object = None) -> int:
    """Compare both; how many slots were executed."""
    one, other = (counts(engine, spec, name, inputs, maps) for engine in ("interp", "native"))
    assert other.counts == one.counts
    assert sides(other) == sides(one)
    assert other.steps == one.steps
    return sum(count > 0 for found in one.counts.values() for count in found)


TEXTS = [
    "r0 = 1\n if r1 == 0 goto out\n r0 = 2\n out: exit",
    "r6 = 5\n again: r6 += -1\n if r6 != 0 goto again\n r0 = 0\n exit",
    "r1 = 1\n call f\n r1 = 0\n call f\n exit\n f: if r1 == 0 goto two\n r0 = 1\n exit\n two: r0 = 2\n exit",
    "r1 = 3\n r2 = func g\n r3 = 0\n r4 = 0\n call 181\n exit\n g: r0 = 0\n exit",
    "call f\n r0 = 7\n exit\n f: r1 = 0\n r0 = *(u64 *)(r1 +0)\n exit",
    "r0 = 0\n r1 = 0\n r2 = *(u64 *)(r1 +0)\n r0 = 5\n exit",
]


@pytest.mark.parametrize("text", TEXTS)
def test_small_programs(text: str) -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, MAPS)
    assert same(spec, "p", [Input(ctx=bytes(8))] * 3) >= 3


def test_data_files() -> None:
    compared = 0
    for case in load_cases(ROOT / "isa")[::9]:
        if case.expect.refused is None and case.budget is None:
            try:
                compared += same(case.spec(), NAME, [case.input()]) > 0
            except BpfvmError:
                continue
    print(f"{compared} cases")
    assert compared >= 60


def test_random_programs() -> None:
    compared = 0
    for number in range(60):
        case = generated(program, 11, number)
        compared += same(case.spec, "fuzz", list(case.inputs), case.maps) > 0
    assert compared >= 50


def test_a_program_of_c_over_packets() -> None:
    spec = read_object(ROOT / "objects" / "xdp_count.o")
    packets = [Input(packet=bytes(size)) for size in (64, 20, 0, 64, 24)]
    assert same(spec, "count", packets) >= 15


def test_a_capture_in_one_loop(tmp_path: Path) -> None:
    """The command counts in the loop over a capture what it counts packet by packet on the reference tier."""
    write_capture(tmp_path / "a.pcap", [(1000 * n, bytes(60 if n % 3 else 20)) for n in range(300)])
    for engine in ("interp", "native"):
        words = ["run", COUNTER, "--packet", str(tmp_path / "a.pcap"), "--engine", engine]
        assert status([*words, "--coverage", str(tmp_path / f"{engine}.info")]) == 0
    assert (tmp_path / "native.info").read_text() == (tmp_path / "interp.info").read_text()
    assert "FNDA:300,count" in (tmp_path / "native.info").read_text()
