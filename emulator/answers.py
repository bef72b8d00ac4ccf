"""Helpers and kernel functions that users give as Python functions.

The function gets the arguments of the prototype in a simple form:

    a number                  int, not negative; of a kernel function by the C type of its parameter
    memory that is read       bytes
    memory that is written    bytearray of what is there; changes to it are stored when the function returns
    null, where it may be     None
    a map                     Table: name, lookup(key) -> bytes or None, update(key, value), delete(key)
    the context               Given: packet, fields, data
    a function of the program a callable of up to five ints that runs it, giving its r0
    any other pointer         its address, an int

Its result is what r0 is: an int (negative for errors), None for 0, or bytes: a pointer to read-only memory that holds
them. Parameters of a kernel function that point to a type of known size are memory of that size; one whose next
parameter is named with "__sz" or "__szk" behind its own name is memory as long as that says.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.bits import M64, signed
from bpfvm.core.errors import BpfvmError, UsageError, alike
from bpfvm.emulator.arguments import Argument, Helper, arguments, length, pointer_of
from bpfvm.emulator.caller import Caller, Operand, Stop, Value
from bpfvm.emulator.memory import Pointer
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Const, Enum, FuncProto, Int, Ptr
from bpfvm.obj.model import ExternSpec, ObjectSpec
from bpfvm.tables.helpers import BY_NAME
from bpfvm.tables.helpers.row import Arg, Ret
from bpfvm.tables.helpers.row import Helper as Row

if TYPE_CHECKING:
    from bpfvm.emulator.contexts import Context
    from bpfvm.emulator.maps import MapStore

Answer: TypeAlias = "Callable[..., Any]"

_Decoder: TypeAlias = "Callable[[Caller, list[Value]], object]"


@dataclass(frozen=True, slots=True)
class Given:
    """The context as a user's function sees it. packet: bytes from data to its end, None without one.

    fields: the context's fields by name. data: the bytes of a context without fields, else empty.
    """

    packet: bytes | None
    fields: Mapping[str, int]
    data: bytes

    @classmethod
    def of(cls, context: Context) -> Given:
        packet = bytes(context.packet.data) if context.packet is not None else None
        return cls(packet, context.fields(), context.buffer() or b"")


@dataclass(frozen=True, slots=True)
class Table:
    """A map as a user's function sees it; keys and values are bytes."""

    name: str
    _store: MapStore

    def lookup(self, key: bytes) -> bytes | None:
        """The value, None where there is none."""
        if self._store.spec.type in ("sockmap", "sockhash"):
            raise Stop("helper", f"map {self.name}: its values are sockets, which a function in Python does not see")
        address = self._store.lookup(key)
        return bytes(self._store.element(address).region.data) if address else None

    def update(self, key: bytes, value: bytes, flags: int = 0) -> int:
        """0 or a negative errno."""
        return self._store.update(key, value, flags)

    def delete(self, key: bytes) -> int:
        """0 or a negative errno."""
        return self._store.delete(key)


def check_names(spec: ObjectSpec, answers: Mapping[str, Answer]) -> None:
    """UsageError for a name that is no helper and no kernel function that the object declares."""
    kernels = [one.name for one in spec.externs.values() if one.kind == "kfunc"]
    for name, function in answers.items():
        if name not in BY_NAME and name not in kernels:
            also = f"; the object's kernel functions are {', '.join(kernels)}" if kernels else ""
            near = alike(name, [*BY_NAME, *kernels])
            raise UsageError(f"there is no helper {name!r}{f', did you mean {near[0]!r}?' if near else ''}{also}")
        if not callable(function):
            raise UsageError(f"helper {name!r} is given by {function!r}, which is no function")


def answer(row: Row, function: Answer, program_type: str) -> Helper:
    """A user's function in place of a helper, for programs of one type."""
    parts = arguments(row, program_type)
    bound = _bound(row.called, function, [_decoder(one) for one in parts])
    if row.acquires and row.ret in (Ret.SOCKET_OR_NULL, Ret.SOCK_COMMON_OR_NULL):
        return _acquiring(bound, f"a socket of {row.called}, never released")
    return _releasing(bound) if Arg.SOCK_GIVEN in row.args else bound


def _acquiring(bound: Helper, what: str) -> Helper:
    def helper(caller: Caller, args: list[Value]) -> Operand:
        found = bound(caller, args)
        if found:
            caller.system.own(found if isinstance(found, int) else found.address, what)
        return found

    return helper


def _releasing(bound: Helper) -> Helper:
    def helper(caller: Caller, args: list[Value]) -> Operand:
        given = args[0]
        if given is not None:
            caller.system.disown(given if isinstance(given, int) else given.address)
        return bound(caller, args)

    return helper


def kernel_function(extern: ExternSpec, spec: ObjectSpec, function: Answer) -> Helper:
    """A user's function in place of a kernel function, which the object declares."""
    return _bound(f"kernel function {extern.name}", function, _by_prototype(extern, spec))


def _bound(name: str, function: Answer, decoders: Sequence[_Decoder]) -> Helper:
    def helper(caller: Caller, args: list[Value]) -> Operand:
        if caller.system.lock is not None:
            raise Stop("helper", f"{name} is called while {caller.system.lock} is held; only bpf_spin_unlock may be")
        given = [decode(caller, args) for decode in decoders]
        shown = [one.data if isinstance(one, _Written) else one for one in given]
        result = _called(name, function, shown)
        for one in given:
            if isinstance(one, _Written):
                one.store(caller, name)
        if isinstance(result, bytes | bytearray):
            return _memory(caller, name, bytes(result))
        if result is None:
            return 0
        if not isinstance(result, int):
            raise Stop(
                "helper", f"{_place(function)}: {name}: the result is {result!r}, and must be an int, bytes or None"
            )
        return int(result) & M64

    return helper


