"""Events as arrays of numpy: a declared type as a dtype, many records as one array."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from bpfvm.core.amounts import octets
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.lang.types.structs import StructType

if TYPE_CHECKING:
    import numpy


def dtype_of(kind: Any) -> numpy.dtype[Any]:
    """The type by which numpy reads values of a storage type, an array or a struct, where they lie. UsageError for
    bit-fields, which it has none for."""
    import numpy

    if isinstance(kind, Storage):
        if kind is bool8:
            return numpy.dtype("?")
        return numpy.dtype(f"{'>' if kind.is_big else '<'}{'i' if kind.is_signed else 'u'}{kind.size}")
    if isinstance(kind, ArrayType):
        element, length = kind.__element__, kind.__length__
        return numpy.dtype(f"S{length}") if element is char else numpy.dtype((dtype_of(element), (length,)))
    assert isinstance(kind, StructType), "these are all types of memory"
    bits = next((one.name for one in kind.__members__.values() if one.bits), None)
    if bits is not None:
        raise UsageError(f"{kind.__name__}.{bits} is a bit-field, which numpy has no like of; iterate over the events")
    members = kind.__members__.values()
    return numpy.dtype({
        "names": [one.name for one in members], "formats": [dtype_of(one.type) for one in members],
        "offsets": [one.offset for one in members], "itemsize": size_of(kind),
    })  # fmt: skip


def joined(records: Iterable[Any], of: numpy.dtype[Any]) -> list[numpy.ndarray[Any, Any]]:
    """Records of that type, or values of it, as one array; none for none. UsageError for one of another size."""
    import numpy

    parts = [bytes(one) for one in records]
    wrong = next((len(one) for one in parts if not 0 <= len(one) - of.itemsize < 8), None)
    if wrong is not None:
        raise UsageError(
            f"an event of {octets(wrong)}, and the type has {of.itemsize}: iterate over events of two kinds"
        )
    whole = b"".join(one[: of.itemsize] for one in parts)
    return [numpy.frombuffer(whole, of)] if parts else []


__all__ = ["dtype_of", "joined"]
