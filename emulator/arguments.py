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
    TIMER, LOCK, KPTR                 a Pointer to such a field of a map value
    DYNPTR…                           a Pointer to the 16 bytes of stack that are one
    ITER…                             a Pointer to the first of the 8 bytes or more of stack that are one
    RECORD_GIVEN                      a Pointer
    STACK_OR_NULL                     a Pointer into the stack, or 0
    the rest                          the register's value, a number or a Pointer

Of a helper that ends in "..." the function gets, last, the values of all registers behind, None for one never written.
Sizes of memory are those of the SIZE that follows, of the map, or of the row. What the kernel's verifier refuses is a
fault here that names helper and argument: a pointer that points elsewhere, too little memory, a register that was
never written, any call while a lock is held, a helper that programs of the type do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64
from bpfvm.emulator.access import place, resolve
from bpfvm.emulator.caller import Caller, Operand, Stop, Value
from bpfvm.emulator.memory import MapRegion, Pointer, Region
from bpfvm.tables.helpers.row import Arg
from bpfvm.tables.helpers.row import Helper as HelperRow

if TYPE_CHECKING:
    from bpfvm.emulator.contexts import Context
    from bpfvm.emulator.maps import MapStore
    from bpfvm.tables.kfuncs import Kfunc

Helper: TypeAlias = "Callable[[Caller, list[Value]], Operand]"  # what a tier calls, with r1 to r5
Row: TypeAlias = "HelperRow | Kfunc"
Function: TypeAlias = "Callable[..., Operand | None]"  # what implements a row; None is 0

DYNPTR_SIZE = 16  # struct bpf_dynptr of include/uapi/linux/bpf.h
UNWRITTEN = "is in a register that was never written"
MAX_SIZE = (1 << 29) - 1  # bytes of one argument; the verifier wants less than BPF_MAX_VAR_SIZ

_READ = (Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.MEM, Arg.MEM_OR_NULL, Arg.FIXED)
_WRITTEN = (Arg.VALUE_OUT, Arg.OUT, Arg.INOUT, Arg.INOUT_OR_NULL, Arg.FIXED_OUT, Arg.FIXED_INOUT)
_NULLABLE = (Arg.VALUE_OR_NULL, Arg.MEM_OR_NULL, Arg.INOUT_OR_NULL)
_SIZES = (Arg.SIZE, Arg.SIZE_OR_ZERO)
_FIXED = (Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT)
_FIELDS = {Arg.TIMER: "timer", Arg.LOCK: "lock", Arg.KPTR: "reference"}  # argument -> kind of a map value's field
_NO_MEMORY = ("context", "code", "map")  # kinds of regions that no helper takes for memory

