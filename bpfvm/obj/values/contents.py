"""Contents of maps as Python values and JSON, by the BTF of the map's key and value types.

    decode_entries(spec, btf, entries, endian)     bytes of a machine's map -> {key: value}
    encode_entries(spec, btf, contents, endian)    the way back
    to_json(value)                                 what json.dumps takes; from_json(document) is its way back

A data section is its variables by name. Without BTF, keys and values are bytes, and hex text in JSON. A per-CPU value
is a list with one item a CPU. A number whose type has the name of one of Python's storage types of a fixed order
(lang/types/scalars.py) is what a program in Python reads there: 0x0a000001 for the be32 10.0.0.1. The kernel's __be32
is a number as any other, as in bpftool. Both are also given as addresses: networks.py.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Sequence
from typing import Any, TypeAlias, cast

from bpfvm.core.articles import an
from bpfvm.core.errors import LoadError, UsageError
from bpfvm.core.machine import Entries
from bpfvm.obj.btf.table import POINTER_SIZE, Btf
from bpfvm.obj.btf.types import (
    Array,
    DataSec,
    Enum,
    Enum64,
    Float,
    Int,
    Member,
    Ptr,
    Struct,
    Type,
    Typedef,
    Union,
    Var,
)  # fmt: skip
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.networks import Address, Network
from bpfvm.obj.values.shapes import BitField, Field, Number, Order, Raw, Real, Record, Row, Shape, Text, Truth
from bpfvm.tables.maps import BY_NAME

MAX_NESTING = 32  # the kernel's limit for types in one another (MAX_RESOLVE_DEPTH, kernel/bpf/btf.c)
_HEX = re.compile("([0-9a-fA-F]{2})*")
_MESSAGES = "user_ringbuf"  # its contents are messages, the oldest first: a list, numbered where they are shown
_MOST_ALIGNED = 64  # bytes: a cache line, to which variables are aligned
MAX_NUMBER = 16  # bytes of the widest integer
MOST_VALUES, VALUES_PER_BYTE = 1 << 16, 64  # what a shape may show; unions show one byte several times
_ORDERS: dict[str, Order] = {f"{order[0]}e{bits}": order for order in ("big", "little") for bits in (16, 32, 64)}
_ADDRESSES = ("be32", "__be32")  # names of types that hold addresses of IPv4
_PLAIN = (int, str, bytes, float, type(None))  # values that hold no others: nearly all


Contents: TypeAlias = "Mapping[Any, Any] | Sequence[Any]"  # of one map: by key, or pairs; messages


class FrozenRecord(Mapping[str, Any]):
    """A struct as a key of a map: equal to a dict of the same members and to an instance of @struct, whose hash it has
    (lang/types/keys.py). Members are attributes, too, as of the keys of maps that are attached."""

    __slots__ = ("_members",)

    def __init__(self, members: Mapping[str, Any]) -> None:
        self._members = dict(members)

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __getattr__(self, name: str) -> Any:
        if name == "_members":  # of one that is being unpickled
            raise AttributeError(name)
        if name not in self._members:
            raise AttributeError(f"there is no member {name}, but {' '.join(self._members)}", name=name, obj=self)
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, FrozenRecord):
            return self._members == other._members
        return self._members == frozen(other)._members if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._members.items()))

    def __repr__(self) -> str:
        return repr(self._members)


class TypedContents(dict[Any, Any]):
    """Typed contents of a map. Keys that are structs or arrays are FrozenRecord and tuple; an element is also found by
    its key in any form that `encode_entries` takes: a dict, a list, an instance of a struct, bytes, hex text, an
    address or a network. They compare with instances of structs, too."""

    __slots__ = ("_key", "_value")

    def __init__(self, key: Shape, value: Shape, entries: Iterable[tuple[Any, Any]] = ()) -> None:
        super().__init__(entries)
        self._key, self._value = key, value

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Mapping) and not isinstance(other, TypedContents):
            other = {self._known(key): self._shown(value) for key, value in other.items()}
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._known(key))

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._known(key))

    def get(self, key: Any, default: Any = None) -> Any:
        """As of any dict."""
        return super().get(self._known(key), default)

    def keys(self) -> Any:
        """As of any dict; `in` finds keys in any form."""
        return _Keys(self)

    def items(self) -> Any:
        """As of any dict; `in` finds keys in any form."""
        return _Items(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return TypedContents, (self._key, self._value, list(self.items()))

    def _known(self, key: Any) -> Any:
        """`key` in the form that stands here."""
        if isinstance(key, int | FrozenRecord):
            return key
        with contextlib.suppress(TypeError):  # what is no key of a dict
            if super().__contains__(key):
                return key
        try:
            return frozen(self._key.show(self._key.parse(key, "key")))
        except (LoadError, UsageError):
            return frozen(bytes(key) if isinstance(key, bytearray | memoryview) else key)

    def _shown(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._shown(one) for one in value]
        if not hasattr(type(value), "__bytes__") or len(data := bytes(value)) != self._value.size:
            return value
        return self._value.show(data)


class _Keys(KeysView[Any]):
    """Those of typed contents, which find one in any form."""

    def __init__(self, contents: TypedContents) -> None:
        super().__init__(contents)

    def __repr__(self) -> str:
        return f"dict_keys({list(self)})"


class _Items(ItemsView[Any, Any]):
    """Those of typed contents."""

    _mapping: TypedContents

    def __init__(self, contents: TypedContents) -> None:
        super().__init__(contents)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return iter(dict.items(self._mapping))

    def __repr__(self) -> str:
        return f"dict_items({list(self)})"


def decode_entries(spec: MapSpec, btf: Btf | None, entries: Entries, endian: str) -> TypedContents:
    """Typed contents, in the order given."""
    if spec.type == _MESSAGES:
        messages = ((at, bytes(data)) for at, (_, data) in enumerate(entries) if isinstance(data, bytes))
        return TypedContents(Number(4, False, cast("Order", endian)), Raw(0), messages)
    key = key_shape(spec, btf, endian)
    value = shape_of(btf, spec.value_type, spec.value_size, endian)
    if not spec.key_size:
        values = ((at, value.show(data)) for at, (_, data) in enumerate(entries) if isinstance(data, bytes))
        return TypedContents(Number(4, False, cast("Order", endian)), value, values)
    if holds_names(spec):
        named = ((name, bytes(data).decode()) for name, data in entries if isinstance(data, bytes))
        return TypedContents(key, value, ((frozen(key.show(name)), text) for name, text in named))
    section = section_shape(spec, btf, endian)
    if section is not None and _is_covered(section) and len(entries) == 1 and isinstance(entries[0][1], bytes):
        return TypedContents(Raw(0), Raw(0), section.show(entries[0][1]).items())
    return TypedContents(key, value, (
        (frozen(key.show(name)), [value.show(one) for one in data] if isinstance(data, list) else value.show(data))
        for name, data in entries
    ))  # fmt: skip


def encode_entries(spec: MapSpec, btf: Btf | None, contents: Contents, endian: str) -> Entries:
    """Bytes of typed contents: of a data section also values of its variables by name, of a trie also networks.
    LoadError that names map, entry and member for what does not fit, UsageError for what is no address or network."""
    if spec.type == _MESSAGES:
        messages = contents.values() if isinstance(contents, Mapping) else contents
        return [(b"", message_of(spec.name, one)) for one in messages]
    key = key_shape(spec, btf, endian)
    value = shape_of(btf, spec.value_type, spec.value_size, endian)
    if not spec.key_size:
        return [
            (b"", value.parse(one, f"map {spec.name}[{at}]")) for at, one in enumerate(_queued(spec.name, contents))
        ]
    section = section_shape(spec, btf, endian)
    if section is not None and isinstance(contents, Mapping) and any(map(_is_name, contents)):
        return [(bytes(spec.key_size), _of_variables(spec, section, contents))]
    row = BY_NAME.get(spec.type)
    entries: Entries = []
    for name, one in _pairs(spec, contents):
        where = f"map {spec.name}[{to_json(name)!r}]"
        if holds_names(spec):
            if not isinstance(one, str):
                raise LoadError(f"{where}: {an(spec.type)} holds names, and {one!r} is none")
            entries.append((key.parse(name, f"{where} key"), one.encode()))
            continue
        if row is not None and row.per_cpu:
            if not isinstance(one, list | tuple):
                raise LoadError(f"{where}: a per-CPU value is a list with one item a CPU")
            items = [value.parse(item, f"{where} cpu {cpu}") for cpu, item in enumerate(one)]
            entries.append((key.parse(name, f"{where} key"), items))
        else:
            entries.append((key.parse(name, f"{where} key"), value.parse(one, where)))
    return entries


def _is_name(key: Any) -> bool:
    """Whether it is a variable's, and not a key in hex."""
    return isinstance(key, str) and not key[:1].isdigit()


