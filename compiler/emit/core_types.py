"""The kernel's types in an object: of each struct that programs ask about, the fields that they name.

A loader looks for the same names in the running kernel's types (CO-RE), whatever else those have: so an object holds no
more of a struct than what it reads. Fields of unnamed structs and unions stand in what these are in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from bpfvm.compiler.emit.functions import C_NAMES
from bpfvm.compiler.ir.function import CoreAccess
from bpfvm.core.errors import UsageError
from bpfvm.lang.types.arrays import ArrayType
from bpfvm.lang.types.kernel import Field, KernelArray, KernelStruct
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, bool8, char
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Member, Struct, Union

_Tree: TypeAlias = "dict[str, _Tree]"  # names of fields, and of those inside of each


def _sorted(kind: Any, tree: _Tree) -> _Tree:
    """In the order in which the fields lie, which the kernel wants of BTF."""
    while isinstance(kind, ArrayType | KernelArray):
        kind = kind.__element__
    if not isinstance(kind, KernelStruct):
        return tree
    fields = kind.fields
    order = sorted(tree, key=lambda name: (fields[name].offset * 8 + fields[name].shift, name))
    return {name: _sorted(fields[name].type, tree[name]) for name in order}


class CoreTypes:
    """The structs that some accesses start from, added to `btf`."""

    def __init__(self, btf: Btf, accesses: Iterable[CoreAccess]) -> None:
        self._btf = btf
        self._trees: dict[str, _Tree] = {}
        self._roots: dict[str, KernelStruct] = {}
        for one in accesses:
            self._note(one)
        for name, root in self._roots.items():
            self._trees[name] = _sorted(root, self._trees[name])
        self._ids = {name: self._struct(root, self._trees[name]) for name, root in self._roots.items()}

    def _note(self, one: CoreAccess) -> None:
        root = one.root
        assert isinstance(root, KernelStruct), "a frontend's access knows its type"
        if self._roots.setdefault(one.struct, root) is not root:
            raise UsageError(f"two types {one.struct} of the kernel's in one object: take both from one BTF")
        inside = self._trees.setdefault(one.struct, {})
        for name in one.path:
            inside = inside.setdefault(name, {})

    def place(self, one: CoreAccess) -> tuple[int, str]:
        """The root type's id, and the indexes from there to the field."""
        indexes, inside = [0], self._trees[one.struct]
        for name in one.path:
            indexes.append(list(inside).index(name))
            inside = inside[name]
        return self._ids[one.struct], ":".join(map(str, indexes))

    def _struct(self, kind: KernelStruct, tree: _Tree) -> int:
        members = tuple(self._member(kind.fields[name], inside) for name, inside in tree.items())
        made = Union if kind.__is_union__ else Struct
        name = kind.__name__ if kind.__name__.isidentifier() else ""
        return self._btf.add(made(name, kind.sizeof, members))

    def _member(self, one: Field, inside: _Tree) -> Member:
        return Member(one.name, self._type(one.type, inside), 8 * one.offset + one.shift, one.bits)

    def _type(self, kind: Any, inside: Mapping[str, Any]) -> int:
        match kind:
            case KernelStruct():
                return self._struct(kind, dict(inside))
            case ArrayType() | KernelArray():
                return self._btf.add_array(self._type(kind.__element__, inside), kind.__length__)
            case PointerType():
                return self._btf.add_ptr(self._pointed(kind.__target__))
            case Storage():
                return self._number(kind)
        raise AssertionError(f"{kind} has no fields that are read")

    def _pointed(self, target: Any) -> int:
        """A struct by its name alone, and nothing of anything else: loaders do not compare it."""
        if isinstance(target, KernelStruct) and target.__name__.isidentifier():
            return self._btf.add_fwd(target.__name__, is_union=target.__is_union__)
        return 0

    def _number(self, kind: Storage) -> int:
        if kind is char:
            return self._btf.add_int("char", 1, is_signed=True)
        if kind is bool8:
            return self._btf.add_int("_Bool", 1, is_bool=True)
        return self._btf.add_int(C_NAMES[kind.bits, kind.is_signed], kind.size, is_signed=kind.is_signed)
