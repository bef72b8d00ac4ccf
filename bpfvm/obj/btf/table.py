"""The types of an object (BTF): a list that only grows, so that an id stays what it is.

Types are made with the add methods; each returns the type's id, and asking for an equal type again returns the same
id, so that callers need no bookkeeping:

    btf = Btf()
    u32 = btf.add_typedef("u32", btf.add_int("unsigned int", 4))
    u64 = btf.add_int("unsigned long long", 8)
    char = btf.add_int("char", 1, is_signed=True, is_char=True)
    name = btf.add_array(char, 16)
    stats = btf.add_struct("stats", 24, [("packets", u64, 0), ("comm", name, 8)])     # (name, type, byte offset)
    ctx = btf.add_ptr(btf.add_struct("xdp_md", 24, [...]))
    btf.add_func("count", btf.add_func_proto(btf.add_int("int", 4, is_signed=True), [("ctx", ctx)]))

`MapSpec.key_type` and `value_type` are such ids. Types that refer to themselves are made with `reserve`. The
declarations that a loader wants (section .maps, functions of programs) are added when an object is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.obj.btf.types import (
    GLOBAL,
    Array,
    Const,
    DataSec,
    DeclTag,
    Enum,
    Enum64,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    Member,
    Ptr,
    Restrict,
    SecVar,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Union,
    Var,
    Volatile,
)
from bpfvm.obj.btf.view import POINTER_SIZE as POINTER_SIZE
from bpfvm.obj.btf.view import TypeView, essential_name


class Btf(TypeView):
    """Types by id, from 1; id 0 is void. Two are equal when they hold equal types under equal ids."""

    def __init__(self, types: Iterable[Type] = ()) -> None:
        self._types: list[Type] = list(types)
        self._ids: dict[Type, int] | None = None  # both indexes are made when they are first asked for
        self._names: dict[str, list[int]] | None = None
        self._whole: dict[tuple[type[Type], str], int] = {}  # beside _names, by kind and name with its flavour

    def __len__(self) -> int:
        return len(self._types)

    def __iter__(self) -> Iterator[Type]:
        return iter(self._types)

    def __eq__(self, other: object) -> bool:
        return self._types == other._types if isinstance(other, Btf) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it grows

    def __repr__(self) -> str:
        return f"<Btf of {len(self._types)} types>"

    def __getitem__(self, number: int) -> Type:
        """The type of id `number`; LoadError for void and for ids that are not there."""
        if not 0 < number <= len(self._types):
            raise LoadError(f"there is no BTF type {number}: ids go from 1 to {len(self._types)}")
        return self._types[number - 1]

    def copy(self) -> Btf:
        """An equal list that grows on its own."""
        return Btf(self._types)

    def named(self, essential: str) -> Sequence[int]:
        """The ids of all types whose name without its flavour is `essential`, in order."""
        if self._names is None:
            self._names, self._whole = {}, {}
            for number, one in enumerate(self._types, 1):
                self._index(number, one)
        return self._names.get(essential, ())

    def find(self, kind: type[Type], name: str) -> int | None:
        """The id of the first type of this kind and whole name, or None."""
        self.named("")  # which makes the indexes
        return self._whole.get((kind, name))

    def _index(self, number: int, one: Type) -> None:
        if self._names is not None:
            name = getattr(one, "name", "")
            self._names.setdefault(essential_name(name), []).append(number)
            self._whole.setdefault((type(one), name), number)

    # Adding

    def add(self, one: Type) -> int:
        """The id of a type equal to `one`, appended if there is none yet."""
        if self._ids is None:
            self._ids = {}
            for number, old in enumerate(self._types, 1):
                self._ids.setdefault(old, number)
        known = self._ids.get(one)
        if known is not None:
            return known
        self._ids[one] = len(self._types) + 1
        return self._append(one)

    def _append(self, one: Type) -> int:
        self._types.append(one)
        self._index(len(self._types), one)
        return len(self._types)

    def reserve(self, name: str) -> int:
        """An id for a struct that is defined later with `define`, so that it can hold pointers to itself."""
        return self._append(Fwd(name))

    def define(self, number: int, one: Type) -> None:
        """Put `one` in the place of type `number`."""
        if not 0 < number <= len(self._types):
            raise UsageError(f"there is no BTF type {number} to define")
        self._types[number - 1] = one
        self._ids = self._names = None

    def add_int(
        self,
        name: str,
        size: int,
        *,
        is_signed: bool = False,
        is_char: bool = False,
        is_bool: bool = False,
    ) -> int:
        """An integer of `size` bytes that uses all its bits."""
        return self.add(Int(name, size, size * 8, 0, is_signed, is_char, is_bool))

    def add_float(self, name: str, size: int) -> int:
        return self.add(Float(name, size))

    def add_ptr(self, target: int) -> int:
        """A pointer to type `target`, 0 for void."""
        return self.add(Ptr(target))

    def add_array(self, element: int, count: int) -> int:
        """`count` elements, indexed by the same unsigned integer that clang names __ARRAY_SIZE_TYPE__."""
        return self.add(Array(element, self.add_int("__ARRAY_SIZE_TYPE__", 4), count))

    def add_struct(self, name: str, size: int, members: Iterable[Member | tuple[str, int, int]]) -> int:
        """members: Member, or (name, type id, offset in bytes)."""
        return self.add(Struct(name, size, _members(members)))

    def add_union(self, name: str, size: int, members: Iterable[Member | tuple[str, int, int]]) -> int:
        """members as in add_struct; offsets are 0."""
        return self.add(Union(name, size, _members(members)))

    def add_enum(self, name: str, size: int, values: Iterable[tuple[str, int]]) -> int:
        """Signed where a value is negative. size 8 makes an ENUM64, which kernels know since 6.0."""
        rows = tuple(values)
        kind = Enum64 if size > 4 else Enum
        return self.add(kind(name, size, rows, any(number < 0 for _, number in rows)))

    def add_fwd(self, name: str, *, is_union: bool = False) -> int:
        return self.add(Fwd(name, is_union))

    def add_typedef(self, name: str, target: int) -> int:
        return self.add(Typedef(name, target))

    def add_const(self, target: int) -> int:
        return self.add(Const(target))

    def add_volatile(self, target: int) -> int:
        return self.add(Volatile(target))

    def add_restrict(self, target: int) -> int:
        return self.add(Restrict(target))

    def add_func_proto(self, returns: int, params: Iterable[tuple[str, int]] = ()) -> int:
        """params: (name, type id) in order."""
        return self.add(FuncProto(returns, tuple(params)))

    def add_func(self, name: str, proto: int, linkage: int = GLOBAL) -> int:
        return self.add(Func(name, proto, linkage))

    def add_var(self, name: str, kind: int, linkage: int = GLOBAL) -> int:
        return self.add(Var(name, kind, linkage))

    def add_datasec(self, name: str, size: int, variables: Iterable[SecVar]) -> int:
        return self.add(DataSec(name, size, tuple(variables)))

    def add_decl_tag(self, name: str, target: int, component: int = -1) -> int:
        return self.add(DeclTag(name, target, component))

    def add_type_tag(self, name: str, target: int) -> int:
        return self.add(TypeTag(name, target))


def _members(members: Iterable[Member | tuple[str, int, int]]) -> tuple[Member, ...]:
    return tuple(one if isinstance(one, Member) else Member(one[0], one[1], one[2] * 8) for one in members)
