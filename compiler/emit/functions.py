"""Functions in BTF: their names, parameters and results, as the kernel and its tools show them.

A program of a hook takes its context, one of scalars a structure of its arguments that is named after it. What the
words of a context are taken for stands beside it (bpfvm.obj.declared). Subprograms take what their annotations say, and
behind that what the compiler passes along.
"""

from __future__ import annotations

from typing import Any

from bpfvm.compiler.ir.function import Function, Param
from bpfvm.lang.functions.signature import RESULT_OFFSET, argument_offset
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, char, s64, u64
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, STATIC
from bpfvm.obj.declared import DECLARED
from bpfvm.tables.progs import BY_NAME

# C's names for the widths, as compilers for BPF write them into BTF.
C_NAMES = {
    (8, False): "unsigned char",
    (16, False): "unsigned short",
    (32, False): "unsigned int",
    (64, False): "unsigned long long",
    (8, True): "signed char",
    (16, True): "short",
    (32, True): "int",
    (64, True): "long long",
}
_CONTEXT, _STATUS = "ctx", "status"


def storage(btf: Btf, kind: Storage) -> int:
    """A typedef of the storage type's own name over C's; a pointer to what it points to."""
    if isinstance(kind, PointerType):
        return btf.add_ptr(_pointed(btf, kind.__target__))
    number = btf.add_int(C_NAMES[kind.bits, kind.is_signed], kind.size, is_signed=kind.is_signed)
    return btf.add_typedef(kind.__name__, number)


def _pointed(btf: Btf, target: Any) -> int:
    """What a pointer points to; void where C has no name for it."""
    if target is char:
        return btf.add_int("char", 1, is_signed=True)
    if isinstance(target, Storage):
        return storage(btf, target)
    name = getattr(target, "__name__", "")
    return btf.add_fwd(name, is_union=getattr(target, "__is_union__", False)) if name.isidentifier() else 0


def declare(btf: Btf, function: Function, name: str) -> None:
    """Declare a program, under one of its names, or a subprogram."""
    if function.is_subprogram:
        params = [(one.name, _param(btf, function, one)) for one in function.params]
        linkage = GLOBAL if function.is_global else STATIC
        btf.add_func(name, btf.add_func_proto(_scalar(btf, function.result or int), params), linkage)
        return
    status, context = btf.add_int("int", 4, is_signed=True), (_CONTEXT, _context(btf, function))
    btf.add_func(name, btf.add_func_proto(status, [context]), GLOBAL)
    if function.arguments:
        given = {at: (one, storage(btf, kind)) for at, (one, kind) in function.arguments.items()}
        params = [given.get(at, (f"arg{at + 1}", storage(btf, u64))) for at in range(max(given) + 1)]
        status = btf.add_int("int", 4, is_signed=True)
        btf.add_func(
            DECLARED + name, btf.add_func_proto(status, [(_CONTEXT, _context(btf, function)), *params]), STATIC
        )


def _param(btf: Btf, function: Function, one: Param) -> int:
    if one.type is not None:
        return _scalar(btf, one.type)
    if one.pointer_to:
        return btf.add_ptr(btf.add_fwd(one.pointer_to) if one.pointer_to.isidentifier() else 0)
    return btf.add_ptr(storage(btf, u64)) if one.name == _STATUS else _context(btf, function)


def _scalar(btf: Btf, kind: Any) -> int:
    """A number's type; bool as C has it, int as wide as a register."""
    if kind is bool:
        return btf.add_int("_Bool", 1, is_bool=True)
    return storage(btf, kind if isinstance(kind, Storage) else s64)


def _context(btf: Btf, function: Function) -> int:
    """A pointer to what a program of this type gets."""
    if function.result_offset is None:
        structure = BY_NAME[function.type].context
        return btf.add_ptr(btf.add_fwd(structure) if structure else 0)
    if function.is_subprogram or not function.params:
        return btf.add_ptr(0)
    members = [("result", _word(btf, function.result), RESULT_OFFSET)]
    members += [(one.name, _word(btf, one.type), argument_offset(place)) for place, one in enumerate(function.params)]
    size = argument_offset(len(function.params))
    return btf.add_ptr(btf.add_struct(f"{function.name}_arguments", size, members))


def _word(btf: Btf, kind: Any) -> int:
    """A word of the context: a narrow number stands there extended."""
    is_signed = kind is int or (isinstance(kind, Storage) and kind.is_signed)
    return storage(btf, s64 if is_signed else u64)
