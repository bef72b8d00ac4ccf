"""What all declared maps have: a type of the kernel's, types of keys and values, a size, a name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entry
from bpfvm.lang import userspace
from bpfvm.lang.active import Machine, active
from bpfvm.lang.faults import MapError
from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.layout import Bits, Element, size_of, stored_as, view
from bpfvm.lang.types.memory import contents
from bpfvm.lang.types.scalars import Storage, addressed
from bpfvm.lang.userspace import Store, UserSide
from bpfvm.obj.model import MapSpec

MAX_ENTRIES = (1 << 32) - 1  # max_entries is a u32 (union bpf_attr)
NOEXIST = 1  # BPF_NOEXIST of map_update_elem: store under a new key alone

__all__ = ["MAX_ENTRIES", "NOEXIST", "Contents", "Map", "MapError", "Memory", "checked", "element"]


Contents: TypeAlias = "Mapping[Any, Any] | Iterable[tuple[Any, Any]]"  # what stands in a map from the start, by key


def pairs(contents: Contents | None) -> tuple[tuple[Any, Any], ...]:
    """Keys with their values. A struct cannot be a dict's key, so that pairs are taken as well."""
    return tuple(contents.items() if isinstance(contents, Mapping) else contents or ())


class Map:
    """A declared map. name: given, or taken from the variable under which the first program finds it.

    key, value: how they lie in memory; None for types without. is_per_cpu: each CPU has values of its own.
    """

    type: str  # a row of tables.maps
    flags = 0
    is_per_cpu = False
    usage = ""  # how it is used, for messages
    key: Element | None = None
    value: Element | None = None
    max_entries: int
    name: str | None
    _behind: Store | None = None  # outside of programs: of a map that was found in another one

    def __init__(self, max_entries: int, name: str | None = None) -> None:
        if not isinstance(max_entries, int) or not 0 < max_entries <= MAX_ENTRIES:
            raise UsageError(f"{type(self).__name__}: max_entries must be from 1 to {MAX_ENTRIES}, not {max_entries!r}")
        self.max_entries, self.name = max_entries, name

    @property
    def called(self) -> str:
        """Its name in messages."""
        return self.name or f"{type(self).__name__}({', '.join(self._kinds)})"

    @property
    def _kinds(self) -> list[str]:
        kinds = (self.key, self.value, getattr(self, "event", None))
        return [one.__name__ for one in kinds if one is not None]

    def no_room(self, name: str) -> str:
        """What a MapError says of a store that finds no room."""
        return f"{name} takes no more entries ({self.max_entries})"

    def spec(self, name: str) -> MapSpec:
        """The map as an object holds it, but for what its BTF says."""
        key, value = (size_of(one) if one is not None else 0 for one in (self.key, self.value))
        return MapSpec(name, self.type, key, value, self.max_entries, self.flags, entries=self.entries())

    def entries(self) -> tuple[Entry, ...]:
        """What stands in it from the start."""
        return ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join([*self._kinds, str(self.max_entries)])}, name={self.name!r})"

    def __iter__(self) -> Any:
        raise UsageError(f"map {self.called}: {type(self).__name__} is not iterated inside a program")

    def __len__(self) -> int:
        if active() is None:
            raise TypeError(f"map {self.called}: {an(type(self).__name__)} has no len()")
        raise UsageError(f"map {self.called}: len() of a map is its capacity in BPF: use .max_entries")

    def __bool__(self) -> bool:
        return True

    def _machine(self) -> Machine:
        """The machine that runs a program now; else what user space has of the map. UsageError where there is none."""
        return active() or cast("Machine", self._outside())

    def _outside(self) -> UserSide:
        """The map in user space: while something that uses it is attached, and after."""
        return UserSide(self._store_behind(), self.called)

    def _store_behind(self) -> Store:
        store = self._behind or userspace.store_of(self)
        if store is None:
            raise userspace.not_in_use(self.called)
        return store


def checked(owner: Map) -> None:
    """UsageError for a map that cannot hold what it is to hold from the start."""
    try:
        found = owner.entries()
    except (TypeError, ValueError, LookupError, OverflowError) as error:
        raise UsageError(f"{type(owner).__name__}: contents: {error}") from None
    if len(found) > owner.max_entries:
        raise UsageError(f"{type(owner).__name__}: {len(found)} contents, and max_entries is {owner.max_entries}")


class Memory:
    """Memory of the machine that runs, sliced like a bytearray: what views of a map's values are views of."""

    __slots__ = ("_on",)

    def __init__(self, on: Machine) -> None:
        self._on = on

    def __getitem__(self, part: slice) -> bytes:
        return self._on.load(part.start, part.stop - part.start)

    def __setitem__(self, part: slice, data: bytes) -> None:
        self._on.store(part.start, data)


def element(owner: str, role: str, kind: Any) -> Element:
    """The type of a key or of a value, as it was declared. UsageError for what cannot lie in memory."""
    found = stored_as(kind)
    if found is None or isinstance(found, Bits):
        raise UsageError(
            f"{owner}: the {role} type must be a storage type such as u64, an array such as char[16] or a struct, "
            f"not {kind!r}"
        )
    return found


def loaded(on: Machine, kind: Element, address: int) -> Any:
    """The number at an address of a machine, or a live view of the struct or array there."""
    if isinstance(on, UserSide):
        return on.value(kind, address)
    if isinstance(kind, Storage):
        return kind.unpack(on.load(address, kind.size))
    return view(kind, Memory(on), address)


def packed(kind: Element, value: Any) -> bytes:
    """The bytes of a value: a number mod 2**bits, a struct or an array as it is."""
    return kind.pack(value) if isinstance(kind, Storage) else contents(kind, value)


def key_bytes(owner: Map, key: Any) -> bytes:
    """The bytes of a key of a map that has them. It is never cut: what does not fit is an error of the function.

    A number of C's that is no wider than the key, with the other sign, stands for its bits; others do not compile. Of a
    be32 it is also an address, in user space.
    """
    kind = owner.key
    assert kind is not None, "it has keys"
    if isinstance(kind, Storage):
        key = addressed(kind, key)
        if not isinstance(key, int):
            raise TypeError(f"a key of {owner.called} is {an(kind.__name__)}, not {an(type(key).__name__)}")
        if int(key) not in kind.either:
            raise OverflowError(f"the key {int(key)} of {owner.called} does not fit {kind.__name__}")
        return kind.pack(key)
    if is_bytes(kind) and len(bytes(key, "utf-8") if isinstance(key, str) else bytes(key)) > size_of(kind):
        raise OverflowError(f"a key of {owner.called} has {octets(size_of(kind))}")
    return contents(kind, key)
