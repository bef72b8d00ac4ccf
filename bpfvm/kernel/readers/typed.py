"""What readers make of records: bytes, values of a type, what a function gives, or blocks of numpy."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator
from itertools import starmap
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.readers.event import Event, event_class
from bpfvm.kernel.readers.span import Batch, Scattered, Span
from bpfvm.kernel.readers.struct_event import Declared, Structs
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Enum, Enum64, Float, Int, Struct, Type, Typedef, Union
from bpfvm.obj.values.records import Codec, codec, codec_of
from bpfvm.obj.values.shapes import Shape

if TYPE_CHECKING:
    import numpy

_KINDS: tuple[type[Type], ...] = (Struct, Union, Typedef, Int, Enum, Enum64, Float)
_first = itemgetter(0)


class Decoder:
    """Of one map's events. `take` gives two iterators that go on together: records, and what users get of them."""

    def __init__(
        self, name: str, padded: bool, of: Codec | None, make: Callable[[bytes], Any] | None,
        declared: Structs | None = None,
    ) -> None:  # fmt: skip
        """name: the map's. padded: payloads are as long as perf makes them. make: of what no codec is given for.
        declared: what makes events of a declared struct, of all that have its size."""
        self._name, self._padded, self._codec, self._declared = name, padded, of, declared
        self._make = self._decode if of is not None else declared.make if declared is not None else make
        self._wanted = of.size if of is not None else declared.size if declared is not None else 0
        if padded:
            self._wanted = (self._wanted + 4 + 7) // 8 * 8 - 4
        self._classes: dict[int, type[Event | Declared] | None] = {}

    def take(self, batch: Batch) -> tuple[Iterator[Any], Iterator[Any]]:
        """Records, whose length hint says how many are not taken yet, and their values.

        A value that cannot be made raises when it is its turn, and is taken then.
        """
        if isinstance(batch, Scattered):
            payloads = iter(batch.payloads)
            return payloads, payloads if self._make is None else map(self._make, payloads)
        if (self._codec is not None or self._declared is not None) and batch.size == self._wanted:
            made = self._class(batch.stride)
            if made is not None:
                events = iter((made * batch.count).from_buffer(_owned(batch)))
                return events, events
        items = _payload(batch.head, batch.size, batch.stride).iter_unpack(batch.data[: batch.count * batch.stride])
        return items, map(_first, items) if self._make is None else starmap(self._make, items)

    def blocks(self, batch: Batch, copy: bool) -> tuple[Iterator[Any], Iterator[numpy.ndarray[Any, Any]]]:
        """As `take`, with arrays of the records in order; views of the shared memory unless copied.

        UsageError for records that are not of the type, all of one size at once.
        """
        if isinstance(batch, Scattered):
            payloads = iter(batch.payloads)
            return payloads, map(self._alone, payloads)
        return iter(()), iter((self._array(batch, copy),))

    def check_blocks(self) -> None:
        """Raise UsageError for a type that numpy has no like of."""
        typed = self._codec if self._codec is not None else self._declared
        if typed is not None:
            typed.dtype()
        elif self._make is not None:
            raise UsageError(f"map {self._name}: a function as type= makes one event at a time; blocks need a type "
                             f"of the object, or none")  # fmt: skip

    def _array(self, span: Span, copy: bool) -> numpy.ndarray[Any, Any]:
        import numpy

        dtype = self._form(span.size, span.count)
        if not dtype.itemsize:
            return numpy.empty(span.count, dtype)
        place: Any = {
            "names": ["event"], "formats": [f"V{dtype.itemsize}"], "offsets": [span.head], "itemsize": span.stride,
        }  # fmt: skip
        events = numpy.frombuffer(span.data, numpy.dtype(place), span.count)["event"]
        return (events.copy() if copy else events).view(dtype)

    def _alone(self, payload: bytes) -> numpy.ndarray[Any, Any]:
        import numpy

        dtype = self._form(len(payload), 1)
        return numpy.frombuffer(payload, dtype, 1) if dtype.itemsize else numpy.empty(1, dtype)

    def _form(self, size: int, count: int) -> numpy.dtype[Any]:
        """The type of `count` elements that have `size` bytes."""
        import numpy

        typed = self._codec if self._codec is not None else self._declared
        if typed is None:
            return numpy.dtype(f"V{size}")
        if size != self._wanted:
            raise self._misfit(size, count)
        return typed.dtype()

    def _decode(self, payload: bytes) -> Any:
        """One value by itself."""
        if len(payload) != self._wanted or self._codec is None:
            raise self._misfit(len(payload), 1)
        made = self._class((self._codec.size + 7) // 8 * 8)
        return self._codec.decode(payload) if made is None else made.from_buffer_copy(payload + bytes(8))

    def _class(self, stride: int) -> type[Event | Declared] | None:
        if stride not in self._classes:
            if self._declared is not None:
                self._classes[stride] = self._declared.of(stride)
            else:
                self._classes[stride] = event_class(self._codec, stride) if self._codec is not None else None
        return self._classes[stride]

    def _misfit(self, size: int, count: int) -> UsageError:
        of = self._codec.size if self._codec is not None else self._declared.size if self._declared is not None else 0
        told = f"an event of {octets(size)}" if count == 1 else f"{count} events of {octets(size)}"
        want = octets(of) if self._wanted == of else f"{octets(of)}, {self._wanted} with perf's padding"
        return UsageError(f"map {self._name}: {told}, and the type has {want}; for events of several kinds give "
                          f"type= a function of their bytes")  # fmt: skip


def decoder(name: str, padded: bool, kind: Any, btf: Btf | None) -> Decoder:
    """For a type: None (bytes), the name of one of `btf` ("struct event", "event"), a shape, a codec, a function.

    UsageError for what is none of them.
    """
    if kind is None:
        return Decoder(name, padded, None, None)
    if isinstance(kind, Structs):
        return Decoder(name, padded, None, None, kind)
    if isinstance(kind, Codec):
        return Decoder(name, padded, kind, None)
    if isinstance(kind, str):
        return Decoder(name, padded, _named(name, kind, btf), None)
    if all(hasattr(kind, one) for one in ("size", "cost", "show", "parse")) and not isinstance(kind, type):
        shape: Shape = kind
        return Decoder(name, padded, codec(shape), None)
    if callable(kind):
        return Decoder(name, padded, None, kind)
    raise UsageError(f"map {name}: type={kind!r} is no type of events; give the name of a type of the object, a shape "
                     f"or a function of bytes")  # fmt: skip


def _named(name: str, called: str, btf: Btf | None) -> Codec:
    if btf is None:
        raise UsageError(f"map {name}: type={called!r} names a type, and the object has no BTF; give a shape or a "
                         f"function of bytes")  # fmt: skip
    words = called.split()
    by_word: dict[str, tuple[type[Type], ...]] = {"struct": (Struct,), "union": (Union,), "enum": (Enum, Enum64)}
    kinds = by_word.get(words[0] if words else "", _KINDS)
    bare = " ".join(words[1:] if kinds is not _KINDS else words)
    for kind in kinds:
        number = btf.find(kind, bare)
        if number is not None:
            return codec_of(btf, number, btf.size_of(number), BYTE_ORDER)
    raise UsageError(f"map {name}: the object's BTF has no type {called!r}")


def _owned(span: Span) -> bytearray:
    """A copy of the span that begins with its first payload; as long, so that each payload has its stride."""
    size = span.count * span.stride
    copy = bytearray(span.data[span.head : span.head + size])
    if len(copy) < size:  # the span is at the end of its buffer
        copy += bytes(size - len(copy))
    return copy


@functools.lru_cache(256)
def _payload(head: int, size: int, stride: int) -> struct.Struct:
    return struct.Struct(f"{head}x{size}s{stride - head - size}x")
