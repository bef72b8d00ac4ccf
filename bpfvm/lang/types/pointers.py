"""Pointers into memory that a program cannot load from: `UserPtr[char]` of a process, `KernelPtr[sock]` of the kernel.

A value is an address with the type of what is there. What is read through it is copied by a probe-read helper, and is
zeros where nothing can be read. A pointer to a number, a text or a pointer goes over a row of them, `p[i]`; one to a
struct or an array stands for the struct or the array: `p.field` reads that field, and a field that is a struct or an
array itself is a pointer to it, which reads nothing yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from bpfvm.core.articles import an
from bpfvm.core.bits import M64
from bpfvm.core.errors import UsageError
from bpfvm.lang.active import Machine, machine
from bpfvm.lang.faults import ProbeError
from bpfvm.lang.types.arrays import ArrayType, array_of, is_bytes
from bpfvm.lang.types.kernel import KernelArray, KernelStruct, Opaque
from bpfvm.lang.types.layout import Layout, Own, size_of, stored_as, view
from bpfvm.lang.types.scalars import Storage, char
from bpfvm.lang.types.structs import StructType

SPACES = ("user", "kernel")
POINTER_BITS = 64
MOST_TEXT = 512  # bytes of one text that is read: the stack has no more
ANY: Any = object()  # the target of UserPtr and KernelPtr themselves
Name: TypeAlias = str  # in classes that have a method of that name


class PointerType(Storage):
    """The class of pointer types. They are stored in 8 bytes. __space__: one of SPACES. __target__: what is there, None
    where that is not known: a storage type, a struct, an array, a type of the kernel's, a pointer type."""

    __space__: str
    __target__: Any

    def __getitem__(cls, item: Any) -> Any:
        """`UserPtr[T]`; of such a type, `UserPtr[T][4]` is an array of pointers."""
        if cls.__target__ is ANY:
            return pointer_to(cls.__space__, item)
        return array_of(cls, item)

    def __call__(cls, value: Any = 0) -> Any:
        """The pointer to an address, or to where another pointer points."""
        if isinstance(value, Pointer):
            value = value._address
        elif not isinstance(value, int):
            raise TypeError(f"{cls.__name__} takes an address, not {type(value).__name__}")
        return cls._made(int(value) & M64)

    def _made(cls, number: int) -> Any:
        kind: Any = cls
        made: Any = object.__new__(kind)
        object.__setattr__(made, "_address", number)
        return made

    def pack(cls, value: Any) -> bytes:
        """As it is stored. TypeError for anything but a pointer of the same kind of memory."""
        if not isinstance(value, Pointer) or type(value).__space__ != cls.__space__:
            raise TypeError(f"{cls.__name__} is stored from {an(type(value).__name__)}")
        return value._address.to_bytes(cls.size, "little")

    def wrap(cls, number: int) -> int:
        return number & M64


