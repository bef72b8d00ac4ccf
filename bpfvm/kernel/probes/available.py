"""Whether this host lets this process use bpf(2), found by using it."""

from __future__ import annotations

import functools

from bpfvm.core.errors import BpfvmError
from bpfvm.isa.insn import insn
from bpfvm.kernel.host import privilege
from bpfvm.kernel.objects.load import load_object
from bpfvm.kernel.sys import switched_off
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec

_SMALLEST = ObjectSpec(
    programs={"probe": ProgramSpec("probe", "xdp", "xdp", (
        insn("lddw_map", 1, symbol="probe"), insn("mov64_k", 0, imm=2), insn("exit"),
    ))},
    maps={"probe": MapSpec("probe", "array", 4, 4, 1)},
)  # fmt: skip


def available() -> str | None:
    """None where a map and an XDP program can be made here, else why not, in one line. Never raises."""
    return switched_off() or _refusal(privilege.user(), privilege.effective())


@functools.cache
def _refusal(euid: int, capabilities: int | None) -> str | None:
    """Asked once for each user and set of capabilities that this process has."""
    try:
        load_object(_SMALLEST, "probe", {}).close()
    except BpfvmError as error:
        return str(error)
    return None