def _of_variables(spec: MapSpec, section: Record, contents: Mapping[Any, Any]) -> bytes:
    """A data section as it is loaded, with these values of variables."""
    data = bytearray(spec.initial or bytes(spec.value_size))
    fields = {one.name: one for one in section.members if isinstance(one, Field)}
    for name, value in contents.items():
        if name not in fields:
            raise LoadError(f"map {spec.name} has no variable {name!r}; it has {', '.join(fields)}")
        one = fields[name]
        data[one.offset : one.offset + one.shape.size] = one.shape.parse(value, f"map {spec.name}[{name!r}]")
    return bytes(data)


def message_of(name: str, one: Any) -> bytes:
    """The bytes of a message for a ring that programs drain. UsageError for what is none."""
    if isinstance(one, str) and _HEX.fullmatch(one):  # as JSON has bytes
        return bytes.fromhex(one)
    if not isinstance(one, bytes | bytearray | memoryview) and not hasattr(one, "__bytes__"):
        raise UsageError(f"map {name}: a message is bytes or a struct, not {type(one).__name__}")
    return bytes(one)


def _pairs(spec: MapSpec, contents: Any) -> Iterable[tuple[Any, Any]]:
    by_index = spec.type in ("array", "percpu_array")
    if isinstance(contents, Mapping):
        return contents.items()
    if isinstance(contents, list | tuple) and all(isinstance(one, tuple) and len(one) == 2 for one in contents):
        return contents
    if isinstance(contents, list | tuple) and by_index:
        return enumerate(contents)
    wanted = f"{{key: value}} or pairs of them{', or a list by index' if by_index else ''}"
    raise UsageError(f"map {spec.name}: its contents are {wanted}, not {type(contents).__name__}")


