"""A map in the kernel as users see it: a dict typed by BTF, whole contents by batch calls, numpy arrays.

    table[key], table[key] = value, del table[key], key in table      one system call each
    table.items(), .keys(), .values(), .update(…), .clear(), .drain()  some thousands of elements a system call
    table.to_numpy(), table.from_numpy(keys, values), table.numpy()    arrays, the last one the map's own memory

Reading all elements loses none while programs and others write: what is in the map from the beginning to the end is
met exactly once, what comes or goes meanwhile at most once (batch.py and walk.py say why). The
lengths of two readings may differ for the same reason.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable, ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast
from weakref import WeakValueDictionary

from bpfvm.core.errors import UsageError
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.maps import arrays
from bpfvm.kernel.maps.batch import NO_BATCH, Batches, Chunk, descriptor
from bpfvm.kernel.maps.calls import Answer, Calls, Opened
from bpfvm.kernel.maps.inner import OpenedMap, close_with, number_of, opened
from bpfvm.kernel.maps.mapped import Mapped, is_mapped
from bpfvm.kernel.maps.walk import walk, walk_keys
from bpfvm.kernel.sys import ENOTSUPP, Fd, address
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.values.typed_map import TypedMap, Variable

if TYPE_CHECKING:
    import numpy

T = TypeVar("T")
_UPDATES = 1 << 16  # elements stored by one call at most


class Closeable(Opened, Protocol):
    """`bpfvm.kernel.maps.map.KernelMap`. entries: as it was created with, which declarations may leave open."""

    @property
    def entries(self) -> int: ...

    def close(self) -> None: ...


class Table(TypedMap):
    """One map. It is closed with the map; use as a context manager where it is the only owner.

    Errors as of `bpfvm.obj.values.typed_map.TypedMap`; UsageError also for a map that is closed.
    """

    def __init__(self, map: Closeable, btf: Btf | None, endian: str) -> None:
        self._map, self._calls = map, Calls(map)
        super().__init__(self._calls, btf, endian, self._calls.cpus)
        self._per_cpu = self._row.per_cpu
        self._stride = (self.spec.value_size + 7) // 8 * 8 if self._per_cpu else self.spec.value_size
        self._batches = Batches(self.spec, map.fd, self._stride * self.cpus)
        self._batched = self._row.can("batch") and self._row.holds == "data"
        self._memory: Mapped | None = None
        self._inner: WeakValueDictionary[int, Table] = WeakValueDictionary()

    def __enter__(self) -> Table:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the map's descriptor; the kernel keeps what programs use."""
        self._map.close()

    @property
    def fd(self) -> Fd:
        """The map's descriptor."""
        return self._map.fd

    @property
    def behind(self) -> Closeable:
        """The map itself."""
        return self._map

    def duplicate(self) -> Table:
        """The same map by a descriptor of its own, without types; it is to be closed by itself."""
        spec = replace(self.spec, max_entries=self._map.entries)
        return Table(OpenedMap(spec, Fd(os.dup(self.fd.number)), self._map.named), None, self._endian)

    def reader(self, type: Any = None, **options: Any) -> Any:
        """The reader of a ring or perf buffer. type: of its events, which no BTF says; options: of open_reader."""
        from bpfvm.kernel.readers import open_reader

        return open_reader(self._map, self._btf, type, **options)

    # all elements

    def __iter__(self) -> Iterator[Any]:
        if not self._batched and self._row.holds == "data":
            return map(self.key_codec.decode, self._told(walk_keys(self._calls)))
        if not self._batched:
            return (key for key, _ in self._entries())
        return _joined(self._keys_of, self._chunks())

    def __len__(self) -> int:
        """How many elements there are; of arrays, of indexes. It reads all of a map of another type."""
        self._check_keyed("counted")
        if self._row.name in ("array", "percpu_array"):
            descriptor(self.spec, self.fd)
            return self.spec.max_entries
        return sum(one.count for one in self._chunks()) if self._batched else sum(1 for _ in self)

    def items(self) -> ItemsView[Any, Any]:
        """Keys and values, read some thousands at a time while it is iterated."""
        return _Items(self)

    def keys(self) -> KeysView[Any]:
        """Keys, read some thousands at a time while it is iterated."""
        return KeysView(self)

    def values(self) -> ValuesView[Any]:
        """Values, read some thousands at a time while it is iterated."""
        return _Values(self)

    def drain(self) -> Iterator[tuple[Any, Any]]:
        """Every element, taken out of the map in the moment it is read: what programs add meanwhile is in this or in
        the next drain, never lost. UsageError for types that lose no element."""
        if self.spec.type == "lpm_trie" or not self._row.can("pop"):
            raise self._not("gives out and deletes nothing in one step")
        if self._queued:
            return iter([(None, value) for value in iter(lambda: self.pop(default=_Items), _Items)])
        return self._entries(delete=True)

    def update(self, other: Any = (), /, **more: Any) -> None:
        """Store what a mapping holds, or pairs, some thousands at a time. UsageError that names the first that cannot
        be stored; those before it are."""
        pairs = [*(other.items() if isinstance(other, Mapping) else other), *more.items()]
        if self._batched and not self.variables:
            for at in range(0, len(pairs), _UPDATES):
                self._store_many(pairs[at : at + _UPDATES])
            return
        for key, value in pairs:
            self[key] = value

    def pairs(self) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        """Every element as bytes; of a per-CPU map values of all CPUs. Nothing, where user space cannot read any."""
        if not (self._row.can("lookup") and self._row.can("next")) or self._row.owner:
            return iter(())
        if not self._batched:
            return self._told(walk(self._calls))
        return chain.from_iterable(map(self._apart, self._chunks()))

    def _apart(self, chunk: Chunk) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
        size, room, whole = self.spec.key_size, self._stride, self.spec.value_size
        keys, values = chunk.keys.tobytes(), chunk.values.tobytes()
        for at in range(chunk.count):
            key, first = keys[at * size : (at + 1) * size], at * room * self.cpus
            if self._per_cpu:
                yield key, [values[place : place + whole] for place in range(first, first + room * self.cpus, room)]
            else:
                yield key, values[first : first + whole]

    def clear(self) -> None:
        """Delete every element that is there when it begins. UsageError for types that lose none."""
        if self._batched and self._row.can("pop"):
            for _ in self._chunks(delete=True):
                continue
            return
        super().clear()

    # numpy

    def to_numpy(self) -> Any:
        """A copy: (keys, values) of a hash or trie, the values of an array by index.

        Structs are structured arrays, values of a per-CPU map have a second axis of CPUs. UsageError for types without
        data, and for members that numpy has no type of.
        """
        if self._row.holds != "data" or not (self._row.can("lookup") and self._row.can("next")):
            raise self._not("has no values for numpy; use items()")
        if is_mapped(self.spec):
            return self.numpy().copy()
        cpus, only_values = self.cpus if self._per_cpu else 0, self._row.name in ("array", "percpu_array")
        forms = self.key_dtype(), self.value_dtype()
        keys, values, count = self._columns()
        found = arrays.shaped(values, forms[1], count, self._stride, cpus)
        return found if only_values else (arrays.shaped(keys, forms[0], count, self.spec.key_size), found)

    def from_numpy(self, *given: Any) -> None:
        """Store (keys, values), or of an array its values, in the form that `to_numpy` gives. UsageError for arrays of
        another shape or with values that would be lost, before anything is stored."""
        import numpy

        if not self._batched:
            raise self._not("takes nothing from numpy; use m[key] = value")
        only_values = self._row.name in ("array", "percpu_array")
        if len(given) == 1 and only_values:
            given = (numpy.arange(self.spec.max_entries, dtype=self.key_dtype()), given[0])
        if len(given) != 2:
            raise UsageError(f"map {self.spec.name}: from_numpy() takes keys and values{' or values' * only_values}")
        count = len(numpy.atleast_1d(given[0]))
        shape = (count, self.cpus) if self._per_cpu else (count,)
        keys = arrays.packed(given[0], self.key_dtype(), (count,), self.spec.key_size, self._key_place)
        values = arrays.packed(given[1], self.value_dtype(), shape, self._stride, self._value_place)
        self._sent(memoryview(keys.data), memoryview(values.data), count)

    def numpy(self) -> numpy.ndarray[Any, Any]:
        """The values of an array with BPF_F_MMAPABLE as they lie in memory. It is a view: it changes when programs run,
        and writing to it changes the map. UsageError for other maps; `to_numpy` gives a copy."""
        import numpy

        memory = self._mapped()
        found = numpy.ndarray(
            (self.spec.max_entries,), self.value_dtype(), buffer=memory.memory, strides=(memory.stride,)
        )  # fmt: skip
        found.flags.writeable = memory.writeable
        return found

    # elements in bulk

    def _entries(self, delete: bool = False) -> Iterator[tuple[Any, Any]]:
        """Keys and values. What cannot be asked is told at once, not at the first element."""
        self._check_keyed("read")
        if not self._batched:
            return self._walked()
        return _joined(self._decoded, self._chunks(delete))

    def _decoded(self, chunk: Chunk) -> Iterator[tuple[Any, Any]]:
        return zip(self._keys_of(chunk), self._values_of(chunk), strict=True)

    def _keys_of(self, chunk: Chunk) -> Iterator[Any]:
        return self.key_codec.decode_many(chunk.keys, chunk.count)

    def _values_of(self, chunk: Chunk) -> Iterator[Any]:
        if not self._per_cpu:
            return self.value_codec.decode_many(chunk.values, chunk.count)
        each = self.value_codec.decode_many(chunk.values, chunk.count * self.cpus, self._stride)
        return map(list, zip(*[each] * self.cpus, strict=True))

    def _chunks(self, delete: bool = False) -> Iterator[Chunk]:
        """Elements as bytes, each key once; by single calls where this kernel has no batches."""
        trie = self.spec.type == "lpm_trie"
        chunks = self._batches.settled() if trie and not delete else self._batches.chunks(delete)
        first: Chunk | None = None
        try:
            first = next(chunks, None)
        except OSError as error:
            if error.errno not in NO_BATCH:
                raise self._error(-(error.errno or 0), "read", None) from None
            chunks = self._single_chunk(delete)
        if first is None and trie:  # nothing, or nothing that stayed the same
            chunks = self._single_chunk(delete)
        return self._told(chunks if first is None else chain((first,), chunks))

    def _single_chunk(self, delete: bool) -> Iterator[Chunk]:
        keys, values = bytearray(), bytearray()
        for key, found in walk(self._calls):
            taken: Answer = self._calls.sys_lookup_and_delete(key) if delete else found
            if taken in (-ENOTSUPP, -errno.EINVAL):  # hashes before 5.14
                taken = self._calls.sys_delete(key) or found
            if isinstance(taken, int):  # gone by now
                continue
            keys += key
            each: list[bytes] = [taken] if isinstance(taken, bytes) else taken
            values += b"".join(one.ljust(self._stride, b"\0") for one in each)
        if keys:
            yield Chunk(memoryview(keys), memoryview(values), len(keys) // self.spec.key_size)

    def _walked(self) -> Iterator[tuple[Any, Any]]:
        for key, found in self._told(walk(self._calls)):
            if self._row.holds != "map":
                yield self.key_codec.decode(key), self._shown(found)
                continue
            with suppress(KeyError):  # gone by now
                yield self.key_codec.decode(key), self._inner_at(key, None)

    def _told(self, found: Iterable[T]) -> Iterator[T]:
        """The same, with the kernel's refusals in users' words."""
        try:
            yield from found
        except OSError as error:
            raise self._error(-(error.errno or 0), "read", None) from None

    def _columns(self) -> tuple[Any, Any, int]:
        """Keys and values as arrays of bytes."""
        import numpy

        if self._batched and self.spec.type != "lpm_trie":
            try:
                return arrays.read(self.spec, self.fd, self._stride * self.cpus)
            except OSError as error:
                if error.errno not in NO_BATCH:
                    raise self._error(-(error.errno or 0), "read", None) from None
        chunks = self._chunks() if self._batched else self._told(self._single_chunk(delete=False))
        keys, values, count = bytearray(), bytearray(), 0
        for one in chunks:
            keys += one.keys[: one.count * self.spec.key_size]
            values += one.values[: one.count * self._stride * self.cpus]
            count += one.count
        return numpy.frombuffer(keys, numpy.uint8), numpy.frombuffer(values, numpy.uint8), count

    def _store_many(self, pairs: list[Any]) -> None:
        try:
            keys, values = [key for key, _ in pairs], [value for _, value in pairs]
        except (TypeError, ValueError):
            raise UsageError(f"map {self.spec.name}: update() takes a mapping, or pairs of key and value") from None
        if self.spec.type == "lpm_trie":
            data = b"".join(map(self._bytes, keys))
        else:
            data = self.key_codec.encode_many(keys, self._key_place)
        if self._per_cpu:
            given = [
                one.ljust(self._stride, b"\0") for value in values for one in cast("list[bytes]", self._given(value))
            ]
            room = b"".join(given)
        else:
            room = self.value_codec.encode_many(values, self._value_place)
        self._sent(memoryview(bytearray(data)), memoryview(bytearray(room)), len(pairs))

    def _sent(self, keys: memoryview, values: memoryview, count: int) -> None:
        """Store elements that lie side by side; one by one where this kernel has no batches."""
        if not count:
            return
        done, number = self._batches.update(_place(keys), _place(values), count)
        if not number:
            return
        size, room = self.spec.key_size, self._stride * self.cpus
        if number not in NO_BATCH or done:
            raise self._error(-number, "stored", self.key_codec.decode(keys, done * size))
        for at in range(count):
            key = bytes(keys[at * size : (at + 1) * size])
            result = self._calls.update_raw(key, bytes(values[at * room : (at + 1) * room]))
            if result:
                raise self._error(result, "stored", self.key_codec.decode(key))

    # maps and programs in maps

    def __getitem__(self, key: Any) -> Any:
        if self._row.holds == "map":
            return self._inner_at(self._bytes(key), key)
        return super().__getitem__(key)

    def _inner_at(self, key: bytes, shown: Any) -> Table:
        while True:
            number = self._calls.number_at(key)
            if number < 0:
                raise self._error(number, "read", shown)
            known = self._inner.get(number)
            if known is not None:
                return known
            one = opened(self.spec, self._calls, number)
            if one is None:  # replaced since; what stands there now has another id
                continue
            found = self._inner[number] = Table(one, self._btf, self._endian)
            close_with(found, one)
            return found

    def _store(self, key: bytes, value: Any, flags: int) -> int:
        if not self._named:
            return super()._store(key, value, flags)
        number = number_of(value, self._map.named, self._value_place, "map" if self._row.holds == "map" else "program")
        return self._calls.update_raw(key, number.to_bytes(4, BYTE_ORDER), flags)

    # global variables

    def _mapped(self) -> Mapped:
        if self._memory is None:
            self._memory = Mapped(self.spec, self.fd)
        return self._memory

    def _variable(self, one: Variable) -> Any:
        descriptor(self.spec, self.fd)
        return one.codec.decode(self._mapped().memory, one.offset) if is_mapped(self.spec) else super()._variable(one)

    def _set_variable(self, one: Variable, value: Any) -> None:
        """In the shared memory, where other variables stay as they are; else as any map's."""
        descriptor(self.spec, self.fd)
        if not is_mapped(self.spec):
            super()._set_variable(one, value)
            return
        data = one.codec.encode(value, f"variable {one.name}")
        if not self._mapped().writeable:
            raise self._error(-errno.EPERM, "stored", one.name)
        self._mapped().memory[one.offset : one.offset + len(data)] = data


class _Items(ItemsView[Any, Any]):
    """Of a table, in batches."""

    _mapping: Table

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return self._mapping._entries()


class _Values(ValuesView[Any]):
    """Of a table, in batches."""

    _mapping: Table

    def __iter__(self) -> Iterator[Any]:
        table = self._mapping
        if not table._batched:
            return (value for _, value in table._entries())
        return _joined(table._values_of, table._chunks())


def _joined(decode: Callable[[Chunk], Iterator[T]], chunks: Iterator[Chunk]) -> Iterator[T]:
    """What all chunks decode to. The first is read here; where it is the last, nothing stands between it and a loop."""
    first = next(chunks, None)
    if first is None:
        return iter(())
    return decode(first) if first.last else chain(decode(first), chain.from_iterable(map(decode, chunks)))


def _place(data: memoryview) -> int:
    """Where writable bytes are in memory."""
    return address((ctypes.c_char * data.nbytes).from_buffer(data))
