"""A map as a dict of typed values, whatever machine it is on: what stands in it now, not a copy.

What a machine does with one element is `Elements`, whose answers are those of bpf(2); this is what users see of it.

    m[key], m[key] = value, del m[key], key in m, len(m), m.items(), m.pop(key), m.setdefault(key, value)
    queue.push(value), queue.pop(), queue.peek()            queues and stacks
    ring.push(message)                                      rings that programs drain
    bloom.add(value), value in bloom                        bloom filters
    data["counter"], data["counter"] = 5                    global variables of .data, .bss and .rodata

Values are typed by BTF: structs are named tuples, per-CPU values lists with one item a CPU, what stands in program
arrays is a name and what stands in maps of maps is such a map. Structs are stored from named tuples, tuples or
mappings; a be32 also from an IPv4Address and its text ("10.0.0.1"). An LPM trie also takes networks of `ipaddress` and
their text ("10.0.0.0/8"), and (prefix length, address) pairs.
"""

from __future__ import annotations

import errno
from abc import abstractmethod
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias, cast

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import MapSpec
from bpfvm.obj.values.contents import message_of, section_shape
from bpfvm.obj.values.networks import Network
from bpfvm.obj.values.records import Codec, codec_of
from bpfvm.obj.values.shapes import Field, Number, Order, Raw
from bpfvm.tables.maps import BY_NAME, FLAGS

if TYPE_CHECKING:
    import numpy

    Dtype: TypeAlias = numpy.dtype[Any]  # where `numpy` is a method

ENOTSUPP = 524  # include/linux/errno.h
NEW, PRESENT = 1, 2  # BPF_NOEXIST, BPF_EXIST (include/uapi/linux/bpf.h)
_NAMED = ("prog", "map")
_NONE: Final = object()  # no default
_NONE_LEFT: Final = object()


class Elements(Protocol):
    """What a machine does with one map; a negative number is an errno."""

    @property
    def spec(self) -> MapSpec: ...

    def sys_lookup(self, key: bytes, flags: int = 0) -> bytes | list[bytes] | int: ...

    def sys_update(self, key: bytes, value: bytes | list[bytes], flags: int = 0) -> int: ...

    def sys_delete(self, key: bytes) -> int: ...

    def sys_lookup_and_delete(self, key: bytes, flags: int = 0) -> bytes | list[bytes] | int: ...

    def next_key(self, key: bytes | None) -> bytes | int: ...

    def send(self, message: bytes) -> int: ...


@dataclass(frozen=True, slots=True)
class Variable:
    """A global variable: `codec.size` bytes from byte `offset` of its section on."""

    name: str
    offset: int
    codec: Codec


