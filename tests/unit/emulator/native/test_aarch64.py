"""The code of the native tier on a second architecture: the data files of instructions, as aarch64 under Unicorn.

BPFVM_ALL=1 runs all of them.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input
from bpfvm.emulator import Emulator
from bpfvm.emulator.native.code.engine import missing
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.testing.datafile import NAME, load_cases

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))
pytest.importorskip("unicorn", reason="unicorn is not installed: pip install 'bpfvm[uprobes]'")

ISA = Path(__file__).resolve().parents[3] / "isa"
ALL = os.environ.get("BPFVM_ALL") == "1"
STEP = 1 if ALL else 14


@pytest.fixture(autouse=True)
def aarch64(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.unit.emulator.native.aarch64 import install

    install(monkeypatch)


@pytest.mark.parametrize("safe", [False, True], ids=["checked", "safe"])
def test_data_files(safe: bool) -> None:
    compared, wrong = 0, []
    for case in load_cases(ISA)[7 * safe :: STEP]:
        if case.expect.refused is not None or (safe and case.result is None):
            continue
        try:
            with Emulator("native", case.budget or 100_000, safe=safe).load(case.spec(), NAME, {}) as loaded:
                wrong += [f"{case.name}: {line}" for line in case.check(loaded.run(case.input()))[:1]]
        except Unavailable:
            continue
        compared += 1
    print(f"{compared} cases")
    assert not wrong, wrong[:5]
    assert compared >= (500 if ALL else 40)


def test_maps_and_calls_of_python() -> None:
    text = """
    r6 = 9
    again: *(u32 *)(r10 -4) = r6
    *(u64 *)(r10 -16) = 7
    r1 = map[m]
    r2 = r10
    r2 += -4
    r3 = r10
    r3 += -16
    r4 = 0
    call 2
    r6 += -1
    if r6 != 0 goto again
    call 7
    r7 = r0
    r1 = 3
    r2 = func f
    r3 = r10
    r3 += -16
    r4 = 0
    call 181
    r0 = *(u64 *)(r10 -16)
    exit
    f: r1 = *(u64 *)(r2 +0)
    r1 += 100
    *(u64 *)(r2 +0) = r1
    r0 = 0
    exit
    """
    spec = ObjectSpec(
        {"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(text)))}, {"m": MapSpec("m", "hash", 4, 8, 20)}
    )
    results = []
    for engine in ("interp", "native"):
        with Emulator(engine).load(spec, "p", {}) as loaded:
            results.append((loaded.run(Input(ctx=bytes(8))), loaded.read_map("m")))
    assert results[0] == results[1]
    assert results[0][0].r0 == 307
    assert len(results[0][1]) == 9
