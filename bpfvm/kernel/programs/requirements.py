"""What a program takes that a kernel may lack, by name, before the kernel is given it: helpers, maps, instructions,
places, functions of the kernel's. The kernel is asked for each by use (bpfvm.kernel.features)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bpfvm.core.errors import BpfvmError, Unavailable, UsageError, VerifierReject
from bpfvm.isa.insn import Insn
from bpfvm.kernel import features
from bpfvm.kernel.programs import lent
from bpfvm.kernel.programs.program import map_names
from bpfvm.kernel.programs.workarounds import READS
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.features import BY_NAME as FEATURES
from bpfvm.tables.features import feature
from bpfvm.tables.helpers import BY_ID as HELPERS
from bpfvm.tables.sections import of_section

# Kernel version -> the feature that its new instructions are
_INSTRUCTIONS: Mapping[str, str] = {row.since: row.name for row in FEATURES.values() if row.group == "isa"}
# Types whose attach type the kernel looks at when it loads a program (kernel/bpf/syscall.c)
_CHECKED_AT_LOAD = ("cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "sk_lookup", "tracing", "lsm")
_CALLBACKS = "lddw_func"
_CALLBACKS_SINCE = "timers"  # came with the first helpers that programs of the network can give a function to


def required(spec: ObjectSpec, program: str) -> tuple[str, ...]:
    """Names of bpfvm.tables.features that a program takes, in a fixed order."""
    return tuple(dict.fromkeys(_required(spec, spec.programs[program])))


def missing(spec: ObjectSpec, program: str) -> tuple[str, ...]:
    """What this kernel lacks of it, a line each; () where nothing is known to be lacking.

    What a host forbids, and what nobody can tell, is not among it.
    """
    found = []
    for name in required(spec, program):
        answer = features.probe(name)
        if answer.have is False and answer.cause in ("absent", "configuration"):
            row = feature(name)
            since = f", since {row.since}" if row.since else ""
            found.append(f"{_called(name)} ({answer.reason.partition(';')[0]}{since})")
    return tuple(found)


def explained(spec: ObjectSpec, program: str, error: BpfvmError) -> BpfvmError:
    """The error for a program that was refused: what the kernel lacks of it, where that is known."""
    if isinstance(error, UsageError) or program not in spec.programs:
        return error
    try:
        lines = missing(spec, program)
    except BpfvmError:
        return error
    if not lines:
        return error
    made = Unavailable(f"{program}: this kernel lacks {'; '.join(lines)}")
    made.__cause__ = error if isinstance(error, VerifierReject) else None
    return made


def _required(spec: ObjectSpec, program: ProgramSpec) -> Iterator[str]:
    section = of_section(program.section)
    place = section.attach_type
    yield f"program/{program.type}"
    if place is not None and program.type in _CHECKED_AT_LOAD and program.type in ATTACH_TYPES[place].programs:
        yield f"program/{program.type}/{place}"
    if section.frags:
        yield "xdp_frags"
    if section.sleepable and program.type == "kprobe":
        yield "sleepable_uprobes"
    if lent.pointer_arguments(spec, program):
        yield "pointer_arguments"
    if lent.lends(spec, program):
        yield "lent_keys"
    for name in map_names(program, spec.maps):
        if name in spec.maps:
            yield f"map/{spec.maps[name].type}"
    for one in program.insns:
        yield from _of_instruction(spec, program, one)


def _of_instruction(spec: ObjectSpec, program: ProgramSpec, one: Insn) -> Iterator[str]:
    if one.op.since in _INSTRUCTIONS:
        yield _INSTRUCTIONS[one.op.since]
    if one.op.name == "call" and one.imm in HELPERS and one.imm not in READS:
        yield f"helper/{program.type}/{HELPERS[one.imm].name}"
    if one.op.name == _CALLBACKS:
        yield _CALLBACKS_SINCE
    if one.op.name == "call_kfunc" and one.symbol is not None:
        known = spec.externs.get(one.symbol)
        if known is None or not known.weak:
            yield f"kfunc/{one.symbol}"


def _called(name: str) -> str:
    """A feature's name in words."""
    kind, _, rest = name.partition("/")
    if kind == "helper":
        type, _, helper = rest.partition("/")
        return f"helper {helper} in programs of type {type}"
    if kind == "program":
        return f"programs of type {rest.replace('/', ' at ')}"
    return {"map": f"maps of type {rest}", "kfunc": f"kernel function {rest}"}.get(kind, name)