_Decoder: TypeAlias = "Callable[[Caller, list[Value]], object]"
_Size: TypeAlias = "Callable[[Caller, list[Value]], int]"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a helper in programs of one type. what: how faults name it.

    decode: what the helper gets of r1 to r5. size: bytes that the argument points to, None where it is no memory.
    """

    kind: Arg
    what: str
    decode: _Decoder
    size: _Size | None

    @property
    def is_written(self) -> bool:
        """Whether it is memory that the helper may write."""
        return self.kind in _WRITTEN


def bind(row: Row, function: Function, program_type: str) -> Helper:
    """`function` as a tier calls it in programs of one type."""
    decoders = [one.decode for one in arguments(row, program_type)]
    count, varies = len(decoders), row.prototype.endswith("...)")
    name, unlocks = row.called, row.name == "spin_unlock"

    def helper(caller: Caller, args: list[Value]) -> Operand:
        if caller.system.lock is not None and not unlocks:
            raise Stop("helper", f"{name} is called while {caller.system.lock} is held; only bpf_spin_unlock may be")
        given = [decode(caller, args) for decode in decoders]
        if varies:
            given.append(args[count:])
        result = function(caller, *given)
        if result.__class__ is Pointer:
            return result
        return result & M64 if isinstance(result, int) else 0

    return helper


def fault(message: str) -> Helper:
    """What a call is that must not be reached."""

    def helper(caller: Caller, args: list[Value]) -> Operand:
        raise Stop("helper", message)

    return helper


def arguments(row: Row, program_type: str) -> list[Argument]:
    """The arguments of a row, in order."""
    kinds = row.args_in(program_type)
    return [_argument(row, kinds, index) for index in range(len(kinds))]


def _argument(row: Row, kinds: tuple[Arg, ...], index: int) -> Argument:
    kind, what = kinds[index], f"argument {index + 1} of {row.called}"
    if kind is Arg.KEY:
        owner = kinds.index(Arg.MAP)
        return Argument(kind, what, _key(row, owner, index, what), _size(row, kinds, index))
    if kind in _READ or kind in _WRITTEN:
        size = _size(row, kinds, index)
        return Argument(kind, what, (_reader if kind in _READ else _writer)(row, kind, index, size, what), size)
    if kind in _SIZES:
        least = int(kind is Arg.SIZE)
        return Argument(kind, what, lambda caller, args: length(caller, args[index], least, what), None)
    decode = _OTHERS.get(kind, _operand)
    return Argument(kind, what, lambda caller, args: decode(caller, args[index], what), None)


def _size(row: Row, kinds: tuple[Arg, ...], index: int) -> _Size:
    """How many bytes an argument points to."""
    kind = kinds[index]
    if kind in (Arg.KEY, Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT):
        owner = kinds.index(Arg.MAP)
        what = f"argument {owner + 1} of {row.called}"
        if kind is Arg.KEY:
            return lambda caller, args: map_of(caller, args[owner], what).spec.key_size
        return lambda caller, args: map_of(caller, args[owner], what).spec.value_size
    if kind in _FIXED:
        fixed = row.sizes[sum(one in _FIXED for one in kinds[:index])]
        return lambda caller, args: fixed
    behind = f"argument {index + 2} of {row.called}"
    least = int(kinds[index + 1] is not Arg.SIZE_OR_ZERO)
    return lambda caller, args: length(caller, args[index + 1], least, behind)


def _key(row: Row, owner: int, index: int, what: str) -> _Decoder:
    """The commonest memory argument, in as few calls as can be."""
    the_map, packets = f"argument {owner + 1} of {row.called}", row.packet

    def decode(caller: Caller, args: list[Value]) -> bytes:
        size = map_of(caller, args[owner], the_map).spec.key_size
        return _read(caller, args[index], size, what, packets)

    return decode


def _reader(row: Row, kind: Arg, index: int, size: _Size, what: str) -> _Decoder:
    packets = row.packet
    if kind not in _NULLABLE:
        return lambda caller, args: _read(caller, args[index], size(caller, args), what, packets)

    def decode(caller: Caller, args: list[Value]) -> bytes | None:
        if args[index] == 0:
            size(caller, args)  # is checked all the same
            return None
        return _read(caller, args[index], size(caller, args), what, packets)

    return decode


def _read(caller: Caller, value: Value, size: int, what: str, packets: bool) -> bytes:
    pointer = pointer_of(caller, value, what)
    memory(pointer.region, what, packets)
    try:
        return caller.read(pointer, size, what)
    except Stop as stop:
        raise _named(stop, what) from None


def memory(region: Region, what: str, packets: bool) -> None:
    """Stop for an object that helpers do not take for memory. packets: whether it may be the packet."""
    if region.kind in _NO_MEMORY or (region.kind == "packet" and not packets):
        raise Stop("helper", f"{what} points to {region.name}, which this helper does not take for memory")


def _writer(row: Row, kind: Arg, index: int, size: _Size, what: str) -> _Decoder:
    packets, aligned = row.packet, kind in (Arg.FIXED_OUT, Arg.FIXED_INOUT)

    def decode(caller: Caller, args: list[Value]) -> Pointer | None:
        length = size(caller, args)
        if kind is Arg.INOUT_OR_NULL and args[index] == 0:
            return None
        pointer = _writable(caller, args[index], length, what)
        memory(pointer.region, what, packets)
        if aligned and pointer.address % length:
            place = f"{pointer.region.name}+{pointer.offset}"
            raise Stop("helper", f"{what} is at {place}, and must be aligned to {octets(length)}")
        return pointer

    return decode


def map_of(caller: Caller, value: Value, what: str) -> MapStore:
    """The map whose address a value is. Stop for anything else."""
    if value.__class__ is int:  # a tier without provenance
        found = caller.system.handles.get(value)
        if found is not None:
            return found
    elif isinstance(value, Pointer) and value.region.__class__ is MapRegion and value.offset == 0:
        store: MapStore = value.region.store
        return store
    raise _wrong(caller, value, what, Arg.MAP.value)


def _wrong(caller: Caller, value: Value, what: str, wanted: str) -> Stop:
    """The fault of an argument that is something else."""
    return Stop("helper", f"{what} is not {wanted}: it {_met(caller, value)}")


def _met(caller: Caller, value: Value) -> str:
    """What a value is, in words."""
    if value is None:
        return UNWRITTEN
    if value == 0:
        return "is null"
    try:
        pointer = caller.pointer(value, "")
    except Stop:
        return f"is the number {value:#x}"
    return f"points to {pointer.region.name}{pointer.offset:+}"


def _named(stop: Stop, what: str) -> Stop:
    """A fault that tells which argument it is about."""
    return stop if stop.message.startswith(what) else Stop(stop.kind, f"{what}: {stop.message}")


def pointer_of(caller: Caller, value: Value, what: str) -> Pointer:
    """Where an argument points. Stop names it where that is nowhere."""
    try:
        return caller.pointer(_operand(caller, value, what), what)
    except Stop as stop:
        raise _named(stop, what) from None


def _writable(caller: Caller, value: Value, size: int, what: str) -> Pointer:
    pointer = pointer_of(caller, value, what)
    try:
        place(pointer, 0, size, write=True)
    except Stop as stop:
        raise _named(stop, what) from None
    return pointer


def length(caller: Caller, value: Value, least: int, what: str) -> int:
    """A size in bytes. Stop for one that the verifier takes for unbounded, and for one under `least`."""
    size = _number(caller, value, what)
    if least <= size <= MAX_SIZE:
        return size
    raise Stop("helper", f"{what} is {size if size < 1 << 63 else size - (1 << 64)}, and must be {least} to {MAX_SIZE}")


def _number(caller: Caller, value: Value, what: str) -> int:
    if value.__class__ is int:
        return value
    return caller.number(None, _operand(caller, value, what))


def _operand(caller: Caller, value: Value, what: str) -> Operand:
    if value is None:
        raise Stop("helper", f"{what} {UNWRITTEN}")
    return value


def _context(caller: Caller, value: Value, what: str) -> Context:
    pointer = pointer_of(caller, value, what) if value != 0 else None
    context = caller.context
    if context is None or pointer is None or pointer.region is not context.region or pointer.offset:
        raise _wrong(caller, value, what, Arg.CTX.value)
    return context


def _context_or_null(caller: Caller, value: Value, what: str) -> Context | None:
    return None if value == 0 else _context(caller, value, what)


def _function(caller: Caller, value: Value, what: str) -> int:
    pointer = pointer_of(caller, value, what)
    slot = caller.code.function(pointer) if caller.code is not None else None
    if slot is None:
        raise _wrong(caller, value, what, Arg.FUNC.value)
    return slot


def _text(caller: Caller, value: Value, what: str) -> bytes:
    pointer = pointer_of(caller, value, what)
    region = pointer.region
    text, end, _ = bytes(region.data[max(pointer.offset, 0) :]).partition(b"\0")
    if region.kind != "map value" or region.writable or not 0 <= pointer.offset < region.size or not end:
        raise _wrong(caller, value, what, Arg.TEXT.value)
    return text


def _stack_or_null(caller: Caller, value: Value, what: str) -> Operand:
    if value == 0:
        return 0
    pointer = pointer_of(caller, value, what)
    try:
        near = resolve(caller.system.arena, pointer.address & M64)  # all that tiers know that keep numbers
    except Stop as stop:
        raise _named(stop, what) from None
    if pointer.region.kind != "stack" or near.region is not pointer.region:
        raise _wrong(caller, value, what, Arg.STACK_OR_NULL.value)
    return pointer


def _field(kind: Arg) -> Callable[[Caller, Value, str], Pointer]:
    """Decodes a field of a map value that is the kernel's."""
    name = _FIELDS[kind]

    def decode(caller: Caller, value: Value, what: str) -> Pointer:
        pointer = pointer_of(caller, value, what)
        store = pointer.region.owner
        fields = store.fields if store is not None and pointer.region.kind == "map value" else ()
        if not any(one.kind == name and one.offset == pointer.offset for one in fields):
            raise _wrong(caller, value, what, kind.value)
        return pointer

    return decode


