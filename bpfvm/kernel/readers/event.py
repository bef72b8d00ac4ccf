"""Light objects of events: a struct's members read from memory when they are asked for.

Making one costs the same whatever the struct's size: measured, 88 bytes with a time, two ids, a command and seven words
are 5.4 million events a second with two members read, 3.8 as tuples that decode text when asked, 2.6 as whole tuples
(CPython 3.11). They stand on a copy of up to span.MOST records, which is freed with the last of them; `_record()` is an
event's own named tuple.
"""

from __future__ import annotations

import ctypes
import operator
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from bpfvm.obj.values.records import Codec, Part, parts
from bpfvm.obj.values.shapes import BitField, Number, Real, Record, Shape, Text

_NUMBERS: dict[tuple[int, bool], Any] = {
    (1, False): ctypes.c_uint8, (2, False): ctypes.c_uint16, (4, False): ctypes.c_uint32, (8, False): ctypes.c_uint64,
    (1, True): ctypes.c_int8, (2, True): ctypes.c_int16, (4, True): ctypes.c_int32, (8, True): ctypes.c_int64,
}  # fmt: skip
_REALS: dict[int, Any] = {4: ctypes.c_float, 8: ctypes.c_double}


# what ctypes looks for in a class
_TAKEN = ("_fields_", "_pack_", "_anonymous_", "_align_", "_layout_", "_swappedbytes_", "_type_", "_length_")


class Event(ctypes.Structure):
    """An event of a struct. Its members are attributes, decoded as `bpfvm.obj.values.records` says.

    It compares, unpacks, prints and pickles as the named tuple of its members, and is not to be written to.
    """

    __slots__ = ()
    _codec: ClassVar[Codec]
    _fields: ClassVar[tuple[str, ...]] = ()

    def _record(self) -> Any:
        """The named tuple of all members, which keeps no other event's memory."""
        return self._codec.decode(self)

    def _asdict(self) -> dict[str, Any]:
        """The members by name."""
        members: dict[str, Any] = self._record()._asdict()
        return members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._record())

    def __len__(self) -> int:
        return len(self._fields)

    def __getitem__(self, at: Any) -> Any:
        return self._record()[at]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Event):
            return bool(self._record() == other._record())
        return bool(self._record() == other) if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._record())

    def __repr__(self) -> str:
        return repr(self._record())

    def __bytes__(self) -> bytes:
        return bytes(memoryview(self).cast("B")[: self._codec.size])

    def __reduce__(self) -> Any:
        return self._record().__reduce__()

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name}: events are not written to; _asdict() gives a dict")

    def __delattr__(self, name: str) -> None:
        self.__setattr__(name, None)


def event_class(of: Codec, stride: int) -> type[Event] | None:
    """The class for events of this codec that stand `stride` bytes apart; None where the codec's is no struct."""
    record = of.shape
    if not isinstance(record, Record):
        return None
    fields: list[tuple[str, Any]] = []
    members: dict[str, Any] = {}
    end = 0
    for part in sorted(parts(record), key=lambda one: (one.offset, one.end)):
        hidden = part.name.startswith("_") and (part.name in _TAKEN or hasattr(Event, part.name))
        kind = None if part.offset < end else _native(part.shape, part.offset)
        if kind is not None:
            fields.extend(_padding(end, part.offset))
            end = part.end
            is_text = isinstance(part.shape, Text)
            field = f"_bytes_{part.offset}" if hidden or is_text else part.name
            while field != part.name and field in record.names:
                field += "_"
            fields.append((field, kind))
            if isinstance(part.shape, Text) and not hidden:
                members[part.name] = property(_text(field, Codec(part.shape), part.offset))
        elif not hidden:
            members[part.name] = property(_decoded(of, part, record.names))
    name = type(of.decode(bytes(of.size))).__name__
    metaclass: Any = type(Event)
    made: type[Event] = metaclass(name, (Event,), {
        "__slots__": (), "__match_args__": record.names, "_codec": of, "_fields": record.names,
        "_fields_": [*fields, *_padding(end, stride)], **members,
    })  # fmt: skip
    return made


def _padding(start: int, end: int) -> list[tuple[str, Any]]:
    return [(f"from {start}", ctypes.c_ubyte * (end - start))] if end > start else []


def _native(shape: Shape | BitField, offset: int) -> Any:
    """The type of ctypes that reads it; None for what it would read in another way or put elsewhere."""
    match shape:
        case Number(size=1 | 2 | 4 | 8 as size, order=sys.byteorder) if offset % size == 0:
            return _NUMBERS[size, shape.is_signed]
        case Real(size=size, order=sys.byteorder) if offset % size == 0:
            return _REALS[size]
        case Text(size=size) if size:
            return ctypes.c_char * size
        case _:
            return None


# The attribute is in the text because looking it up by a name that is not known before takes half as long again.
_TEXT = """
def text(event):
    try:
        return event.{field}.decode()
    except UnicodeDecodeError:
        return decode(event, offset)
"""


def _text(field: str, of: Codec, offset: int) -> Callable[[Any], Any]:
    """What decodes text that `field` reads up to its first NUL."""
    names: dict[str, Any] = {"decode": of.decode, "offset": offset}
    exec(_TEXT.format(field=field), names)
    made: Callable[[Any], Any] = names["text"]
    return made


def _decoded(whole: Codec, part: Part, names: Sequence[str]) -> Callable[[Any], Any]:
    """What decodes a member that is no plain number or text."""
    if isinstance(part.shape, BitField):
        item = operator.itemgetter(names.index(part.name))
        return lambda event: item(whole.decode(event))
    decode, offset = Codec(part.shape, name=part.name).decode, part.offset
    return lambda event: decode(event, offset)
