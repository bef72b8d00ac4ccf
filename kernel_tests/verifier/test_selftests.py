"""The verifier model held against the kernel on the kernel's own selftests; `tox -e selftests` runs it.

Which programs use what the model covers is told by a scan of their instructions, not by the model.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_ID, Arg, Ret
from bpfvm.tables.progs import BY_NAME
from kernel_tests.debian import packages as debian
from kernel_tests.loading import release
from kernel_tests.verifier import selftests
from kernel_tests.verifier.test_verifier import MODELLED
from kernel_tests.verifier.test_verifier_objects import Tally, compare

_BEYOND = frozenset({"call_kfunc", "lddw_btf_id", "addr_space_cast", "may_goto", "gotox", "callx"})
_ARGUMENTS = frozenset({Arg.BTF, Arg.BTF_OR_NULL, Arg.BTF_GIVEN, Arg.PER_CPU_VAR, Arg.DYNPTR, Arg.DYNPTR_OUT, Arg.KPTR,
                        Arg.DYNPTR_RECORD_OUT, Arg.DYNPTR_GIVEN, Arg.TIMER})  # fmt: skip
_RESULTS = frozenset({Ret.BTF, Ret.BTF_OR_NULL, Ret.DYNPTR_MEM_OR_NULL, Ret.VAR, Ret.VAR_OR_NULL})
VERIFIER, ALL_DECIDED, EQUAL, WALKED = 0.8, 0.7, 0.98, 0.7  # least shares

pytestmark = [
    pytest.mark.skipif(release() != MODELLED, reason="the model is of another version than this kernel"),
    pytest.mark.skipif(selftests.missing() is not None, reason=selftests.missing() or "there"),
]


def uses_core(spec: ObjectSpec, program: ProgramSpec) -> bool:
    """Whether a scan finds nothing that the model leaves out on purpose."""
    if BY_NAME[program.type].btf_target or any(one.op.name in _BEYOND for one in program.insns):
        return False
    rows = [BY_ID[one.imm] for one in program.insns if one.op.name == "call" and one.imm in BY_ID]
    return not any(_ARGUMENTS & set(row.args) or row.ret in _RESULTS for row in rows)


@pytest.fixture(scope="module")
def built() -> list[Path]:
    try:
        return selftests.objects()
    except debian.Unavailable as reason:
        pytest.skip(str(reason))


def test_programs_that_use_what_the_model_covers(built: list[Path]) -> None:
    tally = compare(built, wanted=uses_core)
    shown(tally)
    judged = tally.decided + len(tally.differing)
    assert len(tally.differing) <= (1 - EQUAL) * judged, "\n".join(tally.differing)
    assert tally.counts["walked equal"] >= WALKED * tally.counts["accept"]
    assert judged >= 400


def test_how_many_of_the_verifiers_own_are_decided(built: list[Path]) -> None:
    assert decided([path for path in built if path.name.startswith("verifier_")]) >= VERIFIER


def test_how_many_of_all_are_decided(built: list[Path]) -> None:
    assert decided(built) >= ALL_DECIDED


def decided(paths: list[Path]) -> float:
    """The share of the programs that the model decides."""
    tally = compare(paths)
    shown(tally)
    judged = tally.decided + len(tally.differing)
    every = judged + tally.counts["undecided"]
    print(f"{judged / every:.1%} of {every} programs are decided")
    return judged / every


def shown(tally: Tally) -> None:
    print(f"{dict(tally.counts)}, differ: {len(tally.differing)}; undecided: {dict(tally.features.most_common(8))}")
    for line in (*tally.differing, *tally.wrong)[:20]:
        print("  ", line)
