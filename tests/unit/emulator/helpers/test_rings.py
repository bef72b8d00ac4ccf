"""Programs that send records, offline: both tiers, faults in words, what a run leaves behind."""

from __future__ import annotations

from contextlib import closing

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator.machine import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from tests.engines import EMULATORS

RING = MapSpec("ring", "ringbuf", 0, 0, 4096)
RESERVE = "r1 = map[ring]\nr2 = 16\nr3 = 0\ncall 131\nr6 = r0\nif r0 == 0 goto end\n"
SUBMIT = "r1 = r6\nr2 = 0\ncall 132\n"
END = "end: r0 = 7\nexit\n"


def run(text: str, *maps: MapSpec, kind: str = "syscall", engine: str = "interp", times: int = 1) -> list[Result]:
    spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, tuple(assemble(text)))}, {one.name: one for one in maps})
    given = Input() if kind in ("syscall", "raw_tracepoint") else Input(packet=bytes(range(64)))
    with closing(Emulator(engine).load(spec, "p", {})) as loaded:
        return [loaded.run(given) for _ in range(times)]


@pytest.mark.parametrize("engine", EMULATORS)
def test_records_are_part_of_the_result(engine: str) -> None:
    text = f"{RESERVE}*(u64 *)(r6 +0) = 1\n*(u64 *)(r6 +8) = 2\n{SUBMIT}{END}"
    for result in run(text, RING, engine=engine, times=400):  # over the end of the ring
        assert result.fault is None
        assert result.events == {"ring": ((1).to_bytes(8, "little") + (2).to_bytes(8, "little"),)}


@pytest.mark.parametrize("engine", EMULATORS)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "still owns a record of 16 bytes of ring buffer ring"),
        (f"{SUBMIT}*(u64 *)(r6 +0) = 1\n", ""),
        (f"{SUBMIT}{SUBMIT}", "bpf_ringbuf_submit#132"),
        ("r6 += 8\n" + SUBMIT, "must be the start of a record"),
        ("*(u64 *)(r6 +16) = 1\n", "ring record"),
        ("r6 = r10\nr6 += -16\n" + SUBMIT, "must be the start of a record"),
    ],
)
def test_records_that_are_used_wrongly(engine: str, body: str, words: str) -> None:
    result = run(RESERVE + body + END, RING, engine=engine)[0]
    assert result.fault is not None
    assert words in result.fault.message
    assert result.r0 == 0


def test_a_use_after_submit_names_the_record() -> None:
    result = run(f"{RESERVE}{SUBMIT}r0 = *(u64 *)(r6 +8)\n{END}", RING)[0]
    assert result.fault is not None
    assert result.fault.message == "read of 8 bytes at ring record+8, which was submitted"


def test_bytes_of_a_record_that_were_never_written_are_told() -> None:
    result = run(f"{RESERVE}r7 = *(u64 *)(r6 +0)\n{SUBMIT}{END}", RING)[0]
    assert [one.kind for one in result.warnings] == ["uninitialised"]


def test_a_faulty_run_leaves_no_reservation_behind() -> None:
    spec = ObjectSpec({"p": ProgramSpec("p", "syscall", "syscall", tuple(assemble(RESERVE + END)))}, {"ring": RING})
    with closing(Emulator("interp").load(spec, "p", {})) as loaded:
        faults = [loaded.run(Input()).fault for _ in range(300)]
    assert all(one is not None and "still owns" in one.message for one in faults)


@pytest.mark.parametrize("engine", EMULATORS)
def test_maps_of_another_type(engine: str) -> None:
    for number in (130, 131, 134):
        text = f"*(u64 *)(r10 -8) = 0\nr1 = map[m]\nr2 = {8 if number == 131 else 0}\nr3 = 0\nr4 = 0\n"
        if number == 130:
            text = "*(u64 *)(r10 -8) = 0\nr1 = map[m]\nr2 = r10\nr2 += -8\nr3 = 8\nr4 = 0\n"
        result = run(f"{text}call {number}\nr0 = 0\nexit\n", MapSpec("m", "array", 4, 8, 1), engine=engine)[0]
        assert result.fault is not None
        assert "does not take an array map" in result.fault.message
