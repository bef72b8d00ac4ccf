"""Calls of helpers and kernel functions by their names, with arguments by the kinds of the rows in tables.helpers."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bpfvm.compiler.frontend.control import sections
from bpfvm.compiler.frontend.memory import access, construct
from bpfvm.compiler.frontend.packets import window
from bpfvm.compiler.frontend.pointers import probe
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    BOOLEAN,
    INT,
    MODULAR,
    NOTHING,
    Bad,
    ContextValue,
    Dynptr,
    MapValue,
    Maybe,
    Nothing,
    Nullable,
    Number,
    Pointer,
    Reference,
    Value,
)
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.lang.contexts.sockets import sock_common
from bpfvm.lang.helpers.callables import (
    DYNPTRS,
    MEMORY,
    NULLS,
    Call,
    Comm,
    Reading,
    filled,
    parameters,
    value_given,
    value_type,
)
from bpfvm.lang.helpers.kernel_functions import struct_of
from bpfvm.lang.helpers.words import AnyRow, result_of, text
from bpfvm.lang.maps import Map
from bpfvm.lang.types.interval import BOOL, Interval
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.lang.types.layout import Element, Layout, size_of
from bpfvm.lang.types.scalars import Storage, bool8
from bpfvm.tables.helpers import Arg, allowed
from bpfvm.tables.helpers.callbacks import CALLBACKS
from bpfvm.tables.helpers.row import Helper
from bpfvm.tables.kfuncs import Kfunc

if TYPE_CHECKING:
    from bpfvm.compiler.frontend.calls import Arguments, Handler

# Beginnings of the names of helpers that leave maps as they are
_QUIET = ("map_lookup", "ktime_", "get_", "probe_read", "trace_", "ringbuf_", "perf_event_output", "skb_load_bytes")
_SIZES = (Arg.SIZE, Arg.SIZE_OR_ZERO, Arg.CONST_SIZE)
_SOCKETS = (Arg.SOCK, Arg.SOCK_OR_NULL, Arg.SOCK_COMMON, Arg.SOCKET_OR_NULL)
_RECORDS = "d = bpf.dynptr(v.data), or d = evs.reserve_dynptr(size): d.read(to), d.write(data), d.submit()"
_DYNPTRS = (Arg.DYNPTR, Arg.DYNPTR_GIVEN)


def handler(target: Call | Reading | Comm) -> Handler:
    """What a call of it does."""
    match target:
        case Reading():
            return lambda f, node, given: _reading(f, node, target, given)
        case Comm():
            return lambda f, node, given: _comm(f, node, target, given)
        case _:
            return lambda f, node, given: call(f, node, target.row, given)


def call(f: Translation, node: ast.Call, row: AnyRow, given: Arguments) -> Value:
    """The result of a helper or of a kernel function."""
    if row.name in CALLBACKS and isinstance(row, Helper):
        from bpfvm.compiler.frontend.helpers import callbacks  # which writes functions out

        return callbacks.call(f, node, row, given)
    if row.name in DYNPTRS:
        from bpfvm.compiler.frontend.helpers import dynptrs  # which gives numbers as this does

        return dynptrs.NAMED[row.name](f, node, given)
    name = f.quoted(node.func)
    kinds = row.args_in(f.hook.type)
    places = filled(row, kinds, len(given.values))
    if given.named or places is None:
        wanted = ", ".join(parameters(row))
        what = f"`{name}` takes {wanted or 'nothing'}, and got {len(given.values) + len(given.named)} arguments"
        return f.error("E013", what, node, help=f"{name}({wanted})")
    is_value = value_given(row)
    try:
        result = None if is_value else result_of(row)
    except LookupError as error:
        what = f"`{name}` gives an address, {an(str(error))}, which this version does not follow"
        is_socket = "sock" in str(error)
        help = "s = socks.get(key) of a SockMap or SockHash, s.release()" if is_socket else "m.get(key)"
        return f.error("E063", what, node, help=f"helpers that give numbers, and what maps give: {help}")
    if not _may_call(f, node, row):
        return BAD
    arguments = _Words(f, row, kinds, given)
    words = arguments.words(places)
    if words is None:
        return BAD
    if not sections.called(f, node, row.name, words):
        return BAD
    f.stored(maps=not row.name.startswith(_QUIET))
    if is_value and arguments.map is not None:
        register = f.builder.helper(row.name, *words, type=Ptr("map_value", nullable=True))
        return Nullable(Reference(value_type(arguments.map), "map_value", register))
    if isinstance(row, Kfunc):
        register = f.builder.kfunc(row.name, *words)
    else:
        register = f.builder.helper(row.name, *words)
        if row.moves_packet:
            window.moved(f)
    if result is None:
        return NOTHING
    return typed(f, register, *result, is_narrow=isinstance(row, Kfunc))


def typed(f: Translation, register: Register, kind: Storage, wraps: bool, *, is_narrow: bool) -> Number:
    """The number that r0 stands for. is_narrow: only the bits of the type are there, as of a function in C."""
    if kind is bool8:
        return Number(BOOLEAN, BOOL, f.typed(BOOL, f.op("zext8", register)))
    if is_narrow and kind.bits < 64:
        register = f.op(f"{'sext' if kind.is_signed else 'zext'}{kind.bits}", register)
    kinds = frozenset({MODULAR[kind]}) if wraps else INT
    lies = kind.range
    if not is_narrow and not wraps:  # helpers give whole registers
        lies = Interval(-(1 << 63), (1 << 63) - 1) if kind.is_signed else kind.range
    return Number(kinds, lies, f.typed(lies, register))


def _may_call(f: Translation, node: ast.Call, row: AnyRow) -> bool:
    return may_call(f, node.func, row, f"`{f.quoted(node.func)}`")


def may_call(f: Translation, node: ast.expr, row: AnyRow, name: str) -> bool:
    """E011 where programs of this type may not. name: what is not for them."""
    type, attach = f.hook.type, f.hook.attach_type
    if isinstance(row, Kfunc):
        is_allowed = row.may_call(type)
    else:
        is_allowed = allowed(row.name, type, attach) is not False
    if not is_allowed:
        f.error(
            "E011",
            f"{name} is not for programs of type {type}",
            node,
            why=f"the kernel refuses to load {an(type)} program that calls {row.called}",
            help="docs/helpers.md says who may call what",
        )
        return False
    if row.sleeps and not _sleeps(f):
        f.error("E011", f"{name} may sleep, and this program may not", node, help="sleepable=True")
        return False
    return True


def _sleeps(f: Translation) -> bool:
    from bpfvm.tables.sections import of_section

    return of_section(f.hook.section).sleepable


def _reading(f: Translation, node: ast.Call, target: Reading, given: Arguments) -> Value:
    """`ktime()`, `pid()`."""
    from bpfvm.tables.helpers import BY_NAME

    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help=f"{target.__name__}()")
    if not _may_call(f, node, BY_NAME[target.helper]):
        return BAD
    f.stored("")
    word = f.builder.helper(target.helper)
    if target.shift:
        word = f.op("lshr", word, f.number(target.shift))
    elif target.kind.bits < 64 and result_of(BY_NAME[target.helper]) != (target.kind, False):
        word = f.op(f"zext{target.kind.bits}", word)
    kinds = frozenset({MODULAR[target.kind]}) if target.kind.is_modular else INT
    return Number(kinds, target.kind.range, f.typed(target.kind.range, word))


def _comm(f: Translation, node: ast.Call, target: Comm, given: Arguments) -> Value:
    """`comm()`: a char[16] on the stack."""
    from bpfvm.tables.helpers import BY_NAME

    if given.values or given.named:
        return f.error("E013", f"`{f.quoted(node.func)}` takes no arguments", node, help="comm()")
    if not _may_call(f, node, BY_NAME["get_current_comm"]):
        return BAD
    made = construct.new(f, target.kind, node, "comm")
    access.put(f, made, bytes(size_of(target.kind)))
    f.stored(made.base)
    f.builder.helper("get_current_comm", f.pointer(made), f.number(size_of(target.kind)))
    return made


def no_dynptr(f: Translation, value: Value, node: ast.expr, name: str, row: AnyRow, kind: Arg) -> Bad:
    """E020."""
    what = f"`{f.quoted(node)}` is {value.described}; `{name}` of {row.called} is {kind.value}"
    return f.error("E020", what, node, help=_RECORDS)


def words_of(f: Translation, row: AnyRow, given: Arguments, places: Sequence[int]) -> list[Register] | None:
    """Some of the arguments of a call, as registers. None after an error."""
    words = _Words(f, row, row.args_in(f.hook.type), given)
    found = [words.word(place) for place in places]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


class _Words:
    """The arguments of one call as registers. size: of the memory before, for a size that is left out."""

    def __init__(self, f: Translation, row: AnyRow, kinds: Sequence[Arg], given: Arguments) -> None:
        self.f, self.row, self.kinds, self.given = f, row, kinds, given
        self.names = parameters(row)
        self.sizes = list(row.sizes)
        self.map: Map | None = None
        self.size: int | None = None

    def words(self, places: Sequence[int | None]) -> list[Register] | None:
        """One for each argument; None after an error."""
        found: list[Register] = []
        for at, place in enumerate(places):
            word = self._left_out() if place is None else self._word(self.kinds[at], place, self.names[at])
            if word is None:
                return None
            found.append(word)
        return found

    def word(self, place: int) -> Register | None:
        """One argument, in its own place."""
        return self._word(self.kinds[place], place, self.names[place])

    def _left_out(self) -> Register:
        return self.f.number(self.size or 0)

    def _word(self, kind: Arg, place: int, name: str) -> Register | None:
        f, value, node = self.f, self.given.values[place], self.given.nodes[place]
        if isinstance(value, Maybe | Nullable):
            f.may_be_none(node, value)
            return None
        if isinstance(value, Nothing) and (kind in NULLS or kind is Arg.ANY):
            self.size = 0
            return f.number(0)
        match kind:
            case Arg.ANY | Arg.SIZE | Arg.SIZE_OR_ZERO | Arg.CONST_SIZE if isinstance(value, Number):
                return self._number(kind, f.state.known(value), node, name)
            case Arg.ANY if isinstance(value, Reference):
                return f.pointer(value)
            case Arg.ANY | Arg.BTF | Arg.BTF_OR_NULL if isinstance(value, Pointer):
                return self._object(kind, value, node, name)
            case Arg.CTX | Arg.CTX_OR_NULL if isinstance(value, ContextValue) and not value.inside:
                return f.builder.ctx()
            case Arg.MAP if isinstance(value, MapValue):
                return self._map(value)
            case _ if kind in _SOCKETS and isinstance(value, Reference) and value.space == "socket":
                return self._socket(kind, value, node, name)
            case Arg.TEXT if (found := access.constant_bytes(value)) is not None and not isinstance(value, Reference):
                base, offset = f.constants(text(found), 1)
                return f.behind(base, f.number(offset)) if offset else base
            case _ if kind in MEMORY:
                return self._memory(kind, value, node, name)
        if kind in _DYNPTRS and isinstance(value, Dynptr):
            from bpfvm.compiler.frontend.helpers import dynptrs  # which gives numbers as this does

            return dynptrs.given(f, value, node, kind is Arg.DYNPTR_GIVEN)
        self._wrong(kind, value, node, name)
        return None

    def _wrong(self, kind: Arg, value: Value, node: ast.expr, name: str) -> None:
        """E020, or E063, for what the helper does not take."""
        f = self.f
        what = f"`{f.quoted(node)}` is {value.described}; `{name}` of {self.row.called} is {kind.value}"
        if kind in _DYNPTRS:
            no_dynptr(f, value, node, name, self.row, kind)
        elif kind in (Arg.ANY, *_SIZES, Arg.CTX, Arg.CTX_OR_NULL, Arg.MAP, Arg.BTF, Arg.BTF_OR_NULL):
            f.error("E020", what, node, help=f"name {kind.value}")
        else:
            f.error("E063", f"{what}, which this version cannot give", node, help="another helper")

    def _number(self, kind: Arg, number: Number, node: ast.expr, name: str) -> Register | None:
        f = self.f
        if kind is not Arg.ANY and self.size is not None and not number.range.within(Interval(0, self.size)):
            f.error(
                "E021",
                f"`{f.quoted(node)}` {f.lies(number.range)}, and the memory before it has {octets(self.size)}",
                node,
                why=f"{self.row.called} uses so many bytes of it",
                help="leave it out: it is then the memory's size",
            )
            return None
        return f.register(number)

    def _socket(self, kind: Arg, value: Reference, node: ast.expr, name: str) -> Register | None:
        """A socket; where only a full one does, that."""
        if kind is Arg.SOCKET_OR_NULL and value.type is sock_common:
            what = f"`{self.f.quoted(node)}` may be a socket of any kind; `{name}` of {self.row.called} is {kind.value}"
            self.f.error("E020", what, node, help="name a full socket, such as one of a map of sockets")
            return None
        return self.f.pointer(value)

    def _object(self, kind: Arg, value: Pointer, node: ast.expr, name: str) -> Register | None:
        """The address of an object of the kernel's: any for a number, one that the verifier knows for the rest."""
        f, target = self.f, value.kind.__target__
        wanted = struct_of(self.row, self.names.index(name)) if isinstance(self.row, Kfunc) else ""
        inside = bool(value.path) and (isinstance(self.row, Kfunc) or not isinstance(target, KernelStruct))
        if kind is not Arg.ANY and (not value.trusted or inside or value.beyond):
            what = f"`{f.quoted(node)}` is an address of which the kernel's verifier does not know what is there"
            f.error("E020", what, node, why=f"`{name}` of {self.row.called} is {kind.value}",
                    help="take it from current(), or from an argument of a tracepoint by BTF")  # fmt: skip
            return None
        if kind is not Arg.ANY and wanted and getattr(target, "__name__", "") != wanted:
            what = f"`{f.quoted(node)}` is {value.described}; `{name}` of {self.row.called} is {an(wanted)}"
            f.error("E020", what, node, help=f"name {an(wanted)}")
            return None
        return probe.address(f, value)

    def _map(self, value: MapValue) -> Register:
        self.map = value.declared
        self.f.target.maps.setdefault(value.name, value.declared.spec(value.name))
        return self.f.builder.op("map", type=Ptr("map"), named=value.name)

    def _memory(self, kind: Arg, value: Value, node: ast.expr, name: str) -> Register | None:
        f = self.f
        wanted = self._wanted(kind)
        if isinstance(value, Number) and isinstance(wanted, Storage):
            value = self._stored(wanted, value, node)
        found = access.constant_bytes(value)
        if found is not None and not isinstance(value, Reference):
            self.size = len(found)
            base, offset = f.constants(found, 1)
            return f.behind(base, f.number(offset)) if offset else base
        if not isinstance(value, Reference):
            what = f"`{f.quoted(node)}` is {value.described}; `{name}` of {self.row.called} is {kind.value}"
            f.error("E020", what, node, help="a struct or an array: buffer = u8[16]()")
            return None
        self.size = size_of(value.type)
        least = size_of(wanted) if isinstance(wanted, Layout | Storage) else wanted
        if least is not None and self.size < least:
            what = f"`{f.quoted(node)}` has {octets(self.size)}, and {self.row.called} uses {least}"
            f.error("E021", what, node, help=f"u8[{least}]()")
            return None
        return f.pointer(value)

    def _wanted(self, kind: Arg) -> Element | int | None:
        """What the memory must hold at least, where the row or the map says so."""
        if kind is Arg.KEY and self.map is not None:
            return self.map.key
        if kind in (Arg.VALUE, Arg.VALUE_OR_NULL, Arg.VALUE_OUT) and self.map is not None:
            return self.map.value
        if kind in (Arg.FIXED, Arg.FIXED_OUT, Arg.FIXED_INOUT) and self.sizes:
            return self.sizes.pop(0)
        return None

    def _stored(self, kind: Storage, number: Number, node: ast.expr) -> Reference:
        """A number in memory of its own: a key or a value of a map."""
        from bpfvm.lang.types.arrays import array_of

        f = self.f
        made = construct.new(f, array_of(kind, 1), node)
        access.store(f, made, kind, f.state.known(number), node)
        return made
