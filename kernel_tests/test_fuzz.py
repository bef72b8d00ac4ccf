"""Random programs on the reference tier and in the kernel: r0 and every byte of memory are equal."""

from __future__ import annotations

from bpfvm.core.machine import Input
from bpfvm.fuzz.case import make
from bpfvm.fuzz.differ import compare, differ, machine
from bpfvm.fuzz.generate import FUZZED
from bpfvm.fuzz.known import KNOWN, known
from bpfvm.fuzz.mutate import mutant
from bpfvm.fuzz.shrink import shrink
from bpfvm.isa.asm import assemble
from bpfvm.isa.ops import Kind
from tests.unit.fuzz.plants import Rewritten, row

PROGRAMS, HITS = 20_000, 100  # programs compared; times that each row of the table is executed at least
SEED = 1
MUTANTS = 600
ACCEPTED, ACCEPTED_MUTANTS = 0.999, 0.8  # the part that the verifier must take for the comparison to mean much
ENGINES = ("interp", "kernel")


def test_random_programs_agree() -> None:
    report = differ(ENGINES, SEED, PROGRAMS)
    print(report)
    least = sorted((report.hits.get(op.name, 0), op.name) for op in FUZZED)
    jumps = [op.name for op in FUZZED if op.kind is Kind.JUMP]
    ways = sorted((min(report.trace.taken[name], report.hits.get(name, 0) - report.trace.taken[name]), name)
                  for name in jumps)  # fmt: skip
    print(f"{len(FUZZED)} rows, the rarest {least[0]}; {len(jumps)} jumps, the rarest way of one {ways[0]}")
    for name, count in sorted(report.hits.items()):
        print(f"{count:>8} {name}")
    assert report.compared >= PROGRAMS
    assert report.differences == []
    assert not any(reason.startswith("known") for reason in report.rejected)
    assert report.acceptance >= ACCEPTED
    assert least[0][0] >= HITS
    assert ways[0][0] >= HITS


def test_changed_programs_agree() -> None:
    report = differ(ENGINES, SEED, MUTANTS, generator=mutant)
    print(report)
    assert report.compared >= MUTANTS
    assert report.differences == []
    assert report.acceptance >= ACCEPTED_MUTANTS


def test_a_planted_fault_is_found_and_reduced_on_the_kernel() -> None:
    machines = (Rewritten("wrong", row("jsgt64_k", "jgt64_k")), machine("kernel"))
    (first,) = differ(machines, SEED, 2000, most=1).differences
    smallest = shrink(machines, first)
    print(f"{len(first.case.program.insns)} to {len(smallest.case.program.insns)} instructions: {smallest}")
    assert len(smallest.case.program.insns) <= 10
    assert any(one.op.name == "jsgt64_k" for one in smallest.case.program.insns)


EXCHANGE = """
    r6 = r1
    *(u64 *)(r10 -8) = 0
    r0 = *(u64 *)(r6 +0)            # only the upper half is set
    r4 = *(u64 *)(r6 +8)
    if r4 != 0 goto exchange        # it is; the verifier looks at the other way first
    r0 = 0
    goto both
exchange:
    r0 = atomic_cmpxchg((u32 *)(r10 -8), r0, r4)
both:                               # on its second visit the verifier stops here, and does not see r0 being read
    *(u64 *)(r6 +0) = r0
    r0 = 0
    exit
"""


def test_what_the_kernel_is_known_to_do_wrong() -> None:
    words = (0xFFFF_FFFF_0000_0000, 1)
    given = Input(ctx=b"".join(word.to_bytes(8, "little") for word in words))
    case = make("exchange", "syscall", assemble(EXCHANGE), (given,))
    assert len(KNOWN) == 1
    assert known(case) is not None
    after = {}
    for name in ENGINES:
        loaded = machine(name).load(case.spec, "fuzz", {})
        after[name] = int.from_bytes((loaded.run(case.inputs[0]).ctx or b"")[:8], "little")
        loaded.close()
    print({name: hex(value) for name, value in after.items()})
    assert after["interp"] == 0
    assert after["kernel"] in (0, words[0])  # 6.18.44 gives the second
    read = assemble(EXCHANGE.replace("r4)\nboth", "r4)\n*(u64 *)(r6 +0) = r0\nboth"))
    assert known(case.with_insns(read)) is None
    assert compare([machine(name) for name in ENGINES], case.with_insns(read)).difference is None
