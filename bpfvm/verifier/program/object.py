"""A program of an object: its maps as the verifier sees them, its functions with what BTF says of their arguments."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from bpfvm.core.articles import an
from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.isa.insn import slots
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import (
    GLOBAL,
    Array,
    DeclTag,
    Enum,
    Enum64,
    Float,
    Func,
    FuncProto,
    Int,
    Ptr,
    Struct,
    Union,
)
from bpfvm.obj.btf.view import TypeView
from bpfvm.obj.model import FunctionSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.maps import FLAGS
from bpfvm.tables.progs import BY_NAME, ProgramType
from bpfvm.tables.sections import of_section
from bpfvm.verifier.domain.regs import MapInfo
from bpfvm.verifier.paths.walk import LIMIT, Progress, Setting
from bpfvm.verifier.program.functions import Argument, Function
from bpfvm.verifier.report.verdict import REJECT, UNDECIDED, Verdict, check
from bpfvm.verifier.structures.fields import NOTHING, record_of
from bpfvm.verifier.structures.traced import traced_of

_CPUS = 64  # that a kernel numbers, where the caller does not say
_KCONFIG = ".kconfig"  # its values are the host's
_GPL = ("GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL")


def verify(
    spec: ObjectSpec, program: str, *, level: int = 0, budget: int = LIMIT, cpus: int = _CPUS, kernel: str = "6.18",
    resolved: bool = False, types: TypeView | None = None, progress: Progress | None = None,
) -> Verdict:  # fmt: skip
    """The model's verdict on one program. UsageError for a program, LoadError for a map that the object does not have.

    level: of the log. budget: instructions to walk before giving up as undecided. cpus: that the kernel numbers.
    CO-RE relocations that are not resolved hold what the object's own types say. resolved: the values of .kconfig are
    those of a kernel; else nothing is known of them. types: a kernel's, by which its objects are typed. progress: see
    `check`.
    """
    if kernel != "6.18":
        raise UsageError(
            f"the model knows Linux 6.18, not {kernel}; `bpfvm probe`, run on a kernel, names where that differs"
        )
    one = spec.programs.get(program)
    if one is None:
        raise UsageError(f"there is no program {program!r}; the programs are {', '.join(spec.programs) or 'none'}")
    row, section = BY_NAME[one.type], of_section(one.section)
    same = section.program_type == row.name
    why, traced = _undecided(spec, one, row), None
    if why is None and row.btf_target:
        found = traced_of(spec, one, section, types) if same else f"{an(row.name)} program without its target"
        why, traced = (found, None) if isinstance(found, str) else (None, found)
    if why is not None:
        return Verdict(UNDECIDED, f"uses {why}", None, 0)
    if (catcher := _catcher(spec, one)) is not None:
        if catcher not in {function.name for function in one.functions}:
            return Verdict(REJECT, "exception callback type id not found in func_info", None, 0)
        return Verdict(UNDECIDED, "uses a function that takes what is thrown", None, 0)
    setting = Setting(
        row, section.attach_type if same else None, maps_of(spec, one, resolved), gpl=spec.license in _GPL, cpus=cpus,
        sleepable=row.sleepable or (same and section.sleepable), btf=spec.btf, types=types, traced=traced,
    )  # fmt: skip
    functions = functions_of(spec, one, row)
    return check(one.insns, setting, level=level, budget=budget, functions=functions, progress=progress)


def _undecided(spec: ObjectSpec, one: ProgramSpec, row: ProgramType) -> str | None:
    if row.name == "unspec":
        raise LoadError(f"{one.name}: section {one.section!r} does not tell the program's type")
    if not one.insns:
        raise LoadError(f"{one.name}: a program needs at least one instruction, and this one has none")
    if spec.endian != "little":
        return "the other byte order"
    if row.context is None and not row.btf_target and row.name not in ("tracepoint", "syscall"):
        return f"arguments of {row.name} programs (BTF)"
    return None


def _catcher(spec: ObjectSpec, one: ProgramSpec) -> str | None:
    """The function that takes what the program throws, as a tag of the program's function names it."""
    number = spec.btf.find(Func, one.name) if spec.btf is not None else None
    if spec.btf is None or number is None:
        return None
    tags = (spec.btf[tag] for tag in range(1, len(spec.btf) + 1))
    names = [tag.name for tag in tags if isinstance(tag, DeclTag) and tag.type == number and tag.component < 0]
    return next((name.partition(":")[2] for name in names if name.startswith("exception_callback:")), None)


