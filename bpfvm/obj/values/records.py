"""Compiled codecs: the bytes of a BTF type as Python values, made for many values at a time.

    codec(shape), codec_of(btf, type_id, size, endian)    the codec of a type
    codec.decode(data), codec.decode_many(data, count)    bytes -> value, bytes -> values
    codec.encode(value)                                   the way back

Values look as `bpfvm.obj.values.shapes` says, but for two things: a struct or union is a named tuple, whose members are
attributes (`value.packets`, `value._asdict()`), and a float is always a float. A codec asked to be hashable gives
tuples where there would be lists, for keys.

A type becomes one `struct.Struct`, over its whole size, and one generated function of its items; a number or a struct
of numbers needs no function. What overlaps (unions) or is no number of its own (bit-fields, arrays) is taken out of
the bytes that it stands in.
"""

from __future__ import annotations

import contextlib
import operator
import struct
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat, starmap
from typing import TYPE_CHECKING, Any, TypeAlias

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import mask, signed
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.values.contents import shape_of
from bpfvm.obj.values.shapes import BitField, Number, Order, Raw, Real, Record, Row, Shape, Text, Truth
from bpfvm.obj.values.tuples import RecordTuple, record_class

if TYPE_CHECKING:
    import numpy

Buffer: TypeAlias = "bytes | bytearray | memoryview | Any"  # or an mmap, a ctypes array: what memoryview() takes

_NUMBERS = {1: "B", 2: "H", 4: "I", 8: "Q"}  # unsigned; the signed ones are in lower case
_REALS = {4: "f", 8: "d"}
_TRUTHS = (False, True, *range(2, 256))  # a bool that is neither 0 nor 1 is the number that it is


class Codec:
    """Of one type. size: bytes of a value. shape: what it was made of."""

    __slots__ = ("_build", "_make", "_plan", "_strides", "hashable", "shape", "size")

    def __init__(self, shape: Shape, hashable: bool = False, name: str = "Record") -> None:
        """name: of the named tuple's class, where the type is a struct."""
        self.shape, self.size, self.hashable = shape, shape.size, hashable
        self._plan = _Plan(hashable, _mark(_order_of(shape)))
        expression = self._plan.add(shape, 0, name)
        self._strides: dict[int, struct.Struct] = {}
        self._build, self._make = self._plan.compiled(expression)
        self._plan.tail = self.size - sum(one.size for one in self._plan.leaves)

    def decode(self, data: Buffer, offset: int = 0) -> Any:
        """The value at byte `offset`. UsageError where the data ends before the value does."""
        try:
            return self._build(*self._struct(self.size).unpack_from(data, offset))
        except struct.error:
            raise self._short(data, self.size, offset) from None

    def decode_many(self, data: Buffer, count: int, stride: int | None = None, offset: int = 0) -> Iterator[Any]:
        """`count` values, each `stride` bytes (by default their size) behind the one before it, from `offset` on.

        The data is read while the iterator goes on: it must stay as it is until then. UsageError where it is too short
        for `count` strides.
        """
        step = self.size if stride is None else stride
        if count <= 0:
            return iter(())
        end = offset + step * count
        view = memoryview(data).cast("B")
        if offset < 0 or step < self.size or len(view) < end:
            raise self._short(view, step * count, offset)
        if not self.size:
            return repeat(self._build(*self._struct(0).unpack(b"")), count)
        code = self._plan.native
        if code is not None and step == self.size:
            return iter(view[offset:end].cast(code))
        alike = self._plan.alike
        if alike is not None and step == self.size and self._make is not None:
            each = iter(view[offset:end].cast(alike))
            return map(self._make, zip(*[each] * len(self._plan.leaves), strict=True))  # zip uses its tuple again
        items = self._struct(step).iter_unpack(view[offset:end])
        return map(self._make, items) if self._make is not None else starmap(self._build, items)

    def encode(self, value: Any, where: str = "") -> bytes:
        """The bytes of `value`; of a struct a named or other tuple, or a mapping, whose missing members are 0.

        Bytes of the right size, or hex text of them, stand for any type. UsageError that begins with `where` for what
        does not fit.
        """
        plan = self._plan
        with contextlib.suppress(struct.error, OverflowError):  # what does not fit is told of below
            if plan.code is not None and type(value) is int:
                return self._struct(self.size).pack(value)
            if plan.flat is not None and type(value) is plan.flat:
                return self._struct(self.size).pack(*value)
        place = where or "value"
        try:
            return self.shape.parse(plain(self.shape, value, place), place)
        except LoadError as error:
            raise UsageError(f"{error}; {'it' if where else 'the value'} is {described(self.shape)}") from None

    def encode_many(self, values: Sequence[Any], where: str = "") -> bytes:
        """The bytes of all values one behind the other; as `encode`."""
        plan = self._plan
        with contextlib.suppress(struct.error, OverflowError, TypeError):  # what is none of these is told of below
            if plan.code is not None:
                return struct.pack(f"{plan.order}{len(values)}{plan.code}", *values)
            if plan.flat is not None and {plan.flat, tuple}.issuperset(map(type, values)):
                return b"".join(starmap(self._struct(self.size).pack, values))
        return b"".join(self.encode(one, where) for one in values)

    def dtype(self) -> numpy.dtype[Any]:
        """The type of numpy that lies in memory as this one does. UsageError for what numpy has no type of."""
        import numpy

        form: numpy.dtype[Any] = numpy.dtype(_form(self.shape))
        return form

    def _struct(self, step: int) -> struct.Struct:
        """Of a value with `step - size` bytes behind it."""
        known = self._strides.get(step)
        if known is None:
            known = self._strides[step] = struct.Struct(self._plan.format(step))
        return known

    def _short(self, data: Buffer, wanted: int, offset: int) -> UsageError:
        return UsageError(f"data of {octets(memoryview(data).nbytes)}, and {wanted} from byte {offset} on were to be "
                          f"read as values of {octets(self.size)}")  # fmt: skip


