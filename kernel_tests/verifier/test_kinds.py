"""This kernel's verifier takes the programs of every kind, all fields of their contexts read and written; what it can
run on demand gives CPython's outcome."""

from __future__ import annotations

from collections import Counter

from bpfvm import LoadError, Unavailable
from bpfvm.kernel.objects.load import load_object
from bpfvm.run.compare import differences
from tests.contract.kinds import Case, cases, given_to

# Why a program cannot be loaded here: parts of all reasons that are taken.
NOT_LOADED = ("by this host's policy", "lirc_mode2", "loaded for a member of a table")


def _loaded(case: Case) -> str:
    for program in (case.minimal, case.whole):
        try:
            load_object(program.object, program.name, {}).close()
        except (Unavailable, LoadError) as error:
            return str(error)
    return ""


def _run(case: Case) -> tuple[list[str], str]:
    given, _ = given_to(case)
    try:
        outcome, want = case.whole.kernel(*given), case.whole.cpython(*given)
    except Unavailable as error:
        return [], str(error)
    return [f"{case.name}: {line}" for line in differences("cpython", want, "kernel", outcome)], ""


def test_the_verifier_takes_programs_of_every_kind() -> None:
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    for case in cases():
        why = _loaded(case)
        different, idle = _run(case) if not why else ([], why)
        wrong += different
        if why and not any(part in why for part in NOT_LOADED):
            wrong.append(f"{case.name}: {why}")
        counts["loaded" if not why else "not loaded"] += 1
        counts["run"] += not idle
        print(f"{case.name:28} {case.hook.section:36} {'not loaded: ' + why if why else idle or 'run':.120}")
    print(dict(counts))
    assert not wrong, "\n".join(wrong)
    assert counts["loaded"] >= 60
    assert counts["run"] >= 15
