"""What stands in a context of plain bytes after a run, where a struct says what it is."""

from __future__ import annotations

from typing import Any

from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.layout import Layout, size_of, view
from bpfvm.lang.types.scalars import char
from bpfvm.lang.types.structs import StructType


def fields_of(kind: StructType, data: bytes) -> dict[str, Any] | None:
    """The fields of a struct: numbers, texts, bytes, lists of what is in other arrays, structs as dicts; None where
    the bytes are too few."""
    if len(data) < size_of(kind):
        return None
    whole = view(kind, bytearray(data), 0, True)
    return {name: _plain(getattr(whole, name)) for name in kind.__members__}


def _plain(value: Any) -> Any:
    kind = type(value)
    if isinstance(kind, StructType):
        return {name: _plain(getattr(value, name)) for name in kind.__members__}
    if isinstance(kind, Layout):
        if not is_bytes(kind):
            return [_plain(one) for one in value]
        text = bytes(value).partition(b"\0")[0]
        return text.decode(errors="replace") if getattr(kind, "__element__", None) is char else bytes(value)
    return int(value)
