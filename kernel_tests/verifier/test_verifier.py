"""The verifier model held against the kernel: verdict, instruction, words, walked instructions, states line by line.

The model is of one version (`MODELLED`); other kernels deduce more or less, and are not asked.
"""

from __future__ import annotations

import errno
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bpfvm.core.errors import BpfvmError
from bpfvm.core.machine import Location
from bpfvm.isa.asm import assemble
from bpfvm.isa.codec import encode
from bpfvm.testing import verdicts
from bpfvm.testing.verdicts import VerdictCase, judged, load_verdicts
from bpfvm.verifier.paths.walk import Setting
from bpfvm.verifier.report.verdict import check
from kernel_tests.loading import release
from kernel_tests.verifier.verdicts import EVERYTHING, WORDS, Maps, ask, opened_maps, possible_cpus, states
from tests.unit.verifier.limits import cases
from tests.unit.verifier.mutants import mutant, originals
from tests.unit.verifier.programs import program

MODELLED = (6, 18)
ROOT = Path(__file__).parents[2]
CASES = load_verdicts(ROOT / "tests" / "verifier")
PROGRAMS, ALL_PROGRAMS = 1500, 50_000
LOOPS, ALL_LOOPS, LONGEST = 80, 5000, 4000
MUTANTS, ALL_MUTANTS = 1000, 20_000
MUTANT_BUDGET = 20_000
# What the kernel says of a number where a descriptor should stand: which are open here, no model knows
_DESCRIPTOR = re.compile(r"fd \d+ is not pointing to valid bpf_map|invalid module BTF object FD specified\.")

pytestmark = pytest.mark.skipif(
    release() != MODELLED, reason=f"the model is of Linux {MODELLED[0]}.{MODELLED[1]}, and this is another"
)


@pytest.fixture(scope="module")
def maps() -> Iterator[Maps]:
    with opened_maps() as opened:
        yield opened


def test_data_files(maps: Maps) -> None:
    """Every case: the kernel's verdict, words and instruction are those of the file; what is walked is as many."""
    wrong, compared, shut = [], 0, Counter[str]()
    for case in CASES:
        said = ask(case, maps, WORDS)
        if said.errno == errno.EPERM and not said.words and _is_shut(case, maps):
            shut[f"{case.attach_type} {case.target}"] += 1
            continue
        compared += 1
        if said.words != case.words or (said.errno == 0) != case.accepted:
            wrong.append(f"{case.name}: kernel {said.errno} {said.words}, file {case.words}")
            continue
        named = re.search(r"detected at insn (\d+)", " ".join(said.words))
        blamed = ask(case, maps, 1).last if case.insn is not None and said.processed else case.insn
        blamed = int(named[1]) if named is not None else blamed
        walked = judged(case).processed
        if blamed != case.insn or walked != said.processed:
            wrong.append(
                f"{case.name}: kernel blames {blamed} after {said.processed}, model {case.insn} after {walked}"
            )
    print(f"{compared} programs of data files compared with the kernel; not those where this host permits none: {shut}")
    assert not wrong, "\n".join(wrong)
    assert compared >= 1400
    assert shut.total() <= 20


def _is_shut(case: VerdictCase, maps: Maps) -> bool:
    """Whether even a program that does nothing is not permitted where a case's is, which no verifier decides."""
    nothing = replace(case, code=encode(assemble("r0 = 0\nexit")), symbols={})
    return ask(nothing, maps, WORDS).errno == errno.EPERM


def test_limits(maps: Maps) -> None:
    """Programs behind the verifier's limits, and at them: words, and instructions walked."""
    compared = 0
    for pair in cases():
        for case in pair:
            said, verdict = ask(case, maps, WORDS), judged(case)
            assert (said.words, said.errno == 0) == (case.words, case.accepted), case.name
            assert said.processed in (0, verdict.processed), case.name
            compared += 1
    assert compared >= 6


