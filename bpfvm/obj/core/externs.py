"""Externs of an object bound to what a kernel has: values of .kconfig, addresses of symbols, BTF ids of variables and
functions.

    .kconfig            bytes of the map .kconfig
    typeless ksym       lddw: its address, of kallsyms
    typed ksym          lddw_btf_id: id of the kernel's Var, of a type compatible with the object's
    kfunc               call_kfunc: id of the kernel's Func, with a prototype compatible with the object's; its address
                        is lddw_btf_id too

What is weak and missing reads as 0: values, addresses, and 0 as id of a kfunc, a call that the kernel refuses unless it
can never run. `resolved` reads no files: what it wants to know comes through `KernelNames`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn
from bpfvm.isa.ops import BY_NAME
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Func, Var
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.core import kconfig
from bpfvm.obj.core.match import Matcher
from bpfvm.obj.model import ExternSpec, ObjectSpec, ProgramSpec

KCONFIG = ".kconfig"


class SymbolsHidden(LoadError):
    """The list of symbols has 0 for every address."""


class KernelNames(Protocol):
    """What a kernel says of itself. Each is asked for only when an extern needs it."""

    @property
    def config(self) -> str:
        """The text of its configuration (/proc/config.gz)."""

    @property
    def kallsyms(self) -> bytes:
        """The text of /proc/kallsyms."""

    @property
    def facts(self) -> Mapping[str, int]:
        """LINUX_KERNEL_VERSION, LINUX_HAS_BPF_COOKIE, LINUX_HAS_SYSCALL_WRAPPER."""

    @property
    def types(self) -> TypeView:
        """Its BTF."""


def resolved(spec: ObjectSpec, kernel: KernelNames, name: str = "") -> ObjectSpec:
    """`spec` with its externs bound; only those that program `name` needs, where one is given.

    LoadError names an extern that the kernel does not have, or has with another type. Externs that are bound are no
    longer among `externs` of the result.
    """
    programs = {key: one for key, one in spec.programs.items() if name in ("", key)}
    wanted = _wanted(spec, programs.values(), everything=not name)
    if not wanted:
        return spec
    btf = spec.btf if spec.btf is not None else Btf()
    values = {one.name: one for one in wanted.values() if one.kind == "kconfig"}
    symbols = [one for one in wanted.values() if one.kind != "kconfig"]
    bound = _numbers(symbols, btf, kernel)
    done = {key: _bound(one, wanted, bound) for key, one in programs.items()}
    maps = dict(spec.maps)
    if values:
        if KCONFIG not in maps:
            raise LoadError(f"extern {next(iter(values))} is a value of map {KCONFIG}, which the object does not have")
        maps[KCONFIG] = replace(maps[KCONFIG], initial=_contents(spec, values, btf, kernel))
    left = {key: one for key, one in spec.externs.items() if key not in wanted}
    return replace(spec, programs={**spec.programs, **done}, maps=maps, externs=left)


def _wanted(spec: ObjectSpec, programs: Iterable[ProgramSpec], *, everything: bool) -> dict[str, ExternSpec]:
    if everything:
        return dict(spec.externs)
    named = {one.symbol for program in programs for one in program.insns if one.op.name in _EXTERN}
    has_values = any(KCONFIG in program.map_names for program in programs)
    return {key: one for key, one in spec.externs.items() if key in named or (has_values and one.kind == "kconfig")}


# Values of .kconfig


def _contents(spec: ObjectSpec, externs: Mapping[str, ExternSpec], btf: Btf, kernel: KernelNames) -> bytes:
    out = bytearray(spec.maps[KCONFIG].initial or bytes(spec.maps[KCONFIG].value_size))
    names = [one for one in externs if one.startswith("CONFIG_")]
    texts = kconfig.values(kernel.config, set(names)) if names else {}
    for key, one in externs.items():
        if not key.startswith("CONFIG_"):
            texts[key] = _fact(one, kernel)
        data = bytes(one.size)
        if key in texts:
            data = kconfig.encode(btf, one, texts[key], spec.endian)
        elif not one.weak:
            raise LoadError(f"extern {key}: the kernel's configuration does not set it, and it is not declared __weak")
        if len(data) != one.size or one.offset + one.size > len(out):
            raise LoadError(f"extern {key}: {octets(len(data))} for {one.size} at {one.offset:#x} of {len(out)}")
        out[one.offset : one.offset + one.size] = data
    return bytes(out)


def _fact(one: ExternSpec, kernel: KernelNames) -> str:
    known = kernel.facts
    if one.name in known:
        return str(known[one.name])
    if one.weak and one.name.startswith("LINUX_"):
        return "0"
    raise LoadError(f"extern {one.name} of .kconfig: wanted a name CONFIG_… or one of {', '.join(known)}")


# Symbols


def addresses(kallsyms: bytes, names: Collection[str]) -> dict[str, int]:
    """The addresses of kernel symbols. LoadError for one that several symbols have, at different places; SymbolsHidden
    for a list without addresses.

    Variables that link-time optimisation renamed ("name.llvm.123", type d) count under their own name.
    """
    if not names:
        return {}
    choice = b"|".join(re.escape(one.encode()) for one in sorted(names))
    row = re.compile(
        rb"^([0-9a-f]+) (?:\w|\?) (?:(" + choice + rb")|(?<=d )(" + choice + rb")\.llvm\.\S*)(?=\s)", re.MULTILINE
    )
    found: dict[str, int] = {}
    for address, plain, renamed in row.findall(kallsyms):
        name, number = (plain or renamed).decode(), int(address, 16)
        if found.setdefault(name, number) != number:
            raise LoadError(
                f"extern {name}: the kernel has several symbols of this name, at {found[name]:#x} and {number:#x}"
            )
    if 0 in found.values() and not re.search(rb"^0*[1-9a-f]", kallsyms, re.MULTILINE):
        first = next(name for name, number in found.items() if not number)
        raise SymbolsHidden(f"extern {first}: the kernel hides the addresses of its symbols from this process")
    return found


def _numbers(externs: Iterable[ExternSpec], btf: Btf, kernel: KernelNames) -> dict[str, int]:
    """Extern -> its address or its BTF id; missing where it is weak and the kernel does not have it."""
    found: dict[str, int] = {}
    typeless = {one.name: one for one in externs if not _is_typed(one, btf)}
    if typeless:
        found.update(addresses(kernel.kallsyms, typeless))
    typed = [one for one in externs if one.name not in typeless]
    if typed:
        matcher = Matcher(btf, kernel.types)
        found.update({one.name: number for one in typed if (number := _type_id(one, matcher)) is not None})
    for one in typeless.values():
        if one.name not in found and not one.weak:
            raise LoadError(
                f"extern {one.name}: the kernel has no symbol of this name; declared __weak it would be 0 then"
            )
    return found


def _is_typed(one: ExternSpec, btf: Btf) -> bool:
    return one.kind == "kfunc" or bool(one.type and btf.strip(one.type))


def _type_id(one: ExternSpec, matcher: Matcher) -> int | None:
    """The id of the kernel's variable or function; None where it is weak and missing."""
    kind, what = (Func, "function") if one.kind == "kfunc" else (Var, "variable")
    name = essential_name(one.name) if one.kind == "kfunc" else one.name
    number = matcher.target.find(kind, name)
    if number is None:
        if one.weak:
            return None
        raise LoadError(f"extern {one.name}: the kernel's BTF describes no {what} of this name")
    there = matcher.target[number]
    assert isinstance(there, Func | Var)
    mine, theirs = matcher.local.strip(one.type), matcher.target.strip(there.type)
    if matcher.compatible(mine, theirs):
        return number
    if one.weak and one.kind == "kfunc":
        return None
    types = f"{matcher.local.name_of(mine)} [{mine}] here and {matcher.target.name_of(theirs)} [{theirs}] in the kernel"
    raise LoadError(f"extern {one.name}: its type is {types}, which are not compatible")


_EXTERN = frozenset({"lddw", "lddw_btf_id", "call_kfunc"})
_LDDW, _LDDW_ID = BY_NAME["lddw"], BY_NAME["lddw_btf_id"]


def _bound(program: ProgramSpec, externs: Mapping[str, ExternSpec], numbers: Mapping[str, int]) -> ProgramSpec:
    insns = tuple(
        _with_number(one, numbers.get(one.symbol or "")) if one.op.name in _EXTERN and one.symbol in externs else one
        for one in program.insns
    )
    return program if insns == program.insns else replace(program, insns=insns)


def _with_number(one: Insn, number: int | None) -> Insn:
    if one.op.name == "call_kfunc":
        return replace(one, imm=number or 0, off=0)
    if number is None:
        return replace(one, op=_LDDW, src=0, imm=0)
    if one.op is _LDDW_ID:
        return replace(one, imm=number & M32)
    return replace(one, imm=number)
