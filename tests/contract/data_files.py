"""Running data files on a machine: what is wrong with which case, and how many were compared."""

from __future__ import annotations

from collections.abc import Iterable

from bpfvm.core.errors import BpfvmError, VerifierReject
from bpfvm.run.backend import engine
from bpfvm.testing.datafile import NAME, Case


def failures(name: str, cases: Iterable[Case]) -> tuple[int, list[str]]:
    """How many cases the machine `name` was compared on, and each thing that is wrong, a line each.

    On the kernel r0 goes through the context, because it shows 32 bits; a program that its verifier is said to refuse
    must be refused in those words.
    """
    backend, stored = engine(name), name == "kernel"
    compared, wrong = 0, []
    for case in cases:
        compared += 1
        try:
            loaded = backend.load(case.spec(store_result=stored), NAME, {})
        except VerifierReject as error:
            wrong += _refused_by_kernel(case, error)
            continue
        except BpfvmError as error:
            wrong += case.check_refusal(error)
            continue
        try:
            if stored and case.expect.kernel is not None:
                wrong.append(f"{case.place}: the kernel takes it, and must refuse it with {case.expect.kernel!r}")
            wrong += case.check(loaded.run(case.input(store_result=stored)))
        finally:
            loaded.close()
    return compared, wrong


def _refused_by_kernel(case: Case, error: VerifierReject) -> list[str]:
    if case.expect.kernel is None:
        return case.check_refusal(error)
    if case.expect.kernel in str(error) or case.expect.kernel in error.log:
        return []
    return [f"{case.place}: the kernel must say {case.expect.kernel!r}, and says {error}"]
