"""A map of a loaded program as a dict: what stands in it now, keys and values typed by BTF.

Reading, storing and deleting are what user space does with bpf(2): a map's own limits and flags hold. An array has
every index and loses none, a per-CPU value is a list with one item a CPU, what stands in maps of maps and program
arrays is a name.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

from bpfvm.core.errors import UsageError
from bpfvm.obj.btf import Btf
from bpfvm.obj.model import MapSpec
from bpfvm.obj.shapes import Field, Number, Real, Record, Row, Shape, Text, Truth
from bpfvm.obj.values import decode_entries, encode_entries, frozen, shape_of

if TYPE_CHECKING:
    import numpy

ENOTSUPP = 524  # include/linux/errno.h


class Elements(Protocol):
    """What a machine does with one map; a negative number is an errno."""

    spec: MapSpec

    def sys_lookup(self, key: bytes, flags: int = 0) -> bytes | list[bytes] | int: ...

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int: ...

    def sys_delete(self, key: bytes) -> int: ...

    def next_key(self, key: bytes | None) -> bytes | int: ...


class MapView(MutableMapping[Any, Any]):
    """One map. Errors: KeyError for a key that is not there, UsageError for what the map does not do."""

    def __init__(self, elements: Elements, btf: Btf | None, endian: str) -> None:
        self.spec = elements.spec
        self._elements, self._btf, self._endian = elements, btf, endian
        self._key = shape_of(btf, self.spec.key_type, self.spec.key_size, endian)

    def __repr__(self) -> str:
        return f"<map {self.spec.name}, {self.spec.type} of {self.spec.max_entries}>"

    def __getitem__(self, key: Any) -> Any:
        found = self._elements.sys_lookup(self._bytes(key))
        if isinstance(found, int):
            raise self._error(found, "read", key)
        ((_, value),) = decode_entries(self.spec, self._btf, [(bytes(self.spec.key_size), found)], self._endian).items()
        return value

    def __setitem__(self, key: Any, value: Any) -> None:
        ((name, data),) = encode_entries(self.spec, self._btf, {frozen(key): value}, self._endian)
        self._check(name, data)
        result = self._elements.sys_update(name, data)
        if result:
            raise self._error(result, "stored", key)

    def __delitem__(self, key: Any) -> None:
        result = self._elements.sys_delete(self._bytes(key))
        if result:
            raise self._error(result, "deleted", key)

    def __iter__(self) -> Iterator[Any]:
        """In the map's own order; what is stored or deleted meanwhile changes nothing here."""
        return iter([frozen(self._key.show(key)) for key in self._keys()])

    def __len__(self) -> int:
        return len(self._keys())

    def numpy(self) -> numpy.ndarray[Any, Any]:
        """The values of an array as they lie in memory: one axis, and a second of CPUs for a per-CPU array.

        Structs become structured types. It is a view: it changes when programs run, and writing to it changes the map.
        UsageError for other types of map and for members that are no whole bytes.
        """
        import numpy

        from bpfvm.emulator.maps.array import ArrayMap
        from bpfvm.emulator.maps.percpu_array import PerCpuArrayMap

        store, spec = self._elements, self.spec
        if not isinstance(store, ArrayMap | PerCpuArrayMap):
            raise UsageError(f"map {spec.name}: the values of a {spec.type} map do not lie side by side; use items()")
        form = numpy.dtype(_form(shape_of(self._btf, spec.value_type, spec.value_size, self._endian), spec.name))
        cpus = (store.system.cpus,) if isinstance(store, PerCpuArrayMap) else ()
        strides = (store.stride * sum(cpus or (1,)), store.stride)[: 1 + len(cpus)]
        whole = numpy.frombuffer(store.values.data, dtype=numpy.uint8)
        view = numpy.ndarray((spec.max_entries, *cpus), form, buffer=whole, strides=strides)
        if store.fields:  # locks, timers and references are the kernel's
            view.flags.writeable = False
        return view

    def _keys(self) -> list[bytes]:
        found, key = [], self._elements.next_key(None)
        while isinstance(key, bytes):
            found.append(key)
            key = self._elements.next_key(key)
        if key not in (-errno.ENOENT, 0):
            raise self._error(key, "listed", None)
        return found

    def _bytes(self, key: Any) -> bytes:
        return self._key.parse(key, f"map {self.spec.name} key")

    def _check(self, key: bytes, value: bytes | list[bytes]) -> None:
        """UsageError for a list of the wrong length: machines take what fits."""
        check = getattr(self._elements, "check_value", None)
        if check is not None:
            check(value)

    def _error(self, number: int, done: str, key: Any) -> Exception:
        name = errno.errorcode.get(-number, "ENOTSUPP" if -number == ENOTSUPP else str(-number))
        if number == -errno.ENOENT:
            return KeyError(key)
        where = f"map {self.spec.name}" if key is None else f"map {self.spec.name}[{key!r}]"
        if number == -errno.E2BIG:
            return UsageError(
                f"{where} cannot be {done}: the map has room for {self.spec.max_entries} entries ({name})"
            )
        if number == -errno.EPERM:
            return UsageError(f"{where} cannot be {done}: its flags ({self.spec.flags:#x}) forbid it ({name})")
        return UsageError(f"{where} cannot be {done}: a {self.spec.type} map does not do that ({name})")


def _form(shape: Shape, where: str) -> Any:
    """What numpy makes a dtype of."""
    match shape:
        case Number(size=1 | 2 | 4 | 8):
            return f"{_mark(shape.order)}{'i' if shape.is_signed else 'u'}{shape.size}"
        case Truth(size=1):
            return "?"
        case Real():
            return f"{_mark(shape.order)}f{shape.size}"
        case Text():
            return f"S{shape.size}"
        case Row():
            return (_form(shape.element, where), (shape.count,))
        case Record():
            members = list(_members(shape, 0, where))
            return {
                "names": [name for name, _, _ in members], "formats": [form for _, form, _ in members],
                "offsets": [offset for _, _, offset in members], "itemsize": shape.size,
            }  # fmt: skip
        case _:
            return f"V{shape.size}"


def _members(record: Record, base: int, where: str) -> Iterator[tuple[str, Any, int]]:
    """(name, form, offset) of what a struct shows; members of unnamed ones stand in it themselves."""
    for one in record.members:
        if not isinstance(one, Field):
            raise UsageError(f"map {where}: member {one.name} is a bit-field, and numpy has none; use items()")
        if one.name:
            yield one.name, _form(one.shape, where), base + one.offset
        elif isinstance(one.shape, Record):
            yield from _members(one.shape, base + one.offset, where)


def _mark(order: str) -> str:
    return ">" if order == "big" else "<"
