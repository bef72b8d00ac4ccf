"""Packet headers as tables, and `pkt`, the packet that the running program sees.

`pkt.ip.proto` is a chain: layers, then a field. A layer does not test that the packet holds that protocol; a field that
lies past the packet's end raises PacketError, a fault of the program.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bpfvm.lang.active import machine
from bpfvm.lang.types import Storage, be16, be32, u8


@dataclass(frozen=True, slots=True)
class HeaderField:
    """One field. offset: bytes from the header's start. shift, bits: the field's part of the stored number."""

    name: str
    offset: int
    type: Storage
    shift: int = 0
    bits: int = 0  # 0: the whole number

    def extract(self, stored: int) -> int:
        """The field's value in the stored number."""
        return stored >> self.shift & ((1 << (self.bits or self.type.bits)) - 1)


@dataclass(frozen=True, slots=True)
class Header:
    """One protocol header. layers: the headers that may follow, by name, with their distance from this one's start."""

    name: str
    fields: tuple[HeaderField, ...]
    layers: Mapping[str, int]

    def field(self, name: str) -> HeaderField | None:
        """The field called `name`, or None."""
        return next((one for one in self.fields if one.name == name), None)

    @property
    def names(self) -> str:
        """What the header offers, for messages."""
        layers = f"layers {' '.join(self.layers)}" if self.layers else ""
        fields = f"fields {' '.join(one.name for one in self.fields)}" if self.fields else ""
        return "; ".join(part for part in (layers, fields) if part)


# RFC 894, RFC 791. `pkt` itself stands for the frame, whose first header is Ethernet.
HEADERS: Mapping[str, Header] = {
    "pkt": Header("pkt", (), {"eth": 0, "ip": 14}),
    "eth": Header("eth", (HeaderField("type", 12, be16),), {"ip": 14}),
    "ip": Header("ip", (
        HeaderField("ver", 0, u8, shift=4, bits=4),
        HeaderField("ihl", 0, u8, bits=4),
        HeaderField("tos", 1, u8),
        HeaderField("len", 2, be16),
        HeaderField("id", 4, be16),
        HeaderField("frag", 6, be16),
        HeaderField("ttl", 8, u8),
        HeaderField("proto", 9, u8),
        HeaderField("csum", 10, be16),
        HeaderField("src", 12, be32),
        HeaderField("dst", 16, be32),
    ), {}),
}  # fmt: skip


class View:
    """A header at a place in the packet. Attributes are its fields and the layers behind it."""

    __slots__ = ("_base", "_header")

    def __init__(self, header: Header, base: int) -> None:
        self._header, self._base = header, base

    def __getattr__(self, name: str) -> Any:
        header = self._header
        if name in header.layers:
            return View(HEADERS[name], self._base + header.layers[name])
        field = header.field(name)
        if field is None:
            raise AttributeError(f"{header.name} has no layer or field {name!r}; it offers {header.names}")
        data = machine(f"pkt.{header.name}.{name}").packet_read(self._base + field.offset, field.type.size)
        return field.extract(field.type.unpack(data))


class Packet(View):
    """The whole packet: `len(pkt)` is its length in bytes."""

    __slots__ = ()

    def __len__(self) -> int:
        return machine("len(pkt)").packet_length()

    def __bool__(self) -> bool:
        return True


PACKET = "pkt"
pkt = Packet(HEADERS[PACKET], 0)