class TypedMap(MutableMapping[Any, Any]):
    """One map. KeyError for a key that is not there, UsageError for what does not fit or the map does not do."""

    def __init__(self, elements: Elements, btf: Btf | None, endian: str, cpus: int) -> None:
        """cpus: values of a per-CPU element."""
        self.spec = elements.spec
        self.cpus = cpus
        self._elements, self._btf, self._endian = elements, btf, endian
        self._row = BY_NAME[self.spec.type]
        self._queued = self.spec.type in ("queue", "stack")
        self._named = self._row.holds in _NAMED
        self.key_codec = key_codec(self.spec, btf, endian)
        self.value_codec = value_codec(self.spec, btf, endian)
        self.variables: Mapping[str, Variable] = variables(self.spec, btf, endian)
        self._key_place, self._value_place = f"map {self.spec.name} key", f"map {self.spec.name} value"

    def __repr__(self) -> str:
        return f"<map {self.spec.name}, {self.spec.type} of {self.spec.max_entries}>"

    # one element

    def __getitem__(self, key: Any) -> Any:
        """What stands at `key`. UsageError for a key that does not fit, and for types without keys."""
        if type(key) is str and key in self.variables:
            return self._variable(self.variables[key])
        found = self._elements.sys_lookup(self._bytes(key))
        if isinstance(found, int):
            raise self._error(found, "read", key)
        return self._shown(found)

    def __setitem__(self, key: Any, value: Any) -> None:
        if type(key) is str and key in self.variables:
            self._set_variable(self.variables[key], value)
            return
        result = self._store(self._bytes(key), value, 0)
        if result:
            raise self._error(result, "stored", key)

    def __delitem__(self, key: Any) -> None:
        result = self._elements.sys_delete(self._bytes(key))
        if result:
            raise self._error(result, "deleted", key)

    def __contains__(self, key: object) -> bool:
        """Of a bloom filter: whether the value may have been added (False is certain)."""
        if self.spec.type == "bloom_filter":
            found = self._elements.sys_lookup(self.value_codec.encode(key, self._value_place))
            if isinstance(found, int) and found not in (0, -errno.ENOENT):
                raise self._error(found, "read", None)
            return not isinstance(found, int) or found == 0
        return super().__contains__(key)

    def pop(self, key: Any = _NONE, default: Any = _NONE) -> Any:
        """Take out what stands at `key`, in one step where the map's type has it; without a key the next of a queue or
        the last of a stack. Without a default, KeyError where there is nothing."""
        if key is _NONE and not self._queued:
            raise self._not("needs a key for pop(); use popitem() for any")
        data = b"" if key is _NONE else self._bytes(key)
        found = self._elements.sys_lookup_and_delete(data)
        if found in (-ENOTSUPP, -errno.EINVAL) and not self._queued:  # an LPM trie, kernels before 5.14
            found = self._elements.sys_lookup(data)
            result = 0 if isinstance(found, int) else self._elements.sys_delete(data)
            found = result or found
        if not isinstance(found, int):
            return self._shown(found)
        if found == -errno.ENOENT and default is not _NONE:
            return default
        raise self._error(found, "deleted", None if key is _NONE else key)

    def popitem(self) -> tuple[Any, Any]:
        """Take out any one entry. KeyError for an empty map."""
        for data in self._any_keys():
            key = self.key_codec.decode(data)
            value = self.pop(key, _NONE if self._row.holds != "data" else None)
            if value is not None:  # None: another took it in between
                return key, value
        raise KeyError(f"map {self.spec.name} is empty")

    def clear(self) -> None:
        """Delete every element that is there when it begins. UsageError for types that lose none."""
        if self._queued:
            while self.pop(default=_NONE_LEFT) is not _NONE_LEFT:
                continue
            return
        for data in self._keys():
            result = self._elements.sys_delete(data)
            if result not in (0, -errno.ENOENT):
                raise self._error(result, "deleted", self.key_codec.decode(data))

    def _any_keys(self) -> Iterator[bytes]:
        """Keys that stand in the map when they are asked for; the first one only, of what is deleted between."""
        self._check_keyed("listed")
        if self._row.holds != "data":
            yield from self._keys()
            return
        while not isinstance(key := self._elements.next_key(None), int):
            yield key
        if key != -errno.ENOENT:
            raise self._listing(key)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        """What stands at `key`; where there is nothing, `default`, which is stored in the same step."""
        while True:
            result = self._store(self._bytes(key), default, NEW)
            if not result:
                return self[key]
            if result != -errno.EEXIST:
                raise self._error(result, "stored", key)
            found = self.get(key, _NONE)
            if found is not _NONE:
                return found

    # types without keys

    def push(self, value: Any, replace: bool = False) -> None:
        """Put `value` into a queue or onto a stack; replace: in place of the oldest where it is full. Into a ring that
        programs drain, bytes or what bytes() accepts."""
        if self.spec.type == "user_ringbuf":
            self._sent_message(value)
            return
        if not self._queued:
            raise self._not("has no push(); store with m[key] = value")
        self._pushed(value, PRESENT if replace else 0)

    def peek(self, default: Any = _NONE) -> Any:
        """What pop() would take, and it stays. Without a default, KeyError where there is nothing."""
        if not self._queued:
            raise self._not("has no peek(); read with m[key]")
        found = self._elements.sys_lookup(b"")
        if not isinstance(found, int):
            return self._shown(found)
        if found == -errno.ENOENT and default is not _NONE:
            return default
        raise self._error(found, "read", None)

    def add(self, value: Any) -> None:
        """Add `value` to a bloom filter."""
        if self.spec.type != "bloom_filter":
            raise self._not("has no add(); store with m[key] = value")
        self._pushed(value, 0)

    def sum(self, key: Any) -> Any:
        """The values of all CPUs at `key` added up; of structs, member by member. UsageError for what is no number."""
        if not self._row.per_cpu:
            raise self._not("has one value for all CPUs; read m[key]")
        try:
            return _added(self[key])
        except TypeError:
            raise UsageError(f"map {self.spec.name}: its values are not numbers, and cannot be added") from None

    # all elements

    def __iter__(self) -> Iterator[Any]:
        """In the map's own order; what is stored or deleted meanwhile changes nothing here."""
        return iter([self.key_codec.decode(key) for key in self._keys()])

    def __len__(self) -> int:
        return len(self._keys())

    def _keys(self) -> list[bytes]:
        self._check_keyed("listed")
        found, key = [], self._elements.next_key(None)
        while isinstance(key, bytes):
            found.append(key)
            key = self._elements.next_key(key)
        if key not in (-errno.ENOENT, 0):
            raise self._listing(key)
        return found if self._row.holds == "data" else [one for one in found if self._is_there(one)]

    def _is_there(self, key: bytes) -> bool:
        """Arrays of what is no data have every index, most of them empty."""
        return not isinstance(found := self._elements.sys_lookup(key), int) or found not in (
            -errno.ENOENT,
            -errno.ENXIO,
        )

    @abstractmethod
    def numpy(self) -> numpy.ndarray[Any, Any]:
        """The values of an array as they lie in memory: a view, by which programs and user space see one another's
        stores. UsageError for maps whose values do not lie in this process's memory."""

    # bytes

    def key_dtype(self) -> Dtype:
        """Of a key in numpy. UsageError for what numpy has no type of."""
        return self._dtype(self.key_codec, "key")

    def value_dtype(self) -> Dtype:
        """Of a value in numpy. UsageError for what numpy has no type of."""
        return self._dtype(self.value_codec, "value")

    def _dtype(self, codec: Codec, what: str) -> Dtype:
        try:
            return codec.dtype()
        except UsageError as error:
            raise UsageError(f"map {self.spec.name} {what}: {error}") from None

    def _bytes(self, key: Any) -> bytes:
        self._check_keyed("asked for a key")
        if self.variables and isinstance(key, str):
            raise KeyError(f"map {self.spec.name} has no variable {key!r}; it has {', '.join(self.variables)}")
        if self.spec.type == "lpm_trie":
            key = Network(self.key_codec.shape, cast("Order", self._endian)).plain(key, self._key_place)
        return self.key_codec.encode(key, self._key_place)

    def _store(self, key: bytes, value: Any, flags: int) -> int:
        return self._elements.sys_update(key, self._given(value), flags)

    def _given(self, value: Any) -> bytes | list[bytes]:
        """What sys_update takes."""
        if self._named:
            if isinstance(value, TypedMap):
                value = value.spec.name
            if not isinstance(value, str):
                raise UsageError(f"{self._value_place}: {an(self.spec.type)} holds names, and {value!r} is none")
            return value.encode(errors="surrogateescape")
        if not self._row.per_cpu:
            return self.value_codec.encode(value, self._value_place)
        if hasattr(value, "tolist"):
            value = value.tolist()
        if not isinstance(value, list | tuple) or len(value) != self.cpus or hasattr(value, "_fields"):
            what = f"{len(value)} values" if isinstance(value, list | tuple) else f"{value!r}"
            raise UsageError(f"{self._value_place}: {what}, and this map's are a list of {self.cpus}, one a CPU")
        return [self.value_codec.encode(one, f"{self._value_place} cpu {cpu}") for cpu, one in enumerate(value)]

    def _shown(self, found: bytes | list[bytes]) -> Any:
        if isinstance(found, list):
            return [self.value_codec.decode(one) for one in found]
        return bytes(found).decode(errors="replace") if self._named else self.value_codec.decode(found)

    def _sent_message(self, value: Any) -> None:
        result = self._elements.send(message_of(self.spec.name, value))
        if result == -errno.ENOSPC:
            raise UsageError(f"map {self.spec.name}: no room for this message; run a program that drains the ring")
        if result:
            raise self._error(result, "stored", None)

    def _pushed(self, value: Any, flags: int) -> None:
        result = self._elements.sys_update(b"", self.value_codec.encode(value, self._value_place), flags)
        if result:
            raise self._error(result, "stored", None)

    # global variables

    def _variable(self, one: Variable) -> Any:
        return one.codec.decode(self._section(), one.offset)

    def _set_variable(self, one: Variable, value: Any) -> None:
        """The section's other variables are read and written back: what programs store there meanwhile is undone."""
        data = bytearray(self._section())
        data[one.offset : one.offset + one.codec.size] = one.codec.encode(value, f"variable {one.name}")
        result = self._elements.sys_update(bytes(4), bytes(data))
        if result:
            raise self._error(result, "stored", one.name)

    def _section(self) -> bytes:
        found = self._elements.sys_lookup(bytes(4))
        if not isinstance(found, bytes):
            raise self._error(found if isinstance(found, int) else -ENOTSUPP, "read", None)
        return found

    # errors

    def _check_keyed(self, done: str) -> None:
        """UsageError for types without keys."""
        if not self.spec.key_size:
            way = {"queue": "push(), pop() and peek()", "stack": "push(), pop() and peek()",
                   "bloom_filter": "add() and `value in map`"}.get(self.spec.type, "a reader")  # fmt: skip
            what = an(self.spec.type)
            raise UsageError(f"map {self.spec.name} cannot be {done}: {what} has no keys; use {way}")

    def _not(self, what: str) -> UsageError:
        """Such a map has, does or takes no such thing."""
        return UsageError(f"map {self.spec.name}: {an(self.spec.type)} map {what}")

    def _listing(self, number: int) -> Exception:
        return self._error(number, "listed", None)

    def _error(self, number: int, done: str, key: Any) -> Exception:
        """What users are told of a negative errno."""
        spec = self.spec
        name = errno.errorcode.get(-number, "ENOTSUPP" if -number == ENOTSUPP else f"errno {-number}")
        where = f"map {spec.name}" if key is None else f"map {spec.name}[{key!r}]"
        if number == -errno.ENOENT:
            return KeyError(f"{where} is empty" if key is None else key)
        if number in (-errno.E2BIG, -errno.ENOSPC) and done == "stored":
            return UsageError(f"{where} cannot be stored: {_full(spec)} ({name})")
        if number == -errno.EPERM:
            return UsageError(f"{where} cannot be {done}: {_forbidden(spec, done)} ({name})")
        if number == -errno.EBADF:
            return UsageError(f"{where} cannot be {done}: {self._row.holds} given is not there ({name})")
        if number in (-errno.EBUSY, -errno.ENOMEM, -errno.EAGAIN):
            return UsageError(f"{where} cannot be {done} now: {_why(number)} ({name})")
        return UsageError(f"{where} cannot be {done}: {an(spec.type)} map does not do that ({name})")


