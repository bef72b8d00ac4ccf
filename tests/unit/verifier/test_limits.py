"""Limits: one more is refused in the kernel's words (kernel_tests/verifier asks it), one less is taken."""

from __future__ import annotations

from bpfvm.testing.verdicts import judged
from tests.unit.verifier.limits import cases

LONG = 1 << 15  # bytes of code: such a twin is left to the kernel's test, for its time


def test_limits() -> None:
    compared = 0
    for behind, at in cases():
        verdict = judged(behind)
        assert (verdict.verdict, verdict.message, verdict.insn) == ("reject", behind.words[0], behind.insn), behind.name
        if len(at.code) < LONG:
            assert judged(at).verdict == "accept", at.name
        compared += 1
    assert compared >= 3