def codec(shape: Shape, hashable: bool = False) -> Codec:
    """The codec of a shape; hashable: with tuples for lists, so that values can be keys."""
    return Codec(shape, hashable)


def codec_of(btf: Btf | None, type_id: int, size: int, endian: str, hashable: bool = False) -> Codec:
    """The codec of type `type_id` (0: not known, bytes then) of `size` bytes."""
    shape = shape_of(btf, type_id, size, endian)
    name = ""
    if btf is not None and type_id and isinstance(shape, Record):
        name = getattr(btf[btf.strip(type_id)], "name", "")
    return Codec(shape, hashable, name or "Record")


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One item of the struct.Struct: `code` reads `size` bytes from byte `offset` on into the variable `name`."""

    offset: int
    size: int
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Part:
    """A member of a struct with a name: those of unnamed members stand among them. end: of its last byte, plus 1."""

    name: str
    shape: Shape | BitField
    offset: int
    end: int


@dataclass(slots=True)
class _Plan:
    """What is read of one type, and the text of the function that makes the value of it.

    order: of the numbers that are items; one of the other order is made of its bytes. code: of a type that is one
    number. flat: the class of a struct of numbers. native: `code` in this machine's order. tail: bytes behind the last
    item.
    """

    hashable: bool
    order: str
    leaves: list[_Leaf] = field(default_factory=list)
    names: dict[str, Any] = field(
        default_factory=lambda: {"new": tuple.__new__, "truths": _TRUTHS, "signed": signed, "bool_of": _bool_of}
    )
    code: str | None = None
    flat: type[tuple[Any, ...]] | None = None
    tail: int = 0

    @property
    def native(self) -> Any:  # a literal of those that memoryview.cast takes
        return self.code if self.order == ("<" if sys.byteorder == "little" else ">") else None

    @property
    def alike(self) -> Any:
        """`code` of the numbers of a struct that are all alike, side by side to its end, in this machine's order."""
        codes = {one.code for one in self.leaves}
        side_by_side = all(one.offset == at * one.size for at, one in enumerate(self.leaves)) and not self.tail
        is_native = self.order == ("<" if sys.byteorder == "little" else ">")
        return codes.pop() if self.flat is not None and len(codes) == 1 and side_by_side and is_native else None

    def add(self, shape: Shape, offset: int, name: str) -> str:
        """Read the shape at `offset`: the expression of its value."""
        match shape:
            case Number(size=1 | 2 | 4 | 8 as size) if size == 1 or _mark(shape.order) == self.order:
                return self.leaf(offset, size, _NUMBERS[size].lower() if shape.is_signed else _NUMBERS[size])
            case Real(size=size) if _mark(shape.order) == self.order:
                return self.leaf(offset, size, _REALS[size])
            case Truth(size=1):
                return f"truths[{self.leaf(offset, 1, 'B')}]"
            case Raw(size=size):
                return self.leaf(offset, size, f"{size}s")
            case Record():
                return self._record(shape, offset, name)
            case _:
                return f"{self._constant(self._shower(shape))}({self.leaf(offset, shape.size, f'{shape.size}s')})"

    def compiled(self, expression: str) -> tuple[Callable[..., Any], Callable[[tuple[Any, ...]], Any] | None]:
        """The function of the items as arguments; that of their tuple where there is a faster one."""
        self.leaves.sort(key=lambda one: (one.offset, one.size))
        items = ", ".join(one.name for one in self.leaves)
        if len(self.leaves) == 1 and expression == items and not self.leaves[0].code.endswith("s"):
            self.code = self.leaves[0].code
        kinds = [one for one in self.names.values() if isinstance(one, type) and issubclass(one, RecordTuple)]
        make: Callable[[tuple[Any, ...]], Any] | None = None
        if len(kinds) == 1 and self.leaves and expression == f"new(kind0, ({items},))":
            make = kinds[0]
            if not any(one.code.endswith("s") for one in self.leaves):
                self.flat = kinds[0]
        if expression == items and len(self.leaves) == 1:
            make = operator.itemgetter(0)
        return eval(f"lambda {items}: {expression}", self.names), make  # the text is made of our own names alone

    def format(self, step: int) -> str:
        """Of struct.Struct: every leaf in its place, `step` bytes in all."""
        text, at = [self.order], 0
        for one in self.leaves:
            text.append(f"{one.offset - at}x{one.code}")
            at = one.offset + one.size
        return "".join(text) + f"{step - at}x"

    def leaf(self, offset: int, size: int, code: str) -> str:
        name = f"a{len(self.leaves)}"
        self.leaves.append(_Leaf(offset, size, code, name))
        return name

    def _constant(self, value: Any, prefix: str = "c") -> str:
        name = f"{prefix}{sum(one.startswith(prefix) for one in self.names)}"
        self.names[name] = value
        return name

    def _shower(self, shape: Shape) -> Callable[[bytes], Any]:
        """Of what is no single item: its bytes -> its value."""
        if isinstance(shape, Row):
            one, count = Codec(shape.element, self.hashable), shape.count
            several: Callable[[Any], Any] = tuple if self.hashable else list
            return lambda data: several(one.decode_many(data, count))
        if isinstance(shape, Text) and self.hashable:
            return lambda data: found if isinstance(found := shape.show(data), str) else tuple(found)
        return shape.show

    def _record(self, record: Record, offset: int, name: str) -> str:
        kind = self._constant(record_class(name, record.names), "kind")
        shown: dict[str, str] = {}
        for cluster in _clusters(list(parts(record))):
            self._cluster(cluster, offset, shown)
        values = "".join(f"{shown[one]}, " for one in record.names).rstrip(" ")
        return f"new({kind}, ({values.rstrip(',') + ',' if values else ''}))"

    def _cluster(self, cluster: list[Part], base: int, shown: dict[str, str]) -> None:
        """Parts that share bytes, or one that shares none: the expression of each by its name."""
        (only, *others) = cluster
        if not others and not isinstance(only.shape, BitField):
            shown[only.name] = self.add(only.shape, base + only.offset, only.name)
            return
        start, end = only.offset, max(one.end for one in cluster)
        bits = [one.shape for one in cluster if isinstance(one.shape, BitField)]
        number = len(bits) == len(cluster) and end - start in _NUMBERS and _mark(bits[0].order) == self.order
        item = self.leaf(base + start, end - start, _NUMBERS[end - start] if number else f"{end - start}s")
        for one in cluster:
            if isinstance(one.shape, BitField):
                whole = item if number else f"int.from_bytes({item}, {one.shape.order!r})"
                shown[one.name] = _bits(one.shape, whole, one, start, end)
            else:
                inner = Codec(one.shape, self.hashable, one.name)
                shown[one.name] = f"{self._constant(inner.decode)}({item}, {one.offset - start})"


