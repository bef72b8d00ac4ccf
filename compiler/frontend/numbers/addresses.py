"""Addresses of the Internet that are constants: fields and keys are numbers, so what is meant is theirs."""

from __future__ import annotations

import ast
import ipaddress

from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import Static, Value

_ADDRESSES = (ipaddress.IPv4Address, ipaddress.IPv6Address)


def number(f: Translation, value: Value, node: ast.expr) -> str:
    """The text of the number of an address, or of a text of one, which is computed beforehand; "" for anything else."""
    if not isinstance(value, Static):
        return ""
    if isinstance(value.object, _ADDRESSES):
        return f"int({f.quoted(node)})"
    try:
        ipaddress.ip_address(value.object if isinstance(value.object, str) else "")
    except ValueError:
        return ""
    return f"int(ipaddress.ip_address({f.quoted(node)}))"
