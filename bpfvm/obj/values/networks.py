"""Networks as keys of LPM tries: "10.0.0.0/8", networks and addresses of `ipaddress`, (prefix length, address)."""

from __future__ import annotations

import ipaddress
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.shapes import Order, Raw, Shape


def trie_key(key: Any, spec: MapSpec, shape: Shape, order: Order) -> Any:
    """An LPM trie's key as bytes where it was given as a network, text of one, or prefix length and address."""
    where = f"map {spec.name} key"
    size = spec.key_size - 4
    if isinstance(key, tuple) and len(key) == 2 and not hasattr(key, "_fields"):
        length, address = key
        if isinstance(address, str):
            address = _parsed(ipaddress.ip_address, address, where)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address):
            return _packed(length, address.packed, size, order, where)
        if isinstance(address, bytes) and isinstance(shape, Raw):
            return _packed(length, address, size, order, where)
        return key
    if isinstance(key, str) and "/" in key:
        key = _parsed(ipaddress.ip_network, key, where)
    if isinstance(key, ipaddress.IPv4Address | ipaddress.IPv6Address):
        return _packed(key.max_prefixlen, key.packed, size, order, where)
    if isinstance(key, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return _packed(key.prefixlen, key.network_address.packed, size, order, where)
    return key


def _parsed(parse: Any, text: str, where: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _packed(length: Any, address: bytes, size: int, order: Order, where: str) -> bytes:
    if len(address) != size:
        raise UsageError(f"{where}: an address of {octets(len(address))}, and this map's have {size}")
    if not isinstance(length, int) or not 0 <= length <= size * 8:
        raise UsageError(f"{where}: a prefix of {length!r} bits, and it has 0 to {size * 8}")
    return length.to_bytes(4, order) + address
