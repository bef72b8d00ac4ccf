"""What kernel modules bring: functions and variables that programs use, and functions that they are loaded for.

A module's BTF continues the kernel's, and has a descriptor of its own. A call of a module's function counts, in `off`,
the descriptors of `fd_array` from 1; 0 is the kernel itself. A variable's load has the descriptor in its upper half;
until it is open, the same count stands there.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from bpfvm.core.errors import LoadError, Unavailable, alike
from bpfvm.isa.insn import Insn
from bpfvm.kernel.attr import BTF_GET_FD_BY_ID, BTF_GET_NEXT_ID, BtfInfo, ById, ids, inform
from bpfvm.kernel.sys import Fd, bpf, error_name
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Func, Type, Typedef, Var
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.core.match import Matcher
from bpfvm.obj.model import ExternSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.sections import Section

_NAME = 64  # MODULE_NAME_LEN, sizeof of a long less; nothing in the kernel is called by a longer name

# what BTF calls the target of an attach type: its kind, and what stands before the name in the section's
_TARGETS: Mapping[str, tuple[type[Func] | type[Typedef], str]] = {
    "trace_raw_tp": (Typedef, "btf_trace_"),
    "trace_iter": (Func, "bpf_iter_"),
    "lsm_mac": (Func, "bpf_lsm_"),
    "lsm_cgroup": (Func, "bpf_lsm_"),
}

Modules = Callable[[], Iterable[tuple[str, TypeView]]]
"""The modules that are loaded, each with its name and its types; asked only where the kernel lacks something."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a program is loaded for: a type id in the kernel's BTF, or in the BTF of descriptor `module`.

    member: of a table of functions, the number of the member.
    """

    id: int = 0
    module: int = 0
    member: int | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A type in the kernel's BTF, or in that of a module (its name, else "")."""

    id: int
    module: str = ""


def target_of(section: Section, types: TypeView, modules: Modules) -> Place:
    """What a program of `section` is loaded for. The target may say the module: "fentry/nf_tables:nft_do_chain".

    LoadError where the section names nothing, or nothing that there is.
    """
    if not section.target:
        raise LoadError(
            f"section {section.name}: it does not say what the program is for; write {section.name}/NAME, or leave the "
            "program out by choosing others by name"
        )
    kind, prefix = _TARGETS.get(section.attach_type or "", (Func, ""))
    module, _, name = section.target.rpartition(":")
    wanted = prefix + name
    if module in ("", "vmlinux"):
        found = types.find(kind, wanted)
        if found is not None:
            return Place(found)
    for one, own in modules() if module != "vmlinux" else ():
        found = own.find(kind, wanted) if module in ("", one) else None
        if found is not None:
            return Place(found, one)
    where = f"BTF of module {module}" if module else "kernel's BTF"
    near = (
        alike(name, [one.removeprefix(prefix) for one in types.beginning(prefix)], 3) if prefix and not module else ()
    )
    meant = f"; did you mean {', '.join(near)}?" if near else ""
    raise LoadError(f"section {section.name}: the {where} has no {wanted} to attach to{meant}")


def bound_to_modules(spec: ObjectSpec, types: TypeView, modules: Modules) -> tuple[ObjectSpec, tuple[str, ...]]:
    """`spec` with those externs bound that only a module has, and the modules in the order that instructions count.

    They are no longer among the externs of the result.
    """
    btf = spec.btf if spec.btf is not None else Btf()
    wanted = {key: one for key, one in spec.externs.items() if _is_typed(one, btf) and not _find(types, one)}
    if not wanted:
        return spec, ()
    found: dict[str, tuple[int, int]] = {}  # name -> the module's count, the id in its types
    used: list[str] = []
    for module, own in modules():
        here = {key: number for key, one in wanted.items() if key not in found and (number := _find(own, one))}
        here = {key: number for key, number in here.items() if _fits(wanted[key], number, Matcher(btf, own))}
        if here:
            used.append(module)
            found.update({key: (len(used), number) for key, number in here.items()})
    programs = {key: _with_places(one, found) for key, one in spec.programs.items()}
    left = {key: one for key, one in spec.externs.items() if key not in found}
    return replace(spec, programs=programs, externs=left), tuple(used)


def _is_typed(one: ExternSpec, btf: Btf) -> bool:
    return one.kind == "kfunc" or (one.kind == "ksym" and bool(one.type and btf.strip(one.type)))


def _find(types: TypeView, one: ExternSpec) -> int | None:
    kind: type[Type] = Func if one.kind == "kfunc" else Var
    return types.find(kind, essential_name(one.name) if one.kind == "kfunc" else one.name)


def _fits(one: ExternSpec, number: int, matcher: Matcher) -> bool:
    there = matcher.target[number]
    assert isinstance(there, Func | Var)
    return matcher.compatible(matcher.local.strip(one.type), matcher.target.strip(there.type))


def _with_places(program: ProgramSpec, found: Mapping[str, tuple[int, int]]) -> ProgramSpec:
    insns = tuple(
        _with_place(one, *found[one.symbol]) if one.symbol and one.symbol in found else one for one in program.insns
    )
    return program if insns == program.insns else replace(program, insns=insns)


def _with_place(one: Insn, module: int, number: int) -> Insn:
    if one.op.name == "call_kfunc":
        return replace(one, imm=number, off=module)
    return replace(one, imm=number | module << 32)


class OpenModules:
    """Descriptors of modules' BTF, each opened at its first use."""

    def __init__(self, opened: ExitStack) -> None:
        self._opened = opened
        self._known: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The descriptor. LoadError for a module that is gone, Unavailable where this process may not open it."""
        if name not in self._known:
            fd = opened(name)
            self._opened.enter_context(fd)
            self._known[name] = fd.number
        return self._known[name]

    def target(self, place: Place) -> Target:
        """The place with the module's descriptor."""
        return Target(place.id, self.number(place.module) if place.module else 0)


def opened(name: str) -> Fd:
    """The BTF of a module, or of the kernel itself ("vmlinux")."""
    try:
        for number in ids(BTF_GET_NEXT_ID):
            try:
                fd = Fd(bpf(BTF_GET_FD_BY_ID, ById(id=number)))
            except FileNotFoundError:  # gone meanwhile
                continue
            if _kernel_name(fd) == name:
                return fd
            fd.close()
    except OSError as error:
        raise Unavailable(
            f"the types of module {name} cannot be opened ({error_name(error.errno or 0)}); it takes CAP_SYS_ADMIN"
        ) from None
    raise LoadError(f"module {name} is not loaded any more; load it, then the object again")


def _kernel_name(fd: Fd) -> str | None:
    room = ctypes.create_string_buffer(_NAME)
    info = BtfInfo(name=ctypes.addressof(room), name_len=len(room))
    inform(fd.number, info)
    return room.value.decode(errors="replace") if info.kernel_btf else None