def _called(name: str, function: Answer, given: list[object]) -> object:
    """The user's result; an exception becomes a fault of one line."""
    try:
        return function(*given)
    except (Stop, BpfvmError):
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise Stop("helper", f"{_raised(function, error)}: {name}: {text}") from None


def _place(function: Answer) -> str:
    code = getattr(function, "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else repr(function)


def _raised(function: Answer, error: Exception) -> str:
    """Where in the user's file an exception came up: the deepest frame there, else the function."""
    code, at, line = getattr(function, "__code__", None), error.__traceback__, 0
    while at is not None and code is not None:
        if at.tb_frame.f_code.co_filename == code.co_filename:
            line = at.tb_lineno
        at = at.tb_next
    return f"{code.co_filename}:{line}" if code is not None and line else _place(function)


def _memory(caller: Caller, name: str, data: bytes) -> Pointer:
    """Read-only memory that holds `data`, the same for the same bytes."""
    objects = caller.system.objects
    region = objects.get(data)
    if region is None:
        region = caller.system.arena.allocate(f"object of {name}", len(data), "object", writable=False)
        region.data[:] = data
        objects[data] = region
    return Pointer(region, 0)


@dataclass(frozen=True, slots=True)
class _Written:
    """Memory that the function may change."""

    pointer: Pointer
    data: bytearray
    size: int

    def store(self, caller: Caller, name: str) -> None:
        if len(self.data) != self.size:
            raise Stop("helper", f"{name}: memory of {octets(self.size)} was made {octets(len(self.data))} long")
        caller.write(self.pointer, bytes(self.data), name)


def _decoder(one: Argument) -> _Decoder:
    """How a user's function sees an argument of a helper."""
    decode, size = one.decode, one.size
    if one.is_written:
        assert size is not None
        return lambda caller, args: _written(caller, decode(caller, args), size(caller, args))
    if one.kind is Arg.MAP:
        return lambda caller, args: _table(decode(caller, args))
    if one.kind in (Arg.CTX, Arg.CTX_OR_NULL):
        return lambda caller, args: _given(decode(caller, args))
    if one.kind is Arg.FUNC:
        return lambda caller, args: _callback(caller, decode(caller, args))
    return lambda caller, args: _plain(decode(caller, args))


def _written(caller: Caller, pointer: Any, size: int) -> _Written | None:
    if pointer is None:
        return None
    return _Written(pointer, bytearray(pointer.region.data[pointer.offset : pointer.offset + size]), size)


def _table(store: Any) -> Table:
    return Table(store.spec.name, store)


def _given(context: Any) -> Given | None:
    return None if context is None else Given.of(context)


def _callback(caller: Caller, slot: Any) -> Callable[..., int]:
    return lambda *values: caller.call(slot, [value & M64 for value in values])


def _plain(value: object) -> object:
    return value.address if isinstance(value, Pointer) else value


def _by_prototype(extern: ExternSpec, spec: ObjectSpec) -> list[_Decoder]:
    """Decoders of a kernel function's arguments, by the types of the object."""
    btf = spec.btf
    proto = btf[extern.type] if btf is not None and extern.type else None
    if btf is None or not isinstance(proto, FuncProto):
        raise UsageError(f"kernel function {extern.name}: the object has no prototype of it")
    names = [name for name, _ in proto.params]
    decoders = []
    for index, (name, kind) in enumerate(proto.params[:5]):
        behind = names[index + 1] if index + 1 < len(names) else ""
        sized = behind in (f"{name}__sz", f"{name}__szk")
        what = f"argument {index + 1} ({name or 'unnamed'}) of kernel function {extern.name}"
        decoders.append(_parameter(btf, kind, index, what, sized))
    return decoders


def _parameter(btf: Btf, number: int, index: int, what: str, sized: bool) -> _Decoder:
    kind = btf[btf.strip(number)] if number else None
    if isinstance(kind, Ptr):
        target = btf.strip(kind.type) if kind.type else 0
        size = btf.size_of(target) if target and not isinstance(btf[target], FuncProto) else 0
        constant = bool(kind.type) and isinstance(btf[kind.type], Const)
        if sized or size:
            return lambda caller, args: _pointed(caller, args, index, what, None if sized else size, constant)
        return lambda caller, args: _number(caller, args[index], what)
    bits, is_signed = 64, False
    if isinstance(kind, Int | Enum):
        bits, is_signed = 8 * kind.size, kind.is_signed
    if is_signed:
        return lambda caller, args: signed(_number(caller, args[index], what), bits)
    return lambda caller, args: _number(caller, args[index], what) & ((1 << bits) - 1)


def _number(caller: Caller, value: Value, what: str) -> int:
    if value is None:
        raise Stop("helper", f"{what} is in a register that was never written")
    return caller.number(None, value)


def _pointed(
    caller: Caller, args: list[Value], index: int, what: str, size: int | None, constant: bool
) -> object:  # fmt: skip
    """Memory behind a pointer of a kernel function. size: None where the next argument says it."""
    value = args[index]
    if size is None:
        size = length(caller, args[index + 1], 0, f"the size of {what}")
    if value == 0:
        return None
    pointer = pointer_of(caller, value, what)
    data = caller.read(pointer, size, what)
    return data if constant or not pointer.region.writable else _Written(pointer, bytearray(data), size)
