"""`pkt`, the packet that the running program sees, and views of it: a header of headers.py, or bytes, at a place.

`pkt.ip.proto` is a chain: layers, then a field. A layer does not test that the packet holds that protocol. What lies
past the packet's end raises PacketError, a fault of the program: a field where it is read, a slice where it is made.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bpfvm.core.amounts import octets
from bpfvm.lang.active import layer, machine
from bpfvm.lang.faults import PacketError
from bpfvm.lang.packets.calls import CALLS, result
from bpfvm.lang.packets.headers import DATA, FARTHEST, HEADERS, META, NAMED, PACKET, ROOTS, Header, Layer
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.layout import Layout, size_of, view
from bpfvm.lang.types.memory import contents, load, store
from bpfvm.lang.types.scalars import u8
from bpfvm.lang.types.structs import Member


class _Bytes:
    """The packet as memory: what is sliced is read from the machine."""

    __slots__ = ()

    def __getitem__(self, part: slice) -> bytes:
        return machine("the packet").packet_read(part.start, part.stop - part.start)

    def __setitem__(self, part: slice, data: bytes) -> None:
        machine("the packet").packet_write(part.start, bytes(data))


class _Before:
    """The metadata before the packet, in the same way."""

    __slots__ = ()

    def __getitem__(self, part: slice) -> bytes:
        return machine("pkt.meta").meta_read(part.start, part.stop - part.start)

    def __setitem__(self, part: slice, data: bytes) -> None:
        machine("pkt.meta").meta_write(part.start, bytes(data))


_BYTES, _BEFORE = _Bytes(), _Before()


class View:
    """A header, or bytes, at a place in the packet. Attributes are its fields, and the layers behind it.

    `v[i]` is a byte, `v[a:b]` bytes of constant length, `v[a:]` what begins there; `len(v)` counts to the packet's end.
    """

    __slots__ = ("_base", "_header")
    _header: Header
    _base: int
    _bytes: ClassVar[Any] = _BYTES

    def __init__(self, header: Header, base: int) -> None:
        object.__setattr__(self, "_header", header)
        object.__setattr__(self, "_base", base)

    def __getattr__(self, name: str) -> Any:
        header = self._header
        layer = header.layers.get(name)
        if layer is not None:
            return _placed(HEADERS[layer.header], self._base + self._distance(layer))
        member = header.field(name)
        if member is not None:
            return self._field(member)
        test = header.test(name)
        if test is not None:
            return getattr(self, test.when) in test.values
        raise AttributeError(f"{header.name} has no layer or field {name!r}; it offers {header.names}")

    def __setattr__(self, name: str, value: Any) -> None:
        member = self._header.field(name)
        if member is None:
            raise AttributeError(f"{self._header.name} has no field {name!r} to store to; it has {self._header.names}")
        at = self._base + member.offset
        if member.bits:
            if not isinstance(value, int):
                raise TypeError(f"field {name} takes an integer, not {type(value).__name__}")
            value = member.put(int(load(member.type, self._bytes, at, False)), value)
        store(member.type, self._bytes, at, value)

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, slice):
            return self._read(_counted(index), 1)[0]
        first = 0 if index.start is None else _counted(index.start)
        if index.stop is None and index.step is None:
            return self._behind(self._base + first)
        size = _length(index, first)
        self._read(first, size)
        return view(array_of(u8, size), self._bytes, self._base + first, fixed=True)

    def __setitem__(self, index: Any, value: Any) -> None:
        if not isinstance(index, slice):
            store(u8, self._bytes, self._base + _counted(index), value)
            return
        first = 0 if index.start is None else _counted(index.start)
        kind = array_of(u8, _length(index, first))
        if isinstance(value, bytes) and len(value) != kind.sizeof:
            raise ValueError(f"a slice of {octets(kind.sizeof)} takes as many, and got {len(value)}")
        self._bytes[self._base + first : self._base + first + kind.sizeof] = contents(kind, value)

    def at(self, kind: Any, offset: int = 0) -> Any:
        """What lies `offset` bytes behind the view's start: a struct or an array of type `kind`, all of which the
        packet must hold; a header, where `kind` is the name of one."""
        if isinstance(kind, str):
            if kind not in NAMED:
                raise TypeError(f"there is no header {kind!r}; there are {' '.join(NAMED)}")
            return _placed(NAMED[kind], self._base + _counted(offset))
        if not isinstance(kind, Layout):
            raise TypeError(f"at() takes a struct, an array type or the name of a header, not {kind!r}")
        self._read(_counted(offset), size_of(kind))
        return view(kind, self._bytes, self._base + offset)

    def __len__(self) -> int:
        return max(machine("len(pkt)").packet_length() - self._base, 0)

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Any:
        raise TypeError("a view of the packet has no end of its own: read bytes by an index, in a loop over a range")

    def _distance(self, layer: Layer) -> int:
        return layer.distance + sum(part.of(self._read(part.offset, 1)[0]) for part in layer.parts)

    def _field(self, member: Member) -> Any:
        at = self._base + member.offset
        if isinstance(member.type, Layout):
            self._read(member.offset, size_of(member.type))
            return view(member.type, self._bytes, at)
        asked = machine(f"pkt.{self._header.name}.{member.name}")
        stored = member.type.unpack(asked.packet_read(at, member.type.size))
        return member.part(stored) if member.bits else stored

    def _behind(self, base: int) -> View:
        """What begins at a place."""
        return _placed(HEADERS[DATA], base)

    def _read(self, offset: int, size: int) -> bytes:
        first = self._base + offset
        found: bytes = self._bytes[first : first + size]
        return found


def _placed(header: Header, base: int) -> View:
    """A view of a place that programs see."""
    if base > FARTHEST:
        raise PacketError(f"packet+{base} is more than {FARTHEST} bytes into the packet")
    return View(header, base)


class Metadata(View):
    """Bytes before the packet, which XDP programs make by `pkt.adjust_meta(-4)`, and tc programs behind them read."""

    __slots__ = ()
    _bytes: ClassVar[Any] = _BEFORE

    def __init__(self, base: int = 0) -> None:
        super().__init__(META, base)

    def at(self, kind: Any, offset: int = 0) -> Any:
        """What lies `offset` bytes behind the view's start: a struct or an array."""
        if isinstance(kind, str):
            raise TypeError("headers stand in the packet, and structs and arrays in the metadata before it")
        return super().at(kind, offset)

    def __len__(self) -> int:
        return max(machine("len(pkt.meta)").meta_length() - self._base, 0)

    def _behind(self, base: int) -> View:
        if base > FARTHEST:
            raise PacketError(f"metadata+{base} is more than {FARTHEST} bytes into it")
        return Metadata(base)


