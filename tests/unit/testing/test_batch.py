"""Many cases in one program: which can join, that each has its own memory, and that what is wrong is noticed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.machine import Fault, Result
from bpfvm.emulator import INTERP, PORTABLE, Emulator
from bpfvm.isa.disasm import text
from bpfvm.testing.batch import MOST, Batch, batches, can_join
from bpfvm.testing.datafile import NAME, Case, read_cases

ADD = "-- asm\nr0 += r2\nexit\n-- rows r0 r2\n1 2 -> 3\n-1 1 -> 0\n0x8000000000000000 5 -> 0x8000000000000005\n"


def cases(tmp_path: Path, words: str) -> list[Case]:
    path = tmp_path / "some.data"
    path.write_text(words)
    return read_cases(path)


def run(engine: Emulator, batch: Batch) -> Result:
    with engine.load(batch.spec(), NAME, {}) as loaded:
        return loaded.run(batch.input())


def test_the_program_of_two_cases(tmp_path: Path) -> None:
    batch = Batch(tuple(cases(tmp_path, ADD)[:2]))
    program = batch.spec().programs[NAME]
    assert [text(one) for one in program.insns] == [
        "r6 = r1",
        "r1 = r6", "call pc+6", "*(u64 *)(r6 +32) = r0",
        "r1 = r6", "call pc+7", "*(u64 *)(r6 +40) = r0",
        "r0 = 0", "exit",
        "r0 = *(u64 *)(r1 +0)", "r2 = *(u64 *)(r1 +8)", "r0 += r2", "exit",
        "r0 = *(u64 *)(r1 +16)", "r2 = *(u64 *)(r1 +24)", "r0 += r2", "exit",
    ]  # fmt: skip
    assert [one.slot for one in program.functions] == [9, 13]


@pytest.mark.parametrize("engine", [INTERP, PORTABLE], ids=lambda one: one.name)
def test_right_and_wrong(tmp_path: Path, engine: Emulator) -> None:
    wide = "-- case wide\n-- asm\nr0 = 0x100000000 ll\nexit\n-- result\n0x100000000\n"
    right = [*cases(tmp_path, wide), *cases(tmp_path, ADD)]
    outcome = run(engine, Batch(tuple(right)))
    assert Batch(tuple(right)).is_right(outcome)
    for number, case in enumerate(right):
        assert case.result is not None
        wrong = replace(case, expect=replace(case.expect, result=case.result ^ 1 << 63))
        assert not Batch((*right[:number], wrong, *right[number + 1 :])).is_right(outcome)
    assert not Batch(tuple(right)).is_right(replace(outcome, fault=Fault("access", "no")))
    assert not Batch(tuple(right)).is_right(replace(outcome, warnings=(Fault("uninitialised", "no"),)))


ALONE = {
    "a fault": "-- asm\nexit\n-- fault\nuninit: r0\n",
    "a refusal": "-- asm\nr10 = 0\nexit\n-- refused\nr10\n",
    "code": "-- code\n95 00 00 00 00 00 00 00\n-- result\n0\n",
    "a map": "-- maps\nm array 4 8 1\n-- asm\nr0 = 0\nexit\n-- result\n0\n",
    "memory": "-- asm\nr0 = 0\nexit\n-- mem\n00\n-- result\n0\n",
    "a packet": "-- type\nxdp\n-- asm\nr0 = 0\nexit\n-- mem\n00\n-- result\n0\n",
    "plain": "-- plain\n-- asm\nr0 = 0\nexit\n-- result\n0\n",
    "a budget": "-- budget\n5\n-- asm\nr0 = 0\nexit\n-- result\n0\n",
    "a count": "-- asm\nr0 = 0\nexit\n-- result\n0\n-- insns\n2\n",
    "a warning": "-- asm\nr0 = 0\nexit\n-- result\n0\n-- warning\nx: y\n",
    "a call": "-- asm\ncall f\nexit\nf: r0 = 0\nexit\n-- result\n0\n",
    "what a kernel refuses": "-- asm\nr0 = 0\nr0 <<= 64\nexit\n-- result\n0\n-- kernel\ninvalid shift\n",
}


@pytest.mark.parametrize("words", ALONE.values(), ids=ALONE)
def test_what_stands_alone(tmp_path: Path, words: str) -> None:
    (case,) = cases(tmp_path, words)
    assert not can_join(case)
    assert list(batches([case, case])) == [case, case]


def test_nothing_is_lost(tmp_path: Path) -> None:
    (alone,) = cases(tmp_path, ALONE["a fault"])
    many = cases(tmp_path, ADD) * MOST
    found = list(batches([*many, alone]))
    sizes = [len(one.cases) if isinstance(one, Batch) else 1 for one in found]
    assert sum(sizes) == len(many) + 1
    assert max(sizes) == MOST
    assert list(batches(many[:1])) == many[:1]
