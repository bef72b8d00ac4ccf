"""Atomic operations with a result: `bpf.fetch_add(m, k, n)`, `bpf.xchg(e, "state", 1)`, `bpf.cmpxchg(m, k, a, b)`."""

from __future__ import annotations

import ast

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.maps import atomics, elements
from bpfvm.compiler.frontend.memory import access, items, place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import (
    BAD,
    Bad,
    MapValue,
    Maybe,
    Nullable,
    Number,
    Reference,
    Static,
    Value,
    constant,
)
from bpfvm.lang.helpers.atomics import Fetch
from bpfvm.lang.maps import Keyed
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import StructType


def call(f: Translation, node: ast.Call, fetch: Fetch, given: Arguments) -> Value:
    """The old value."""
    name, count, written = fetch.name, 2 + fetch.numbers, f.quoted(node.func)
    if given.named or len(given.values) != count:
        return f.error("E013", f"`{written}` takes {count} arguments here", node,
                       help=f"{written}(m, k, {'old, ' * (count > 3)}n)")  # fmt: skip
    if any(isinstance(one, Bad) for one in given.values):
        return BAD
    one = _place(f, node, given)
    if one is None:
        return BAD
    kind = one.kind
    if not atomics.is_wide(one) or not isinstance(kind, Storage):
        return f.error("E022", f"{one.what} is no number of 32 or 64 bits, in host order", given.nodes[0],
                       why="the instructions take no others", help="declare it u32 or u64")  # fmt: skip
    if not atomics.is_aligned(one):
        return f.error("E022", f"{one.what} may stand at an address that is no multiple of {kind.size}", given.nodes[0],
                       why="the instructions take no others",
                       help="declare the struct without packed=True, or put the field before smaller ones")  # fmt: skip
    numbers = []
    for value, source in zip(given.values[2:], given.nodes[2:], strict=True):
        if isinstance(value, Maybe | Nullable):
            return f.may_be_none(source, value)
        if not isinstance(value, Number):
            access.wrong(f, kind, value, source, one.what)
            return BAD
        if name in ("xchg", "cmpxchg"):
            place.check_fit(f, one, value, source)
        numbers.append(f.register(f.state.known(value)))
    f.stored(one.at.space)
    old = f.builder.op(f"atomic_{name}{kind.bits}", f.pointer(one.at), *numbers)
    if kind.is_signed and kind.bits == 32:
        old = f.op("sext32", old)
    return Number(atomics.kinds_of(kind), kind.range, f.typed(kind.range, old))


def _place(f: Translation, node: ast.Call, given: Arguments) -> Place | None:
    """What is operated on. None after an error."""
    owner, key, source = given.values[0], given.values[1], given.nodes[0]
    target = ast.copy_location(ast.Subscript(source, given.nodes[1], ast.Load()), node)
    if isinstance(owner, MapValue) and isinstance(owner.declared, Keyed):
        one = elements.asked(f, owner, key, target, given.nodes[1])
        if one is None:
            return None
        if not one.is_exact and isinstance(one.value, Storage):
            f.error("E022", f"`{f.quoted(node.func)}` takes the number under the key itself, and `{owner.name}` finds "
                    "what stands under a prefix", source,
                    why="CPython would store a new entry under the key then",
                    help=f"m[k] = {owner.name}[k] + 1")  # fmt: skip
            return None
        kind, default = one.value, one.declared.default
        if default is None or not isinstance(kind, Storage):
            return one.place(elements.there(f, one))
        return elements.made(f, one, constant(default, atomics.kinds_of(kind)), target)
    if isinstance(owner, Nullable):
        f.may_be_none(source, owner)
        return None
    if not isinstance(owner, Reference):
        f.error("E022", f"`{f.quoted(node.func)}` takes a map, a struct or an array, and `{f.quoted(source)}` is "
                f"{owner.described}", source, help=f"{f.quoted(node.func)}(m, k, 1)")  # fmt: skip
        return None
    if owner.fixed:
        f.error("E031", f"`{f.quoted(source)}` lies in memory that can only be read", source, help="operate on a copy")
        return None
    if isinstance(owner.type, StructType):
        name = key.object if isinstance(key, Static) else None
        member = owner.type.__members__.get(name) if isinstance(name, str) else None
        if member is None:
            fields = " ".join(owner.type.__members__)
            f.error("E037", f"`{owner.type.__name__}` has no field {f.quoted(given.nodes[1])}", given.nodes[1],
                    help=f"it has {fields}")  # fmt: skip
            return None
        return place.member(owner, member)
    return items.item(f, owner, key, target)
