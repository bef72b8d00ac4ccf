"""The rows of kernel functions that programs call by name: those that the emulator has, those of which it is known
what the kernel checks, and any other by its prototype in the kernel's BTF. Which programs may call one of the last, the
kernel says at load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.obj.btf.types import Enum, Enum64, Func, FuncProto, Fwd, Int, Ptr, Struct, Union
from bpfvm.tables import kfuncs
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.helpers import Arg
from bpfvm.tables.kernel_functions import BY_NAME, KernelFunction, Parameter, parameter
from bpfvm.tables.kfuncs import Kfunc

# Bytes of what pointers of numbers point to, by the names that prototypes use
_BYTES: Mapping[str, int] = {"u8": 1, "u16": 2, "be16": 2, "u32": 4, "int": 4, "s32": 4, "u64": 8, "s64": 8}
_NUMBERS: Mapping[tuple[int, bool], str] = {
    (1, False): "u8", (2, False): "u16", (4, False): "u32", (8, False): "u64",
    (1, True): "s8", (2, True): "s16", (4, True): "s32", (8, True): "s64",
}  # fmt: skip
_SIZES = ("sz", "szk")
_OWN = ("bpf_dynptr", "bpf_iter_", "bpf_list_", "bpf_rb_", "bpf_res_spin_lock", "bpf_wq", "bpf_arena")  # no objects


def row_of(name: str) -> Kfunc | None:
    """The row of a kernel function, None where nothing tells of it."""
    known = kfuncs.BY_NAME.get(name)
    if known is not None:
        return known
    found = BY_NAME.get(name) or _of_btf(name)
    return _row(found) if found is not None else None


def names() -> list[str]:
    """Of those that are known without a kernel."""
    return sorted({*kfuncs.BY_NAME, *BY_NAME})


def struct_of(row: Kfunc, place: int) -> str:
    """The struct that a parameter points to, "" for none."""
    inside = row.prototype.partition("(")[2].rstrip(")").split(",")
    return parameter(inside[place].strip()).struct or ""


def _row(one: KernelFunction) -> Kfunc:
    kinds = tuple(_kind(one, place) for place in range(len(one.parameters)))
    sizes = tuple(_BYTES[at.type] for at, kind in zip(one.parameters, kinds, strict=True) if kind is Arg.FIXED_INOUT)
    inside = ", ".join(_text(at) for at in one.parameters)
    types = " ".join(sorted({name.partition(":")[0] for name in one.types}))
    result = f"{_type(one.result)} {'*' * one.result.stars}".strip()
    return Kfunc(one.name, f"{result}({inside})", kinds, "", "", types, sizes, sleeps="sleeps" in one.flags)


def _kind(one: KernelFunction, place: int) -> Arg:
    """What an argument is, by its type and by what its name says."""
    at = one.parameters[place]
    if not at.is_pointer:
        return Arg.SIZE_OR_ZERO if at.suffix in _SIZES and place else Arg.ANY
    behind = one.parameters[place + 1].suffix if place + 1 < len(one.parameters) else ""
    if at.suffix == "ign":
        return Arg.ANY
    if behind in _SIZES:
        return Arg.INOUT
    if at.suffix == "str":
        return Arg.TEXT
    if at.struct == "bpf_map" or at.suffix == "map":
        return Arg.MAP
    if at.struct in CONTEXTS:
        return Arg.CTX
    if at.struct and not at.struct.startswith(_OWN) and at.suffix in ("", "nullable"):
        owned = "release" in one.flags and not place
        return Arg.BTF_GIVEN if owned else Arg.BTF_OR_NULL if at.suffix else Arg.BTF
    return Arg.FIXED_INOUT if at.stars == 1 and at.type in _BYTES and not at.suffix else Arg.ITER


def _type(one: Parameter) -> str:
    return one.type.removeprefix("const ")


def _text(one: Parameter) -> str:
    return f"{_type(one)} {'*' * one.stars}{one.name}"


def _of_btf(name: str) -> KernelFunction | None:
    """By the kernel's own types."""
    types = KERNEL.types
    number = types.find(Func, name)
    if number is None:
        return None
    of_function: Any = types[number]
    proto = types[of_function.type]
    if not isinstance(proto, FuncProto) or len(proto.params) > 5:  # registers of arguments
        return None
    params = tuple(_parameter(types, kind, named or f"a{at}") for at, (named, kind) in enumerate(proto.params))
    return KernelFunction(name, _parameter(types, proto.returns, "result"), params, frozenset(), frozenset())


def _parameter(types: Any, kind: int, name: str) -> Parameter:
    stars, number = 0, types.strip(kind) if kind else 0
    while number and isinstance(types[number], Ptr):
        stars, target = stars + 1, types[number].type
        number = types.strip(target) if target else 0
    return parameter(f"{_called(types, number)} {'*' * stars}{name}")


def _called(types: Any, number: int) -> str:
    one = types[number] if number else None
    match one:
        case Int(size=size) if (size, one.is_signed) in _NUMBERS:
            return "bool" if one.is_bool else "char" if one.name == "char" else _NUMBERS[size, one.is_signed]
        case Enum(size=size) | Enum64(size=size):
            return _NUMBERS[size, False]
        case Struct() | Fwd() | Union():
            return f"{types.name_of(number)}"
    return "void"