def maps_of(spec: ObjectSpec, program: ProgramSpec, resolved: bool = False) -> dict[int, MapInfo]:
    """The map that each instruction names, by slot."""
    known: dict[str, MapInfo] = {}
    found = {}
    for slot, name in _named(spec, program):
        if name not in spec.maps:
            raise LoadError(f"{program.name}: there is no map {name!r}; the maps are {', '.join(spec.maps) or 'none'}")
        if name not in known:
            known[name] = _information(spec, spec.maps[name], resolved)
        found[slot] = known[name]
    return found


def _named(spec: ObjectSpec, program: ProgramSpec) -> Iterator[tuple[int, str]]:
    names = list(spec.maps)
    for slot, one in zip(slots(program.insns), program.insns, strict=False):
        if one.op.name in ("lddw_map", "lddw_map_value") and one.symbol is not None:
            yield slot, one.symbol
        elif one.op.name in ("lddw_map_idx", "lddw_map_idx_value") and one.imm & M32 < len(names):
            yield slot, names[one.imm & M32]


def _information(spec: ObjectSpec, one: MapSpec, resolved: bool) -> MapInfo:
    known = resolved or one.name != _KCONFIG
    frozen = one.initial if one.flags & FLAGS["rdonly_prog"] and known else None
    record = record_of(spec.btf, one.value_type) if spec.btf is not None and one.value_type else NOTHING
    inner = _information(spec, replace(one.inner, name=""), resolved) if one.inner is not None else None
    return MapInfo(one, frozen, record, inner)


def functions_of(spec: ObjectSpec, program: ProgramSpec, row: ProgramType) -> dict[int, Function]:
    """The program's functions by their first slot, where BTF describes them; else none, and all are static."""
    if spec.btf is None:
        return {}
    found = {}
    for one in (FunctionSpec(program.name, 0), *program.functions):
        number = spec.btf.find(Func, one.name)
        kind = spec.btf[number] if number is not None else None
        if not isinstance(kind, Func):
            return {}
        is_static = not one.slot or kind.linkage != GLOBAL
        found[one.slot] = Function(one.name, is_static, None if is_static else _arguments(spec.btf, one.name, row))
    return found


def _arguments(btf: Btf, name: str, row: ProgramType) -> tuple[Argument, ...] | None:
    """What a function takes that is verified by itself; None where the model does not know."""
    number = btf.find(Func, name)
    kind = btf[number] if number is not None else None
    proto = btf[kind.type] if isinstance(kind, Func) else None
    if not isinstance(proto, FuncProto) or len(proto.params) > 5 or not proto.returns:
        return None
    if not isinstance(btf[btf.strip(proto.returns)], Int | Enum | Enum64):
        return None
    tagged = any(isinstance(one, DeclTag) and one.type == number for one in btf)
    arguments = [_argument(btf, parameter[1], row) for parameter in proto.params]
    if tagged or None in arguments:
        return None
    return tuple(one for one in arguments if one is not None)


def _argument(btf: Btf, number: int, row: ProgramType) -> Argument | None:
    kind = btf[btf.strip(number)] if number else None
    if isinstance(kind, Int | Enum | Enum64):
        return Argument("scalar")
    if not isinstance(kind, Ptr) or not kind.type:
        return None
    target = btf[btf.strip(kind.type)] if btf.strip(kind.type) else None
    if isinstance(target, Struct) and target.name == row.context:
        return Argument("ctx")
    if isinstance(target, Struct) and target.name == "bpf_dynptr":
        return Argument("dynptr")
    if isinstance(target, Int | Enum | Enum64 | Struct | Union | Array | Float):
        return Argument("mem", btf.size_of(kind.type))
    return None