def _full(spec: MapSpec) -> str:
    if "array" in spec.type or spec.type in ("devmap", "cpumap", "xskmap", "sockmap"):
        return f"the map has room for {spec.max_entries} entries, and its last index is {spec.max_entries - 1}"
    return (f"the map has room for {spec.max_entries} entries and is full; delete some, or declare it with a larger "
            "max_entries")  # fmt: skip


def _forbidden(spec: MapSpec, done: str) -> str:
    flag = FLAGS["wronly" if done in ("read", "listed") else "rdonly"]
    if spec.flags & flag:
        return f"its flags ({spec.flags:#x}) forbid it"
    return "it is frozen, or was opened for reading only; give contents before load"


def _why(number: int) -> str:
    return {-errno.EBUSY: "a program is at work on it", -errno.EAGAIN: "a program is at work on it"}.get(
        number, "the kernel has no memory for it"
    )


def _added(values: list[Any]) -> Any:
    first = values[0]
    if isinstance(first, tuple):
        return cast("Any", type(first))(map(_added, map(list, zip(*values, strict=True))))
    if isinstance(first, list):
        return [_added(list(one)) for one in zip(*values, strict=True)]
    return sum(values)


def key_codec(spec: MapSpec, btf: Btf | None, endian: str) -> Codec:
    """Of a map's keys; those of arrays and their like are indexes also where BTF does not say so."""
    found = codec_of(btf, spec.key_type, spec.key_size, endian, hashable=True)
    row = BY_NAME[spec.type]
    if isinstance(found.shape, Raw) and row.key_size == spec.key_size == 4:
        return Codec(Number(4, False, cast("Order", endian)), hashable=True)
    return found


def value_codec(spec: MapSpec, btf: Btf | None, endian: str) -> Codec:
    """Of a map's values; of a data section, a named tuple of its variables."""
    section = section_shape(spec, btf, endian)
    return (
        codec_of(btf, spec.value_type, spec.value_size, endian) if section is None else Codec(section, name="Section")
    )


def variables(spec: MapSpec, btf: Btf | None, endian: str) -> dict[str, Variable]:
    """The global variables of a data section's map, by name; of other maps none."""
    section = section_shape(spec, btf, endian)
    if section is None:
        return {}
    fields = [one for one in section.members if isinstance(one, Field)]
    return {one.name: Variable(one.name, one.offset, Codec(one.shape, name=one.name)) for one in fields}


__all__ = ["ENOTSUPP", "Elements", "TypedMap", "Variable", "key_codec", "value_codec", "variables"]
