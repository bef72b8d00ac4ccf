"""Whole contents of maps as numpy arrays, and the way back, by batch calls straight to and from the arrays' memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bpfvm.core.errors import UsageError
from bpfvm.kernel.maps.batch import LEAST_ROOM, Cursor
from bpfvm.kernel.sys import Fd
from bpfvm.obj.model import MapSpec

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

_FIRST_BYTES = 1 << 26  # of elements that room is made for at first


def read(spec: MapSpec, fd: Fd, value_room: int) -> tuple[Array, Array, int]:
    """Keys and values as bytes, and how many there are of them. Raises OSError with what the kernel says."""
    import numpy

    room = min(spec.max_entries, max(LEAST_ROOM, _FIRST_BYTES // (spec.key_size + value_room))) + LEAST_ROOM
    keys, values = numpy.empty(room * spec.key_size, numpy.uint8), numpy.empty(room * value_room, numpy.uint8)
    cursor, count = Cursor(spec, fd), 0
    while not cursor.done:
        got = cursor.read(
            keys.ctypes.data + count * spec.key_size, values.ctypes.data + count * value_room, room - count
        )
        count += got or 0
        if got is None or (count == room and not cursor.done):
            keys, values, room = numpy.append(keys, keys), numpy.append(values, values), room * 2
    if count < room // 2:  # or little would keep much memory
        keys, values = keys[: count * spec.key_size].copy(), values[: count * value_room].copy()
    return keys, values, count


def shaped(data: Array, form: numpy.dtype[Any], count: int, stride: int, cpus: int = 0) -> Array:
    """`count` elements in `data`, `stride` bytes from one value to the next; cpus: of a per-CPU map, one more axis."""
    import numpy

    shape, strides = ((count, cpus), (stride * cpus, stride)) if cpus else ((count,), (stride,))
    return numpy.ndarray(shape, form, buffer=data, strides=strides)


def packed(given: Any, form: numpy.dtype[Any], shape: tuple[int, ...], stride: int, where: str) -> Array:
    """The bytes of an array of this form and shape as the kernel takes them. UsageError for one that does not fit."""
    import numpy

    found = numpy.asarray(given)
    inner = form.shape
    if found.shape != shape + inner:
        raise UsageError(f"{where}: an array of shape {found.shape}, and {shape + inner} is wanted")
    data = numpy.zeros(stride * int(numpy.prod(shape)), numpy.uint8)
    strides = (stride * shape[1], stride) if len(shape) == 2 else (stride,)
    target: Array = numpy.ndarray(shape, form, buffer=data, strides=strides)
    _assign(target, found, where)
    return data


def _assign(target: Array, given: Array, where: str) -> None:
    """Store what is given where nothing of it is lost."""
    import numpy

    if target.dtype.names is not None:
        if given.dtype.names is None or set(given.dtype.names) != set(target.dtype.names):
            raise UsageError(
                f"{where}: an array of {given.dtype}, and one with {', '.join(target.dtype.names)} is wanted"
            )
        for name in target.dtype.names:
            _assign(target[name], given[name], f"{where}.{name}")
        return
    if target.dtype.kind not in "iufbSV" or (given.dtype.kind in "iufb") != (target.dtype.kind in "iufb"):
        raise UsageError(f"{where}: an array of {given.dtype}, and {target.dtype} is wanted")
    with numpy.errstate(all="ignore"):
        target[...] = given
    if given.dtype != target.dtype and not numpy.array_equal(target, given, equal_nan=target.dtype.kind == "f"):
        raise UsageError(f"{where}: an array of {given.dtype} with values that {target.dtype} does not hold")
