"""What registers hold of values that a helper is given, and the values that r0 stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from bpfvm.core.bits import M64
from bpfvm.lang.active import CONTEXT, Machine
from bpfvm.lang.maps.base import Map
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.pointers import Pointer
from bpfvm.lang.types.scalars import Storage, bool8, s8, s16, s32, s64, u8, u16, u32, u64

if TYPE_CHECKING:
    from bpfvm.tables.helpers.row import Helper as Row
    from bpfvm.tables.kfuncs import Kfunc as KernelRow

DYNPTR = "__bpf_dynptr__"  # the attribute by which dynptrs of CPython are known: where they lie

# What C calls the numbers of results. A `long` is what errors are told in: an exact number here, as an `int` is.
_RESULTS: Mapping[str, tuple[Storage, bool]] = {
    "u64": (u64, True), "unsigned long": (u64, True), "s64": (s64, True), "long": (s64, False), "int": (s32, False),
    "u32": (u32, False), "bool": (bool8, False), "s32": (s32, False), "u16": (u16, False), "u8": (u8, False),
    "s16": (s16, False), "s8": (s8, False),
}  # fmt: skip

AnyRow: TypeAlias = "Row | KernelRow"


def result_of(row: AnyRow) -> tuple[Storage, bool] | None:
    """How r0 is read, and whether it wraps: None for nothing. LookupError, with the type's name, for an address."""
    name = row.prototype.partition("(")[0].strip()
    if name == "void":
        return None
    if name not in _RESULTS:
        raise LookupError(name)
    return _RESULTS[name]


def text(value: bytes | str) -> bytes:
    """A constant as C's texts lie in memory: with a zero at its end."""
    data = value.encode() if isinstance(value, str) else value
    return data if data.endswith(b"\0") else data + b"\0"


def word(on: Machine, value: Any) -> int:
    """What a register holds of a value: a number, the address of memory, of a map, of the context; 0 for None."""
    if value is None:
        return 0
    if isinstance(value, int):
        return int(value) & M64
    if isinstance(value, Map):
        return on.handle(value)
    if isinstance(value, Pointer):
        return value._address
    if isinstance(value, View):
        memory, at, _ = value._bpf
        return on.place(bytes(value)) if isinstance(memory, bytearray | bytes) else at
    if isinstance(value, bytes | str):
        return on.place(value.encode() if isinstance(value, str) else value)
    if hasattr(value, DYNPTR):
        return int(getattr(value, DYNPTR))
    if getattr(type(value), CONTEXT, False):
        return on.context_address()
    raise TypeError(f"a helper takes numbers, maps, memory and the context, not {type(value).__name__}")


def number(row: AnyRow, r0: int) -> Any:
    """The result that r0 stands for; an address as a u64."""
    try:
        found = result_of(row)
    except LookupError:
        return u64(r0)
    if found is None:
        return None
    kind, wraps = found
    value = kind(r0)
    return bool(value) if kind is bool8 else value if wraps else int(value)
