"""An object made fit for a kernel that lacks something: what libbpf does, as pure functions over specs and types.

What is lacking comes in as names of bpfvm.tables.features (bpfvm.kernel.programs.lacks finds them by use):

    map/TYPE            named: no program can do without a map that it was written for
    global_data         maps of data that no program refers to are left out, others named
    map_mmap            data sections are no memory of this process
    probe_read_kernel   bpf_probe_read_kernel, _user and their _str call bpf_probe_read and bpf_probe_read_str
    btf_KIND            types of that kind become something of the same size under the same id

Names of programs and maps, func_info and line_info (prog_names, map_names, func_info, line_info) are left away where
they would be handed over. Kernels before 5.10 are not looked after beyond that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bpfvm.core.errors import Unavailable
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import (
    GLOBAL,
    Const,
    DataSec,
    DeclTag,
    Enum64,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Var,
)
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME as HELPERS
from bpfvm.tables.maps import BY_NAME as MAP_TYPES
from bpfvm.tables.maps import FLAGS

Lacks = frozenset[str]

_MMAPABLE = FLAGS["mmapable"]
_STATIC = 0  # BTF_FUNC_STATIC
_INSTEAD: Mapping[str, str] = {"ringbuf": "; there, events go through a perf_event_array"}

READS: Mapping[int, int] = {
    HELPERS[new].id: HELPERS[old].id
    for new, old in (
        ("probe_read_user", "probe_read"),
        ("probe_read_kernel", "probe_read"),
        ("probe_read_user_str", "probe_read_str"),
        ("probe_read_kernel_str", "probe_read_str"),
    )
}
"""Helper numbers -> those of kernels that do not tell user memory from the kernel's."""


def without(spec: ObjectSpec, lacks: Lacks) -> ObjectSpec:
    """`spec` for a kernel that lacks these. Raises Unavailable, by name, for what cannot be done without."""
    _check_types(spec, lacks)
    if "global_data" in lacks:
        spec = without_global_data(spec)
    if "map_mmap" in lacks:
        spec = without_mapped_data(spec)
    if "probe_read_kernel" in lacks:
        spec = replace(spec, programs={name: with_old_reads(one) for name, one in spec.programs.items()})
    return spec


def _check_types(spec: ObjectSpec, lacks: Lacks) -> None:
    for one in spec.maps.values():
        for kind in (one.type, *((one.inner.type,) if one.inner is not None else ())):
            if f"map/{kind}" in lacks:
                since = MAP_TYPES[kind].since
                raise Unavailable(
                    f"map {one.name}: this kernel has no maps of type {kind} (since {since}){_INSTEAD.get(kind, '')}"
                )


def without_global_data(spec: ObjectSpec) -> ObjectSpec:
    """Without the maps of data sections. Raises Unavailable for a program that refers to one."""
    data = {name for name, one in spec.maps.items() if one.initial is not None}
    for name, program in spec.programs.items():
        used = [one for one in program.map_names if one in data]
        if used:
            raise Unavailable(
                f"{name} uses global variables (map {used[0]}), which this kernel does not have (since 5.2); keep them "
                "in a map of one element"
            )
    return replace(spec, maps={name: one for name, one in spec.maps.items() if name not in data})


def with_mapped_data(spec: ObjectSpec) -> ObjectSpec:
    """Data sections as memory that user space shares (BPF_F_MMAPABLE), so that variables are read without a call."""
    return _with_data(spec, lambda one: replace(one, flags=one.flags | _MMAPABLE))


def without_mapped_data(spec: ObjectSpec) -> ObjectSpec:
    """Data sections as plain arrays; what a program declares mmapable by itself stays so."""
    return _with_data(spec, lambda one: replace(one, flags=one.flags & ~_MMAPABLE))


def _with_data(spec: ObjectSpec, change: Callable[[MapSpec], MapSpec]) -> ObjectSpec:
    maps = {name: change(one) if one.initial is not None else one for name, one in spec.maps.items()}
    return replace(spec, maps=maps)


def with_old_reads(program: ProgramSpec) -> ProgramSpec:
    """Every read of kernel or user memory by the helper that does not tell them apart."""
    insns = tuple(
        replace(one, imm=READS[one.imm]) if one.op.name == "call" and one.imm in READS else one for one in program.insns
    )
    return program if insns == program.insns else replace(program, insns=insns)


def without_kinds(btf: Btf, lacks: Lacks) -> Btf:
    """`btf` for a kernel whose BTF lacks these (btf_func, btf_float, …), every id the same and every size."""
    changed = btf.copy()
    for number, one in enumerate(btf, 1):
        new = _without_kind(btf, one, lacks)
        if new is not one:
            changed.define(number, new)
    return changed


def _without_kind(btf: Btf, one: Type, lacks: Lacks) -> Type:
    row = _KINDS.get(type(one))
    if row is not None and row[0] in lacks:
        return row[1](btf, one)
    if isinstance(one, Func) and "btf_global_func" in lacks and one.linkage == GLOBAL:
        return replace(one, linkage=_STATIC)
    return one


def _plain(name: str) -> str:
    """The name as an identifier, which BTF wants of everything but sections."""
    return "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in name) or "_"


def _number(_: Btf, one: Enum64) -> Type:
    return Int(_plain(one.name), one.size, one.size * 8, is_signed=one.is_signed)


_KINDS: Mapping[type[Type], tuple[str, Callable[..., Type]]] = {
    Func: ("btf_func", lambda btf, one: Typedef(_plain(one.name), one.type)),
    FuncProto: ("btf_func", lambda btf, one: Fwd("function")),
    DataSec: ("btf_datasec", lambda btf, one: Struct(_plain(one.name), one.size, ())),
    Var: ("btf_datasec", lambda btf, one: Typedef(_plain(one.name), one.type)),
    Float: ("btf_float", lambda btf, one: Struct(_plain(one.name), one.size, ())),
    DeclTag: ("btf_decl_tag", lambda btf, one: Fwd("tag")),
    TypeTag: ("btf_type_tag", lambda btf, one: Const(one.type)),
    Enum64: ("btf_enum64", _number),
}
"""Kind -> the feature that it is, and what stands in its place where the kernel lacks it."""