class Pointer(metaclass=PointerType, bits=POINTER_BITS):
    """A value: what all pointers can do. `bool(p)` is whether it is not null."""

    __slots__ = ("_address",)
    __space__ = ""
    __target__: Any = ANY
    __hash__ = None  # type: ignore[assignment]
    _address: int

    @property
    def value(self) -> int:
        """The address, a plain number. AttributeError where what is there has a field of this name."""
        return _own(self, "value")

    @property
    def addr(self) -> int:
        """The address, a plain number, as `value`."""
        return _own(self, "addr")

    def __bool__(self) -> bool:
        return self._address != 0

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Pointer) and type(other).__space__ == type(self).__space__:
            return self._address == other._address
        raise TypeError(
            f"{type(self).__name__} is compared with {type(other).__name__}: what it points to needs a copy"
        )

    def __getattr__(self, name: Name) -> Any:
        return _none(self, name) if name.startswith("__") and name.endswith("__") else self[name]

    def __getitem__(self, item: Any) -> Any:
        """`p[i]`; `p[a:b]` of an array; `p["name"]` is `p.name`, for names that Python mangles or has itself."""
        cls: Any = type(self)
        if isinstance(item, Name):
            field = fields_of(cls.__target__).get(item)
            if field is None:
                return _none(self, item)
            return _read(cls, self._address + field.offset, field.type, field)
        element, length = elements_of(cls.__target__)
        if element is None:
            raise TypeError(f"what {cls.__name__} points to is not known")
        if isinstance(item, slice):
            return _span(cls, self._address, element, length, item)
        if not isinstance(item, int):
            raise TypeError(f"the index of {cls.__name__} must be an integer, not {type(item).__name__}")
        number = int(item)
        if length is not None and not -length <= number < length:
            raise IndexError(f"index {number} is outside of {cls.__name__}")
        at = number % length if length is not None else number
        return _read(cls, self._address + at * size_of(element), element, None)

    def __len__(self) -> int:
        cls: Any = type(self)
        length = elements_of(cls.__target__)[1]
        if length is None:
            raise TypeError(f"{cls.__name__} has no length")
        return length

    def __iter__(self) -> Any:
        raise TypeError(f"{type(self).__name__} is not iterated over: use an index")

    def __setattr__(self, name: Name, value: Any) -> None:
        raise TypeError(f"{type(self).__name__}: nothing is stored through a pointer")

    def str(self, size: int) -> Any:
        """The text that is there, at most `size` bytes with its zero, as char[size]."""
        _own(self, "str")
        kind = array_of(char, size)
        cls: Any = type(self)
        if not 0 < size <= MOST_TEXT:
            raise ValueError(f"a text of 1 to {MOST_TEXT} bytes is read, not of {size}")
        return view(kind, bytearray(_text(cls.__space__, self._address, size)), 0, True)

    def copy(self) -> Any:
        """All that is there: a struct, an array or a number."""
        _own(self, "copy")
        cls: Any = type(self)
        kind = cls.__target__
        if not isinstance(kind, Storage | Layout):
            raise TypeError(f"{cls.__name__} is not copied as a whole")
        if isinstance(kind, Layout):
            return view(kind, bytearray(fetch(cls.__space__, self._address, size_of(kind))))
        return _read(cls, self._address, kind, None)

    def _contents(self, kind: Any) -> bytes | None:
        """What a place of type `kind` gets that is stored from it; None where it takes no such thing."""
        cls: Any = type(self)
        target, space, size = cls.__target__, cls.__space__, size_of(kind)
        if is_bytes(kind) and target is char:
            return _text(space, self._address, size)
        if is_bytes(kind) and is_bytes(target):
            return fetch(space, self._address, min(size, size_of(target))).ljust(size, b"\0")
        return fetch(space, self._address, size) if target is kind else None

    def __repr__(self) -> Name:
        return f"{type(self).__name__}({self._address:#x})"


class _User(Pointer, metaclass=PointerType, bits=POINTER_BITS):
    __slots__ = ()
    __space__ = "user"


class _Kernel(Pointer, metaclass=PointerType, bits=POINTER_BITS):
    __slots__ = ()
    __space__ = "kernel"


T = TypeVar("T")
if TYPE_CHECKING:

    class _Any(Generic[T]):
        def __init__(self, value: int | _Any[Any] = 0) -> None: ...
        @property
        def value(self) -> int: ...
        @property
        def addr(self) -> int: ...
        def __bool__(self) -> bool: ...
        def __getitem__(self, item: Any) -> Any: ...
        def __getattr__(self, name: Name) -> Any: ...
        def str(self, size: int) -> Any: ...
        def copy(self) -> Any: ...

    class UserPtr(_Any[T]):
        """A pointer into the memory of a process."""

    class KernelPtr(_Any[T]):
        """A pointer into the memory of the kernel."""
else:
    UserPtr, KernelPtr = _User, _Kernel
    UserPtr.__name__, KernelPtr.__name__ = "UserPtr", "KernelPtr"
    UserPtr.__doc__, KernelPtr.__doc__ = (
        "A pointer into the memory of a process: UserPtr[char].",
        "A pointer into the memory of the kernel: KernelPtr[sock].",
    )


_made: dict[tuple[str, Any], PointerType] = {}
_BASES: dict[str, Any] = {"user": _User, "kernel": _Kernel}