class Packet(View):
    """The whole packet: it begins with Ethernet, or with IP at hooks that see no link layer."""

    __slots__ = ()

    @property
    def _header(self) -> Header:  # type: ignore[override]
        return HEADERS[ROOTS[layer()]]

    @property
    def _base(self) -> int:  # type: ignore[override]
        return 0

    def __init__(self) -> None: ...

    def __getattr__(self, name: str) -> Any:
        if name == META.name:
            machine("pkt.meta").meta_length()
            return Metadata()
        call = CALLS.get(name)
        if call is None:
            return super().__getattr__(name)

        def called(*values: int, **named: int) -> int:
            return result(machine(f"pkt.{name}").packet_call(call.helper, *call.words(values, named)))

        return called


def _counted(index: Any) -> int:
    """An index of bytes: a view counts from its start only."""
    if not isinstance(index, int):
        raise TypeError(f"the index of a view must be an integer, not {type(index).__name__}")
    if index < 0:
        raise PacketError(f"{int(index)} is before the view's first byte")
    return int(index)


def _length(index: slice, first: int) -> int:
    """Bytes of a slice with an end."""
    if index.step is not None:
        raise TypeError("a slice of a view has no step")
    size = _counted(index.stop) - first
    if size <= 0:
        raise PacketError(f"the slice [{first}:{first + size}] has no bytes")
    return size


pkt = Packet()

__all__ = ["PACKET", "Packet", "View", "pkt"]
