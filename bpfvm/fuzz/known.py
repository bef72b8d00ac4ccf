"""Differences whose cause is known to be the kernel, so that they hide no others: met by fuzzing, shown by hand.

`kernel_tests/test_fuzz.py` holds the smallest program of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise

from bpfvm.core.errors import LoadError
from bpfvm.fuzz.case import Case
from bpfvm.fuzz.edit import opened


def _unread_exchange(case: Case) -> bool:
    """A 32-bit compare-and-exchange that nothing straight behind it reads r0 of as 64 bits.

    Its success leaves rax as it was on x86-64, so the verifier puts a zero-extension behind it, but only where it saw
    all of r0 being read. Linux 6.18 does not see that on a path which it cuts short because the code ahead was checked
    on another one: r0 then keeps its upper half, which RFC 9669 section 5.3 and the verifier itself say is 0.
    """
    try:
        steps = opened(case.program.insns)
    except LoadError:
        return False
    joined = {step.target for step in steps}
    return any(
        one.insn.op.name == "atomic_cmpxchg32"
        and (at in joined or after.insn.op.name not in ("stx64", "mov64_x") or after.insn.src != 0)
        for at, (one, after) in enumerate(pairwise(steps), 1)
    )


KNOWN: Mapping[str, Callable[[Case], bool]] = {
    "kernel: r0 keeps its upper half after atomic_cmpxchg32 on a path that the verifier cut short": _unread_exchange,
}


def known(case: Case) -> str | None:
    """Why the kernel may be wrong about the case, or None."""
    return next((reason for reason, applies in KNOWN.items() if applies(case)), None)
