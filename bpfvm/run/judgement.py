"""What the model of the verifier says to a program, with the kernel's types in use where it needs them.

Most programs need none. Those that do are relocated against these types, so that offsets and types are one kernel's.
"""

from __future__ import annotations

from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.obj.core.relocations import relocate
from bpfvm.obj.model import ObjectSpec
from bpfvm.verifier.program.object import verify
from bpfvm.verifier.report.verdict import REJECT, UNDECIDED, Verdict

_OF_TYPES = "(BTF)"  # in what the model says is missing
_OF_A_STRUCT = "struct "  # in the verifier's words on members; the types that ship with bpfvm do not have all


def judged(spec: ObjectSpec, program: str, **options: Any) -> tuple[Verdict, ObjectSpec]:
    """The verdict, and the object it is of. options: as for `verify`, whose errors are raised."""
    first = verify(spec, program, **options)
    if first.verdict != UNDECIDED or _OF_TYPES not in first.message:
        return first, spec
    try:
        types = KERNEL.types
        ready = relocate(spec, types)
        second = verify(ready, program, types=types, **options)
    except BpfvmError:  # these types do not have what the program asks for
        return first, spec
    if second.verdict == REJECT and KERNEL.are_shipped and _OF_A_STRUCT in second.message:
        return first, spec
    return second, ready
