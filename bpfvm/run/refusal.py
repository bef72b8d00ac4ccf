"""What a kernel refused, explained by the model of its verifier where that refuses it for the same reason."""

from __future__ import annotations

from bpfvm.core.errors import BpfvmError, VerifierReject
from bpfvm.obj.model import ObjectSpec

BUDGET = 100_000  # instructions that the model walks for it


def explained(spec: ObjectSpec, program: str, refused: VerifierReject) -> VerifierReject:
    """The error with the model's explanation behind its line; as it is where the model knows nothing of it, or other
    reasons. `.explanation` is the explanation alone."""
    words = _explanation(spec, program, refused)
    return refused if words is None else VerifierReject(f"{refused}\n{words}", refused.log, words)


def _explanation(spec: ObjectSpec, program: str, refused: VerifierReject) -> str | None:
    from bpfvm.kernel.programs.rejection import read_log
    from bpfvm.run.judgement import judged
    from bpfvm.verifier.report.explain import explain

    reading = read_log(refused.log)
    if not reading.reasons or not str(refused).startswith("; ".join(reading.reasons)):
        return None  # the line says something else, and better: what a relocation did not find
    try:
        verdict, spec = judged(spec, program, budget=BUDGET)
        message = verdict.message.partition("; cur state:")[0]
        if verdict.verdict != "reject" or message != "; ".join(reading.reasons) or verdict.insn != reading.slot:
            return None
        found = explain(spec, program, verdict)
    except BpfvmError:
        return None
    return None if found is None else str(found)
