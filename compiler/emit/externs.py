"""Kernel functions that programs call, in the object's BTF: with the prototypes of their rows in tables.kfuncs."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bpfvm.isa.insn import Insn
from bpfvm.lang.helpers.kernel_functions import row_of
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import ExternSpec
from bpfvm.tables.kfuncs import Kfunc

# Sizes and signs of C's integers, under the names that prototypes use
_INTEGERS = {
    "int": (4, True), "u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False), "s64": (8, True),
    "s32": (4, True), "s16": (2, True), "s8": (1, True), "long": (8, True), "be16": (2, False),
    "char": (1, True), "unsigned long": (8, False), "size_t": (8, False), "__be16": (2, False), "bool": (1, False),
}  # fmt: skip
_PARAMETER = re.compile(r"(?P<base>(?:const |struct |enum |unsigned )*\w+) ?(?P<stars>\**)(?P<name>\w*)")


def kernel_functions(btf: Btf, code: Iterable[Insn]) -> dict[str, ExternSpec]:
    """The externs of all that the code calls, by name, their prototypes added to `btf`."""
    called = {one.symbol for one in code if one.op.name == "call_kfunc" and one.symbol is not None}
    rows = [row for name in sorted(called) if (row := row_of(name)) is not None]
    return {row.name: ExternSpec(row.name, "kfunc", prototype(btf, row)) for row in rows}


def prototype(btf: Btf, row: Kfunc) -> int:
    """The type id of a kernel function's prototype."""
    result, _, inside = row.prototype.partition("(")
    params = [one.strip() for one in inside.rstrip(")").split(",") if one.strip()]
    typed = [_type(btf, one) for one in params]
    return btf.add_func_proto(_type(btf, result)[0], [(name, kind) for kind, name in typed])


def _type(btf: Btf, text: str) -> tuple[int, str]:
    """The type id and the name of a parameter such as "const struct bpf_dynptr *p"."""
    found = _PARAMETER.fullmatch(text)
    assert found is not None, text
    base, name = found["base"], found["name"]
    is_const, base = base.startswith("const "), base.removeprefix("const ")
    number = _base(btf, base)
    if is_const:
        number = btf.add_const(number)
    for _ in found["stars"]:
        number = btf.add_ptr(number)
    return number, name


def _base(btf: Btf, name: str) -> int:
    if name == "void":
        return 0
    if name.startswith("struct "):
        return btf.add_struct(name.removeprefix("struct "), 0, [])
    if name.startswith("enum "):
        return btf.add_enum(name.removeprefix("enum "), 4, [])
    size, is_signed = _INTEGERS[name]
    return btf.add_int(name, size, is_signed=is_signed, is_bool=name == "bool")