def test_random_programs_walk_through_equal_states(maps: Maps, size: Callable[[int, int], int]) -> None:
    """The whole logs of level 2: every state before and after every instruction, every mark of precision."""
    wrong, lines, accepted = [], 0, 0
    count = size(PROGRAMS, ALL_PROGRAMS)
    for seed in range(count):
        case = VerdictCase(f"seed {seed}", "xdp", encode(assemble(program(seed))), {}, Location("random", seed))
        said, verdict = ask(case, maps, EVERYTHING), judged(case, level=2)
        theirs, ours = states(said.log), states(verdict.log)
        lines += len(theirs)
        accepted += said.errno == 0
        if (said.errno == 0) != (verdict.verdict == "accept") or said.processed != verdict.processed or theirs != ours:
            wrong.append(f"seed {seed}: {first_difference(theirs, ours)}")
    print(f"{count} programs, {accepted} accepted: {lines} lines of log equal, but for {len(wrong)} programs")
    assert not wrong, "\n".join(wrong[:5])
    assert accepted >= count // 2


def test_random_loops(maps: Maps, size: Callable[[int, int], int]) -> None:
    """Loops that may_goto ends, one in another or behind it: verdicts and walked instructions, of those that are no
    longer than LONGEST; of every tenth the whole log."""
    wrong, counts = [], Counter[str]()
    for seed in range(size(LOOPS, ALL_LOOPS)):
        case = VerdictCase(f"loop {seed}", "xdp", encode(assemble(program(seed, True))), {}, Location("random", seed))
        said = ask(case, maps, WORDS)
        if said.processed > LONGEST:
            counts["longer"] += 1
            continue
        verdict = judged(case, level=0 if seed % 10 else 2)
        counts[verdict.verdict] += 1
        if (said.errno == 0) != (verdict.verdict == "accept") or said.processed != verdict.processed:
            wrong.append(f"seed {seed}: kernel {said.errno} {said.processed}, model {verdict}")
        elif not seed % 10:
            counts["logs"] += 1
            theirs, ours = states(ask(case, maps, EVERYTHING).log), states(verdict.log)
            if theirs != ours:
                wrong.append(f"seed {seed}: {first_difference(theirs, ours)}")
    print(f"{dict(counts)}, {len(wrong)} differ")
    assert not wrong, "\n".join(wrong[:5])
    assert counts["accept"] >= size(LOOPS, ALL_LOOPS) // 2
    assert counts["reject"] >= size(LOOPS, ALL_LOOPS) // 10
    assert counts["logs"] >= size(LOOPS, ALL_LOOPS) // 20


def first_difference(theirs: list[str], ours: list[str]) -> str:
    for at, (mine, other) in enumerate(zip([*theirs, "end"], [*ours, "end"], strict=False)):
        if mine != other:
            return f"line {at}: kernel {mine!r}, model {other!r}"
    return "as many lines, and another verdict or count"


def test_a_planted_error_is_found(maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that forgets what an addition made of the unsigned range walks through other states."""
    from bpfvm.verifier.domain import scalar

    monkeypatch.setattr(scalar, "_wrapped", lambda low, high, most: (0, most))
    with pytest.raises(AssertionError, match="line"):
        test_random_programs_walk_through_equal_states(maps, lambda part, whole: 40)


def test_mutants_of_programs(maps: Maps, size: Callable[[int, int], int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs of objects with a few slots changed: verdict, words and walked instructions."""
    monkeypatch.setattr(verdicts, "check", functools.partial(check, budget=MUTANT_BUDGET))
    monkeypatch.setattr(verdicts, "Setting", functools.partial(Setting, cpus=possible_cpus()))
    cases, wrong, counts = originals((ROOT / "tests/packets", ROOT / "tests/objects")), [], Counter[str]()
    for seed in range(size(MUTANTS, ALL_MUTANTS)):
        case = mutant(cases, seed)
        try:
            said = ask(case, maps, WORDS)
        except BpfvmError:
            counts["no maps of this kind here"] += 1
            continue
        verdict = judged(case)
        theirs = "accept" if said.errno == 0 else "reject"
        if any(_DESCRIPTOR.fullmatch(one) for one in said.words):  # a number became one of this process's
            counts["refused for a descriptor"] += 1
            continue
        if verdict.verdict == "undecided" or (said.errno and not said.log):
            counts["undecided" if said.log or not said.errno else "refused without a log"] += 1
            continue
        counts[theirs] += 1
        if (verdict.verdict, verdict.message, verdict.processed) != (theirs, "; ".join(said.words), said.processed):
            wrong.append(f"seed {seed} {case.name}: kernel {said.errno} {said.processed} {said.words}, model {verdict}")
    print(f"mutants of {len(cases)} programs: {dict(counts)}, {len(wrong)} differ")
    assert not wrong, "\n".join(wrong[:5])
    assert counts["accept"] >= 100
    assert counts["reject"] >= 400
