"""Arguments of helpers, checked and decoded by their kinds in the helper table, before the helper sees them.

A helper is a plain function of the tier that called it and of its arguments. What each kind becomes:

    MAP                               the map: MapStore
    KEY, VALUE, MEM, FIXED            bytes, read from where the argument points
    VALUE_OR_NULL, MEM_OR_NULL        the same, None for null
    OUT, INOUT, VALUE_OUT, FIXED_…    a Pointer to memory that may be written for the whole size
    INOUT_OR_NULL                     the same, None for null
    TEXT                              bytes up to the zero
    SIZE…, ANY                        an unsigned 64-bit number
    CTX                               the Context that the program runs on; CTX_OR_NULL: None for null
    FUNC                              the slot of a function of the program, for `Caller.call`
    TIMER, LOCK, KPTR                 a Pointer into a map value or an object
    DYNPTR…                           a Pointer to the 16 bytes that are one
    RECORD_GIVEN                      a Pointer
    the rest                          the register's value, a number or a Pointer

Sizes of memory are those of the SIZE that follows, of the map, or of the row. What the kernel's verifier refuses is a
fault here: a pointer that points elsewhere, too little memory, a register that was never written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from bpfvm.core.bits import M64
from bpfvm.emulator.access import place
from bpfvm.emulator.caller import Caller, Operand, Stop, Value
from bpfvm.emulator.memory import MapRegion, Pointer
from bpfvm.tables.helpers import call_name
from bpfvm.tables.helpers.row import Arg
from bpfvm.tables.helpers.row import Helper as Row

if TYPE_CHECKING:
    from bpfvm.emulator.contexts import Context
    from bpfvm.emulator.maps import MapStore

Helper: TypeAlias = "Callable[[Caller, list[Value]], Operand]"  # what a tier calls, with r1 to r5
Function: TypeAlias = "Callable[..., Operand | None]"  # what implements a row; None is 0

DYNPTR_SIZE = 16  # struct bpf_dynptr of include/uapi/linux/bpf.h
_SIZES = (Arg.SIZE, Arg.SIZE_OR_ZERO, Arg.CONST_SIZE)
_DYNPTRS = (Arg.DYNPTR, Arg.DYNPTR_OUT, Arg.DYNPTR_RECORD_OUT, Arg.DYNPTR_GIVEN)
_FIXED = (Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT)

_Decoder: TypeAlias = "Callable[[Caller, list[Value]], object]"


def bind(row: Row, function: Function, program_type: str) -> Helper:
    """`function` as a tier calls it in programs of one type."""
    kinds = row.args_in(program_type)
    decoders = tuple(_decoder(row, kinds, index) for index in range(len(kinds)))

    def helper(caller: Caller, args: list[Value]) -> Operand:
        result = function(caller, *[decode(caller, args) for decode in decoders])
        if isinstance(result, int):
            return result & M64
        return 0 if result is None else result

    return helper


def _decoder(row: Row, kinds: tuple[Arg, ...], index: int) -> _Decoder:
    """What decodes one argument."""
    kind, what = kinds[index], f"argument {index + 1} of {call_name(row.id)}"
    if kind in _READ:
        size = _size(row, kinds, index)
        nullable = kind in (Arg.VALUE_OR_NULL, Arg.MEM_OR_NULL)
        return lambda caller, args: (
            None if nullable and args[index] == 0 else caller.read(args[index], size(caller, args), what)
        )
    if kind in _WRITTEN:
        size = _size(row, kinds, index)
        nullable = kind is Arg.INOUT_OR_NULL
        return lambda caller, args: (
            None if nullable and args[index] == 0 else _writable(caller, args[index], size(caller, args), what)
        )
    if kind in _SIZES:
        return lambda caller, args: _length(caller, args[index], kind is not Arg.SIZE_OR_ZERO, index, what)
    if kind is Arg.ANY:
        return lambda caller, args: caller.number(index + 1, args[index])
    decode = _OTHERS.get(kind, _operand)
    return lambda caller, args: decode(caller, args[index], what)


def _size(row: Row, kinds: tuple[Arg, ...], index: int) -> Callable[[Caller, list[Value]], int]:
    """How many bytes an argument points to."""
    kind = kinds[index]
    if kind in (Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT):
        owner = kinds.index(Arg.MAP)
        what = f"argument {owner + 1} of {call_name(row.id)}"
        if kind is Arg.KEY:
            return lambda caller, args: map_of(caller, args[owner], what).spec.key_size
        return lambda caller, args: map_of(caller, args[owner], what).spec.value_size
    if kind in _FIXED:
        fixed = row.sizes[sum(one in _FIXED for one in kinds[:index])]
        return lambda caller, args: fixed
    return lambda caller, args: caller.number(index + 2, args[index + 1])


def map_of(caller: Caller, value: Value, what: str) -> MapStore:
    """The map whose address a value is. Stop for anything else."""
    if isinstance(value, int):  # a tier without provenance
        region = caller.system.arena.find(value)
        value = region.within(value - region.base) if region is not None and region.within is not None else value
    if isinstance(value, Pointer) and isinstance(value.region, MapRegion) and value.offset == 0:
        store: MapStore = value.region.store
        return store
    raise Stop("helper", f"{what} is not a map")


def _writable(caller: Caller, value: Value, size: int, what: str) -> Pointer:
    pointer = caller.pointer(value, what)
    if size:
        place(pointer, 0, size, write=True)
    return pointer


def _length(caller: Caller, value: Value, positive: bool, index: int, what: str) -> int:
    size = caller.number(index + 1, value)
    if positive and not size:
        raise Stop("helper", f"{what} is 0, and must be {Arg.SIZE.value}")
    return size


def _operand(caller: Caller, value: Value, what: str) -> Operand:
    if value is None:
        raise Stop("helper", f"{what} is in a register that was never written")
    return value


def _context(caller: Caller, value: Value, what: str) -> Context:
    pointer = caller.pointer(value, what) if value else None
    context = caller.context
    if context is None or pointer is None or pointer.region is not context.region or pointer.offset:
        raise Stop("helper", f"{what} is not the program's context")
    return context


def _context_or_null(caller: Caller, value: Value, what: str) -> Context | None:
    return None if value == 0 else _context(caller, value, what)


def _function(caller: Caller, value: Value, what: str) -> int:
    pointer = caller.pointer(value, what)
    slot = caller.code.function(pointer) if caller.code is not None else None
    if slot is None:
        raise Stop("helper", f"{what} is not a function of the program")
    return slot


def _text(caller: Caller, value: Value, what: str) -> bytes:
    pointer = caller.pointer(value, what)
    rest = bytes(pointer.region.data[pointer.offset :]) if 0 <= pointer.offset < pointer.region.size else b""
    text, end, _ = rest.partition(b"\0")
    if pointer.region.kind != "map value" or not end:
        raise Stop("helper", f"{what} is not {Arg.TEXT.value}")
    return text


def _inside(caller: Caller, value: Value, what: str) -> Pointer:
    pointer = caller.pointer(value, what)
    if pointer.region.kind not in ("map value", "object"):
        raise Stop("helper", f"{what} points to {pointer.region.name}, which is no map value and no object")
    return pointer


def _dynptr(caller: Caller, value: Value, what: str) -> Pointer:
    return _writable(caller, value, DYNPTR_SIZE, what)


_READ = (Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.MEM, Arg.MEM_OR_NULL, Arg.FIXED)
_WRITTEN = (Arg.VALUE_OUT, Arg.OUT, Arg.INOUT, Arg.INOUT_OR_NULL, Arg.FIXED_OUT, Arg.FIXED_INOUT)
_OTHERS: Mapping[Arg, Callable[[Caller, Value, str], object]] = {
    Arg.MAP: map_of,
    Arg.CTX: _context,
    Arg.CTX_OR_NULL: _context_or_null,
    Arg.FUNC: _function,
    Arg.TEXT: _text,
    Arg.TIMER: _inside,
    Arg.LOCK: _inside,
    Arg.KPTR: _inside,
    Arg.RECORD_GIVEN: lambda caller, value, what: caller.pointer(value, what),
    **dict.fromkeys(_DYNPTRS, _dynptr),
}
