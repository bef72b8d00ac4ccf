"""What the compiler may rely on for the running kernel: its instructions, and how it lets a loop end."""

from __future__ import annotations

from bpfvm.kernel import features
from bpfvm.lang.target import DEFAULT, Target


def running() -> Target:
    """The target that this kernel is. What nobody can tell, or the host forbids, is taken to be there: the load says
    what is wrong with it."""
    return Target(DEFAULT.cpu if _has("isa_v3") else 2, _has("may_goto"), _has("bpf_loop"))


def _has(name: str) -> bool:
    answer = features.probe(name)
    return answer.have is not False or answer.cause not in ("absent", "configuration")