def _order_of(shape: Shape) -> Order:
    """In which most of its numbers stand, outside of arrays."""

    def orders(one: Shape | BitField) -> Iterator[Order]:
        if isinstance(one, Number | Real | BitField):
            yield one.order
        elif isinstance(one, Record):
            for part in parts(one):
                yield from orders(part.shape)

    return max(Counter(orders(shape)).items(), key=lambda one: one[1], default=("little", 0))[0]


def _bool_of(number: int) -> bool | int:
    return bool(number) if number < 2 else number


def _bits(bits: BitField, whole: str, part: Part, start: int, end: int) -> str:
    """The value of a bit-field, of the number that stands in bytes `start` to `end` of the struct."""
    inside = (part.offset - start) * 8 + bits.offset % 8
    shift = inside if bits.order == "little" else (end - start) * 8 - inside - bits.width
    value = f"{whole} >> {shift} & {mask(bits.width)}"
    if bits.is_bool:
        return f"truths[{value}]" if bits.width <= 8 else f"bool_of({value})"
    return f"signed({value}, {bits.width})" if bits.is_signed else f"({value})"


def parts(record: Record, base: int = 0) -> Iterator[Part]:
    """Every member that has a name, in the order of `record.names`; offsets are from the beginning of the outermost."""
    for one in record.members:
        if isinstance(one, BitField):
            if one.name:
                first, end = one.offset // 8, (one.offset + one.width + 7) // 8
                yield Part(one.name, one, base + first, base + end)
        elif one.name:
            yield Part(one.name, one.shape, base + one.offset, base + one.offset + one.shape.size)
        elif isinstance(one.shape, Record):
            yield from parts(one.shape, base + one.offset)