def _queued(name: str, contents: Any) -> Iterable[Any]:
    """The values of a map without keys."""
    if isinstance(contents, Mapping):
        return contents.values()
    if isinstance(contents, list | tuple):
        return [one[1] if isinstance(one, tuple) and len(one) == 2 and one[0] == b"" else one for one in contents]
    raise UsageError(f"map {name}: its contents are a list, in the order in which it is pushed, not {contents!r:.80}")


def holds_names(spec: MapSpec) -> bool:
    """Whether the map's elements are programs or maps, which stand in Entries by their names."""
    row = BY_NAME.get(spec.type)
    return row is not None and row.holds in ("prog", "map")


def frozen(value: Any) -> Any:
    """`value` as something that can be a key."""
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, Mapping):
        return FrozenRecord({name: frozen(one) for name, one in value.items()})
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def to_json(value: Any) -> Any:
    """A typed key or value as JSON has it: bytes become hex text."""
    if isinstance(value, _PLAIN):
        return value.hex() if isinstance(value, bytes) else value
    if isinstance(value, Mapping):
        return {name: to_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    return value


def from_json(document: Any, where: str = "map contents") -> dict[Any, Any]:
    """Contents for `encode_entries` of a document [{"key": …, "value": …}]. LoadError for any other."""
    if not isinstance(document, list):
        raise LoadError(f'{where}: not a list of {{"key": …, "value": …}}')
    contents = {}
    for number, one in enumerate(document):
        wrong = _not_an_entry(one)
        if wrong:
            raise LoadError(f'{where}: entry {number} {wrong}; an entry is {{"key": …, "value": …}}')
        key = frozen(one["key"])
        if key in contents:
            raise LoadError(f"{where}: entry {number} has the key of an earlier one, {one['key']!r}")
        contents[key] = one["value"]
    return contents


def key_shape(spec: MapSpec, btf: Btf | None, endian: str) -> Shape:
    """How the keys of a map look."""
    found = shape_of(btf, spec.key_type, spec.key_size, endian)
    return Network(found, cast("Order", endian)) if spec.type == "lpm_trie" else found


def _not_an_entry(one: Any) -> str:
    """What an entry of a document lacks, or has too much; "" for nothing."""
    if not isinstance(one, dict):
        text = repr(one)
        return f"is {text if len(text) <= 40 else text[:37] + '...'}"
    missing = [name for name in ("key", "value") if name not in one]
    other = [name for name in one if name not in ("key", "value")]
    parts = [f"has no {' and no '.join(missing)}"] if missing else []
    return " and ".join([*parts, *([f"has {other[0]!r}"] if other else [])])


def shape_of(btf: Btf | None, kind: int, size: int, endian: str) -> Shape:
    """How values of type `kind` (0: not known) look, which take `size` bytes."""
    if btf is None or not kind:
        return Raw(size)
    try:
        shape = _Shapes(btf, cast("Order", endian)).build(kind, 0)
    except LoadError:
        return Raw(size)  # a type without an end or a size: its bytes are all that is known
    return shape if shape.size == size else Raw(size)


def section_shape(spec: MapSpec, btf: Btf | None, endian: str) -> Record | None:
    """A data section as a struct of its variables; None of other maps, and without BTF."""
    if btf is None or not spec.value_type or not isinstance(btf[spec.value_type], DataSec):
        return None
    fields = []
    for place in cast("DataSec", btf[spec.value_type]).vars:
        one = btf[place.type]
        if isinstance(one, Var) and place.offset + place.size <= spec.value_size:
            fields.append(Field(one.name, place.offset, shape_of(btf, one.type, place.size, endian)))
    names = tuple(one.name for one in fields)
    if not fields or len(set(names)) != len(names):
        return None
    return Record(spec.value_size, fields, names, False, sum(one.cost for one in fields))


def _is_covered(section: Record) -> bool:
    """Whether variables are all that stands in a section, but for what their alignment leaves free."""
    end = 0
    for one in sorted((one for one in section.members if isinstance(one, Field)), key=lambda one: one.offset):
        if one.offset - end >= _MOST_ALIGNED:
            return False
        end = max(end, one.offset + one.shape.size)
    return section.size - end < _MOST_ALIGNED


class _Shapes:
    """Shapes of one BTF's types, each built once."""

    def __init__(self, btf: Btf, order: Order) -> None:
        self._btf, self._order = btf, order
        self._known: dict[tuple[int, str], Shape] = {}
        self._building: set[int] = set()

    def build(self, kind: int, depth: int) -> Shape:
        """LoadError for a type that has no size."""
        number, told = self._btf.strip(kind), self._told(kind)
        if (number, told) in self._known:
            return self._known[number, told]
        size = self._btf.size_of(number)
        if depth > MAX_NESTING or number in self._building:
            return Raw(size)
        self._building.add(number)
        shape = self._build(self._btf[number], size, depth + 1, told)
        self._building.discard(number)
        if shape.size != size or shape.cost > MOST_VALUES + VALUES_PER_BYTE * size:
            shape = Raw(size)
        self._known[number, told] = shape
        return shape

    def _told(self, kind: int) -> str:
        """The name of a number's type that tells the order of its bytes, or that it is an address; "" for none."""
        while isinstance(one := self._btf[kind], Typedef):
            if one.name in _ORDERS or one.name in _ADDRESSES:
                return one.name
            kind = one.type
        return ""

    def _build(self, one: Type, size: int, depth: int, told: str) -> Shape:
        match one:
            case Int(bits=bits) if size > MAX_NUMBER or bits != size * 8 or one.bit_offset:
                return Raw(size)
            case Int(is_bool=True):
                return Truth(size, self._order)
            case Int(is_signed=is_signed) | Enum(is_signed=is_signed) | Enum64(is_signed=is_signed):
                made = Address if told in _ADDRESSES and size == 4 else Number
                return made(size, is_signed, _ORDERS.get(told, self._order)) if 0 < size <= MAX_NUMBER else Raw(size)
            case Ptr():
                return Number(POINTER_SIZE, False, self._order)
            case Float() if size in (4, 8):
                return Real(size, self._order)
            case Array(element, _, count):
                return self._array(element, count, size, depth)
            case Struct(members=members) | Union(members=members):
                return self._record(members, size, isinstance(one, Union), depth)
            case _:
                return Raw(size)

    def _array(self, element: int, count: int, size: int, depth: int) -> Shape:
        inner = self._btf[self._btf.strip(element)]
        if isinstance(inner, Int) and inner.size == 1 and (inner.is_char or inner.name == "char"):
            return Text(size)
        shape = self.build(element, depth)
        return Row(shape, count, size, 1 + count * shape.cost)

    def _record(self, members: tuple[Member, ...], size: int, is_union: bool, depth: int) -> Shape:
        fields = [self._member(one, depth) for one in members]
        names = [name for one in fields for name in one.names]
        inside = all(_end(one) <= size * 8 for one in fields)
        if not inside or len(set(names)) != len(names):
            return Raw(size)
        return Record(size, fields, tuple(names), is_union, 1 + sum(one.cost for one in fields))

    def _member(self, one: Member, depth: int) -> Field | BitField:
        inner = self._btf[self._btf.strip(one.type)]
        if isinstance(inner, Int | Enum | Enum64):
            width, offset = one.bits or inner.size * 8, one.offset
            if isinstance(inner, Int) and not one.bits:
                width, offset = inner.bits, one.offset + inner.bit_offset
            if not width:
                raise LoadError(f"member {one.name} has no bits")
            if width != inner.size * 8 or offset % 8:
                is_bool = isinstance(inner, Int) and inner.is_bool
                return BitField(one.name, offset, width, inner.is_signed, is_bool, self._order)
        if one.offset % 8 or one.bits:
            raise LoadError(f"member {one.name} is no number and does not begin at a byte")
        shape = self.build(one.type, depth)
        return Field(one.name, one.offset // 8, shape)


def _end(one: Field | BitField) -> int:
    """The bit behind a member."""
    return (one.offset + one.shape.size) * 8 if isinstance(one, Field) else one.offset + one.width