def _dynptr(caller: Caller, value: Value, what: str) -> Pointer:
    pointer = _writable(caller, value, DYNPTR_SIZE, what)
    if pointer.region.kind not in ("stack", "dynptr") or pointer.address % 8:
        raise _wrong(caller, value, what, f"{Arg.DYNPTR.value} on the stack, aligned to 8 bytes")
    return pointer


def _iterator(caller: Caller, value: Value, what: str) -> Pointer:
    pointer = _writable(caller, value, 8, what)
    if pointer.region.kind != "stack" or pointer.address % 8:
        raise _wrong(caller, value, what, f"{Arg.ITER.value} on the stack, aligned to 8 bytes")
    return pointer


_OTHERS: Mapping[Arg, Callable[[Caller, Value, str], object]] = {
    Arg.ANY: _number,
    Arg.CONST_SIZE: _number,
    Arg.MAP: map_of,
    Arg.CTX: _context,
    Arg.CTX_OR_NULL: _context_or_null,
    Arg.FUNC: _function,
    Arg.TEXT: _text,
    Arg.STACK_OR_NULL: _stack_or_null,
    Arg.RECORD_GIVEN: pointer_of,
    **{kind: _field(kind) for kind in _FIELDS},
    **dict.fromkeys((Arg.ITER, Arg.ITER_OUT, Arg.ITER_GIVEN), _iterator),
    **dict.fromkeys((Arg.DYNPTR, Arg.DYNPTR_OUT, Arg.DYNPTR_RECORD_OUT, Arg.DYNPTR_GIVEN), _dynptr),
}