def _clusters(members: list[Part]) -> Iterator[list[Part]]:
    """The members in order of place, together where they share bytes."""
    cluster: list[Part] = []
    end = 0
    for one in sorted(members, key=lambda part: (part.offset, part.end)):
        if cluster and one.offset >= end:
            yield cluster
            cluster = []
        cluster.append(one)
        end = max(end, one.end) if len(cluster) > 1 else one.end
    if cluster:
        yield cluster


def plain(shape: Shape, value: Any, where: str) -> Any:
    """`value` as `shape.parse` takes it: dicts for tuples, lists for arrays, numbers for what counts as one."""
    if isinstance(value, bytes | str) or value is None:
        return value
    match shape:
        case Record():
            return _plain_record(shape, value, where)
        case Row() | Text():
            if isinstance(value, bytearray | memoryview):
                return bytes(value)
            several = value.tolist() if hasattr(value, "tolist") else value
            if isinstance(shape, Row) and isinstance(several, list | tuple):
                return [plain(shape.element, one, f"{where}[{at}]") for at, one in enumerate(several)]
            return several
        case Number() | Truth() if hasattr(value, "__index__"):
            return value if isinstance(shape, Truth) and isinstance(value, bool) else operator.index(value)
        case Real() if hasattr(value, "__float__") and not isinstance(value, bool | int):
            return float(value)
    return bytes(value) if isinstance(value, bytearray | memoryview) else value


def _plain_record(record: Record, value: Any, where: str) -> Any:
    if isinstance(value, Mapping):
        given: Mapping[str, Any] = value
    elif isinstance(value, tuple | list):
        if len(value) != len(record.names):
            raise UsageError(f"{where}: {len(value)} values, and it is {described(record)}")
        given = dict(zip(record.names, value, strict=True))
    else:
        return bytes(value) if isinstance(value, bytearray | memoryview) or hasattr(value, "_fields_") else value
    shapes = {one.name: one.shape for one in parts(record)}
    out = dict(given)
    for name, shape in shapes.items():
        if name in out and isinstance(shape, BitField):
            out[name] = operator.index(out[name]) if hasattr(out[name], "__index__") else out[name]
        elif name in out and not isinstance(shape, BitField):
            out[name] = plain(shape, out[name], f"{where}.{name}")
    return out


def described(shape: Shape) -> str:
    """What a value of the shape is, in a few words."""
    match shape:
        case Number():
            return f"a{' signed' if shape.is_signed else 'n unsigned'} integer of {octets(shape.size)}"
        case Truth():
            return "a bool"
        case Real():
            return f"a float of {octets(shape.size)}"
        case Text():
            return f"text of at most {octets(shape.size)}"
        case Row():
            return f"a list of {shape.count} elements"
        case Record():
            return f"{an('union' if shape.is_union else 'struct')} of {', '.join(shape.names) or 'no members'}"
        case _:
            return f"bytes, {shape.size} of them"


def _form(shape: Shape | BitField) -> Any:
    """What numpy makes a dtype of."""
    match shape:
        case Number(size=1 | 2 | 4 | 8):
            return f"{_mark(shape.order)}{'i' if shape.is_signed else 'u'}{shape.size}"
        case Truth(size=1):
            return "?"
        case Real():
            return f"{_mark(shape.order)}f{shape.size}"
        case Text():
            return f"S{shape.size}"
        case Row():
            return (_form(shape.element), (shape.count,))
        case Record():
            members = list(parts(shape))
            return {
                "names": [one.name for one in members], "formats": [_form(one.shape) for one in members],
                "offsets": [one.offset for one in members], "itemsize": shape.size,
            }  # fmt: skip
        case BitField():
            raise UsageError(f"member {shape.name} is a bit-field, and numpy has none; use items()")
        case _:
            return f"V{shape.size}"


def _mark(order: str) -> str:
    return ">" if order == "big" else "<"
