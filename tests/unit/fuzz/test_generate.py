"""Random programs: every row is met or left out with a reason, each program is defined and the same every time."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.emulator.contexts.builder import RUNS
from bpfvm.fuzz.body import MEMORY, PACKET, SIZE
from bpfvm.fuzz.case import PROGRAM, generated, make
from bpfvm.fuzz.defined import undefined
from bpfvm.fuzz.differ import machine
from bpfvm.fuzz.generate import ACTIONS, FUZZED, LEFT_OUT, program
from bpfvm.fuzz.mutate import mutant
from bpfvm.fuzz.trace import Hits
from bpfvm.isa.asm import assemble
from bpfvm.isa.disasm import listing
from bpfvm.isa.insn import Insn, insn, slots
from bpfvm.isa.ops import BY_NAME, OPS, Kind
from bpfvm.tables.progs import PROGRAM_TYPES

PROGRAMS, LEAST = 400, 15  # programs of a run, times that each row is executed in them


def test_every_row_is_made_or_left_out_with_a_reason() -> None:
    assert set(LEFT_OUT) <= set(BY_NAME)
    assert {op.name for op in FUZZED} | set(LEFT_OUT) == set(BY_NAME)
    assert {op.kind for op in FUZZED} == set(ACTIONS)
    print(f"{len(FUZZED)} of {len(OPS)} rows; left out: {', '.join(LEFT_OUT)}")
    assert len(FUZZED) >= 175


def test_what_is_left_out_no_emulator_runs() -> None:
    """So that a row does not stay left out when a machine learns it."""
    kinds = [row.name for row in PROGRAM_TYPES if row.name in RUNS]
    for name in LEFT_OUT:
        one = Insn(BY_NAME[name], src=BY_NAME[name].src_is or 0, off=BY_NAME[name].off_is or 0)
        for kind in kinds:
            case = make(name, kind, (*assemble("r6 = r1\nr1 = 0\nr0 = 0"), one, insn("exit")), ())
            with pytest.raises(Unavailable):
                machine("interp").load(case.spec, PROGRAM, {})
    print(f"{len(LEFT_OUT)} rows in programs of {len(kinds)} types")
    assert len(kinds) >= 20


def test_no_kernel_is_given_packet_loads_in_functions() -> None:
    """A kernel takes them with types only, and 6.18 died of them."""
    with_types = 0
    for generator in (program, mutant):
        for number in range(400):
            case = generated(generator, 6, number)
            entry = min((one.slot for one in case.program.functions), default=case.program.slot_count)
            insns = case.program.insns
            where = [slot for slot, one in zip(slots(insns), insns, strict=False) if one.op.kind is Kind.PACKET]
            with_types += case.spec.btf is not None
            assert case.spec.btf is None or max(where, default=0) < entry, case.name
    text = "r6 = r1\nr1 = func f\ncall f\nexit\nf: r6 = r1\nr0 = *(u8 *)skb[0]\nexit"
    assert make("case", "sched_cls", assemble(text), ()).spec.btf is None
    assert make("case", "sched_cls", assemble(text.replace("*(u8 *)skb[0]", "0")), ()).spec.btf is not None
    print(f"{with_types} of 800 programs have types")
    assert with_types >= 30


def test_every_row_is_executed_and_every_jump_goes_both_ways() -> None:
    hits, faults = Hits(), []
    interp = machine("interp", hits)
    for number in range(PROGRAMS):
        case = generated(program, 1, number)
        loaded = interp.load(case.spec, PROGRAM, case.maps)
        faults += [f"{case.name}: {result.fault}" for result in map(loaded.run, case.inputs) if result.fault]
        loaded.close()
    least = hits.ran.most_common()[:-6:-1]
    print(f"{hits.ran.total()} instructions of {len(hits.ran)} rows in {PROGRAMS} programs; least often {least}")
    assert faults == []
    assert [op.name for op in FUZZED if hits.ran[op.name] < LEAST] == []
    jumps = [op.name for op in FUZZED if op.kind is Kind.JUMP]
    assert [name for name in jumps if not 0 < hits.taken[name] < hits.ran[name]] == []


def test_programs_are_defined_and_read_no_unwritten_stack() -> None:
    kinds: Counter[str] = Counter()
    interp = machine("interp")
    for number in range(300):
        case = generated(program, 2, number)
        assert undefined(case) is None, case.name
        loaded = interp.load(case.spec, PROGRAM, case.maps)
        for given in case.inputs:
            assert loaded.run(given).warnings == (), case.name
        loaded.close()
        kinds[case.program.type] += 1
    print(dict(kinds))
    assert set(kinds) == set(MEMORY)
    assert min(kinds.values()) >= 20


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    for generator in (program, mutant):
        first = [generated(generator, 7, number) for number in range(5)]
        random.seed(99)
        assert [generated(generator, 7, number) for number in (4, 3)] == [first[4], first[3]]
        assert generated(generator, 8, 0).program.insns != first[0].program.insns


def test_programs_survive_text() -> None:
    for number in range(100):
        insns = generated(program, 3, number).program.insns
        again = assemble(listing(insns))
        assert tuple(again) == insns
        assert [one.symbol for one in again] == [one.symbol for one in insns]


def test_inputs_fit_their_programs() -> None:
    short, fields = 0, Counter[str]()
    for number in range(400):
        case = generated(program, 4, number)
        for given in case.inputs:
            data = given.ctx if given.packet is None else given.packet
            assert data is not None
            assert (given.packet is not None) == (case.program.type != "syscall")
            least = SIZE if MEMORY[case.program.type] != "value" else PACKET
            short += len(data) < least
            fields.update(dict.fromkeys(given.fields, 1))
            assert given.packet is not None or len(data) == SIZE
    print(f"{short} packets are too short for their programs; fields given: {dict(fields)}")
    assert 0 < short < 60
    assert len(fields) >= 12


def test_mutants_are_defined_and_differ_from_their_programs() -> None:
    changed = 0
    for number in range(200):
        case = generated(mutant, 5, number)
        assert undefined(case) is None, case.name
        changed += case.program.insns != generated(program, 5, number).program.insns
    print(f"{changed} of 200 programs were changed")
    assert changed >= 120
