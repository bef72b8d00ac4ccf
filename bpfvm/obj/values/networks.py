"""Addresses and networks of the Internet as numbers of four bytes and as keys of LPM tries: what `ipaddress` has of
them, and their text."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.obj.values.shapes import Number, Order, Raw, Shape

_DOTTED = re.compile(r"[0-9]+(\.[0-9]+){1,3}")


@dataclass(frozen=True, slots=True)
class Address(Number):
    """A number of four bytes that stand as in a packet: also an IPv4Address, or its text ("10.0.0.1")."""

    def parse(self, value: Any, where: str) -> bytes:
        if isinstance(value, str) and _DOTTED.fullmatch(value):
            value = _parsed(ipaddress.IPv4Address, value, where)
        return value.packed if isinstance(value, ipaddress.IPv4Address) else Number.parse(self, value, where)


@dataclass(frozen=True, slots=True)
class Network:
    """A key of an LPM trie, `key`: also "10.0.0.0/8", networks and addresses of `ipaddress`, and (prefix length,
    address)."""

    key: Shape
    order: Order

    @property
    def size(self) -> int:
        return self.key.size

    @property
    def cost(self) -> int:
        return self.key.cost

    def show(self, data: bytes) -> Any:
        return self.key.show(data)

    def parse(self, value: Any, where: str) -> bytes:
        """As any shape's; UsageError for what is no network."""
        return self.key.parse(self.plain(value, where), where)

    def plain(self, key: Any, where: str) -> Any:
        """A key as bytes, where it was given as a network; else as it is."""
        if isinstance(key, tuple) and len(key) == 2 and not hasattr(key, "_fields"):
            length, address = key
            if isinstance(address, str):
                address = _parsed(ipaddress.ip_address, address, where)
            if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
                return self._packed(length, address.packed, where)
            if isinstance(address, bytes) and isinstance(self.key, Raw):
                return self._packed(length, address, where)
            return key
        if isinstance(key, str) and ("/" in key or _DOTTED.fullmatch(key)):
            key = _parsed(ipaddress.ip_network, key, where)
        if isinstance(key, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return self._packed(key.max_prefixlen, key.packed, where)
        if isinstance(key, ipaddress.IPv4Network | ipaddress.IPv6Network):
            return self._packed(key.prefixlen, key.network_address.packed, where)
        return key

    def _packed(self, length: Any, address: bytes, where: str) -> bytes:
        size = self.size - 4
        if len(address) != size:
            raise UsageError(f"{where}: an address of {octets(len(address))}, and this map's have {size}")
        if not isinstance(length, int) or not 0 <= length <= size * 8:
            raise UsageError(f"{where}: a prefix of {length!r} bits, and it has 0 to {size * 8}")
        return length.to_bytes(4, self.order) + address


def _parsed(parse: Any, text: str, where: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None
