"""Storage of the kernel's objects: keys that are tasks, inodes, cgroups or sockets, and the helpers that take them."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.maps.keys import Key
from bpfvm.compiler.frontend.pointers import probe
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Bad, MapValue, Maybe, Nullable, Pointer, Reference, Value
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.articles import an
from bpfvm.lang.maps import Map, ObjectStorage
from bpfvm.lang.maps.storages import CREATE
from bpfvm.tables.helpers import allowed

_ABSENT = Ptr("map_value", nullable=True)


def key(f: Translation, owner: MapValue, index: Value, node: ast.expr) -> Key | None:
    """`index` as the object that a value belongs to. None after an error."""
    declared = _storage(owner.declared)
    if isinstance(index, Bad):
        return None
    if isinstance(index, Maybe | Nullable):
        f.may_be_none(node, index)
        return None
    if not _is_allowed(f, declared, node):
        return None
    if isinstance(index, Reference) and index.space == "socket" and declared.owner == "sock":
        return Key(None, None, ("", index.base, index.offset), object=f.pointer(index))
    if not isinstance(index, Pointer) or not declared.is_owner(index.kind.__target__):
        f.error("E020", f"a key of `{owner.name}` is {declared.example}, got {index.described}", node,
                help=f"{owner.name}[{'current()' if declared.owner == 'task_struct' else declared.owner}]")  # fmt: skip
        return None
    if not index.trusted or index.path or index.beyond:
        f.error(
            "E020",
            f"`{f.quoted(node)}` is an address of which the kernel's verifier does not know that {an(declared.owner)} "
            "is there",
            node,
            why=f"the values of `{owner.name}` belong to {declared.owner}s, and helpers take none of unknown origin",
            help="take it from current(), or from an argument of a program on a function, a tracepoint by BTF or LSM",
        )
        return None
    return Key(None, None, ("", index.number.origin), object=probe.address(f, index))


def _is_allowed(f: Translation, declared: ObjectStorage, node: ast.AST) -> bool:
    if allowed(f"{declared.helpers}_get", f.hook.type, f.hook.attach_type) is not False:
        return True
    f.error("E011", f"{type(declared).__name__} is not for programs of type {f.hook.type}", node,
            why=f"the kernel has no bpf_{declared.helpers}_get for them", help="see docs/helpers.md")  # fmt: skip
    return False


def _storage(declared: Map) -> ObjectStorage:
    assert isinstance(declared, ObjectStorage), "asked of those alone"
    return declared


def get(f: Translation, map: Register, declared: Map, one: Key, value: Register | None, create: bool) -> Register:
    """The address of an object's value, 0 without one. create: it is made of what stands at `value`, or of zeros."""
    assert one.object is not None, "its key is an object"
    if create:
        f.stored("")
    given = (map, one.object, f.number(0) if value is None else value, f.number(CREATE if create else 0))
    return f.builder.helper(f"{_storage(declared).helpers}_get", *given, type=_ABSENT)


def remove(f: Translation, map: Register, declared: Map, one: Key) -> Register:
    """Delete an object's value: 0 or a negative errno."""
    assert one.object is not None, "its key is an object"
    f.stored()
    return f.builder.helper(f"{_storage(declared).helpers}_delete", map, one.object)