def pointer_to(space: str, target: Any) -> Any:
    """The type of pointers to `target`, None for what is not known. UsageError for what no pointer type has."""
    kind = None if target in (None, type(None)) else char if target in (str, bytes) else target
    if kind is not None and not isinstance(kind, Storage | Layout | KernelStruct | KernelArray | Opaque | Own):
        stored = stored_as(kind)
        if not isinstance(stored, Storage | Layout):
            what = _BASES[space].__name__
            raise UsageError(
                f"{what}[{target!r}]: name what it points to: a storage type, char, a struct, a kernel type"
            )
        kind = stored
    if (space, kind) not in _made:
        base = _BASES[space]
        name = f"{base.__name__}[{getattr(kind, '__name__', None)}]"
        names = {"__slots__": (), "__space__": space, "__target__": kind, "__module__": __name__}
        _made[space, kind] = PointerType(name, (base,), names, bits=POINTER_BITS)
        if isinstance(kind, Own):
            kind.waiting.append(partial(_resolved, space, kind))
    return _made[space, kind]


def _resolved(space: str, own: Own, made: Layout) -> None:
    """Let the pointer that a struct has to itself point to what it is now."""
    one = _made.pop((space, own))
    one.__target__, one.__name__ = made, f"{_BASES[space].__name__}[{made.__name__}]"
    _made[space, made] = one


def fields_of(target: Any) -> Mapping[str, Any]:
    """The fields of what a pointer points to, by name: structs.Member or kernel.Field; none of other types."""
    if isinstance(target, StructType):
        return target.__members__
    return target.fields if isinstance(target, KernelStruct) else {}


def elements_of(target: Any) -> tuple[Any, int | None]:
    """What `p[i]` is, and how many there are: of an array its elements, else a row whose end nobody knows."""
    if isinstance(target, ArrayType | KernelArray):
        return target.__element__, target.__length__ or None
    return (None if target is ANY else target), None


def is_place(kind: Any) -> bool:
    """Whether a value of the type is not read at once: a pointer to it stands for it."""
    return not isinstance(kind, Storage)


def fetch(space: str, address: int, size: int) -> bytes:
    """`size` bytes from an address on, zeros where they cannot be read."""
    on = machine("a pointer")
    place = on.place(bytes(size))
    _done(on, on.helper(f"probe_read_{space}", place, size, address), space, address)
    return on.load(place, size)


def _text(space: str, address: int, size: int) -> bytes:
    on = machine("a pointer")
    place = on.place(bytes(size))
    result = on.helper(f"probe_read_{space}_str", place, size, address)
    _done(on, result if result >> 63 else 0, space, address)
    return on.load(place, size)


def _done(on: Machine, result: int, space: str, address: int) -> None:
    if result and on.probe_faults:
        raise ProbeError(f"{space} memory cannot be read")


def _read(cls: PointerType, address: int, kind: Any, field: Any) -> Any:
    """What stands at an address: a number or a pointer; a struct or an array as a pointer to it."""
    if is_place(kind):
        return pointer_to(cls.__space__, kind)(address & M64)
    found = kind.unpack(fetch(cls.__space__, address & M64, kind.size))
    return field.part(int(found)) if field is not None and field.bits else found


def _span(cls: PointerType, address: int, element: Any, length: int | None, item: slice) -> Any:
    """The elements of a slice, as an array."""
    start = 0 if item.start is None else int(item.start)
    stop = length if item.stop is None else int(item.stop)
    if item.step is not None or not isinstance(element, Storage | Layout):
        raise TypeError(f"{cls.__name__} has no such slice")
    if stop is None or not 0 <= start < stop or (length is not None and stop > length):
        raise IndexError(f"the slice [{item.start}:{item.stop}] is not inside of {cls.__name__}")
    kind = array_of(element, stop - start)
    return view(
        kind, bytearray(fetch(cls.__space__, (address + start * size_of(element)) & M64, size_of(kind))), 0, True
    )


def _own(pointer: Pointer, name: str) -> int:
    """The address, where `name` is not also that of a field."""
    cls: Any = type(pointer)
    if name in fields_of(cls.__target__):
        raise AttributeError(f"{name} is a field of {cls.__target__.__name__} and a name of pointers: [{name!r}]")
    return pointer._address


def _none(pointer: Pointer, name: str) -> Any:
    cls: Any = type(pointer)
    raise AttributeError(f"{cls.__name__} points to nothing with a field {name!r}")
