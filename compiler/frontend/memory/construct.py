"""Values in memory that a function makes: `Event(pid=1)`, `u8[16]()`, `s64[4](1, 2)`, and copies of others."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bpfvm.compiler.frontend.memory import access, kept, place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, Bad, Number, Reference, Static, Value
from bpfvm.core.articles import an
from bpfvm.lang.types.arrays import ArrayType, is_bytes
from bpfvm.lang.types.convert import is_foreign
from bpfvm.lang.types.layout import Layout, image_of, size_of
from bpfvm.lang.types.memory import contents
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import StructType


def makes(callee: Value) -> bool:
    """Whether a call of it makes a value in memory."""
    if not isinstance(callee, Static):
        return False
    return isinstance(callee.object, Layout) or callee.object is copy.copy or is_foreign(callee.object)


@dataclass(frozen=True, slots=True)
class _Given:
    """What one part of the new value gets: its place, the value, the node that it comes from."""

    place: Place
    value: Value
    node: ast.expr


def call(
    f: Translation, node: ast.Call, callee: Value, values: Sequence[tuple[Value, ast.expr]], named: Mapping[str, Value]
) -> Value:  # fmt: skip
    """The value that a call of a struct or of an array type makes."""
    assert isinstance(callee, Static), "makes has said so"
    kind = callee.object
    if any(isinstance(one, Bad) for one in (*(one for one, _ in values), *named.values())):
        return BAD
    if isinstance(kind, StructType):
        return _struct(f, node, kind, values, named)
    if isinstance(kind, ArrayType):
        return _array(f, node, kind, values, named)
    if kind is copy.copy:
        return _copy(f, node, values)
    name = kind.__name__
    return f.error(
        "E023",
        f"`{name}` is {an('dataclass' if hasattr(kind, '__dataclass_fields__') else 'ctypes structure')}",
        node.func,
        why="its values compute by other rules in CPython: a field keeps what its type does not hold",
        help=f"make a struct of it, outside of the function: {name} = struct({name})",
    )


def _copy(f: Translation, node: ast.Call, values: Sequence[tuple[Value, ast.expr]]) -> Value:
    if len(values) == 1 and isinstance(values[0][0], Reference):
        return copied(f, values[0][0], node)
    what = values[0][0].described if len(values) == 1 else f"{len(values)} values"
    return f.error("E022", f"`copy` takes a struct or an array here, and got {what}", node, help="copy(event)")


def _struct(
    f: Translation, node: ast.Call, kind: StructType, values: Sequence[tuple[Value, ast.expr]],
    named: Mapping[str, Value],
) -> Value:  # fmt: skip
    name = kind.__name__
    if values:
        fields = ", ".join(
            f"{one}={ast.unparse(given)}" for one, given in zip(kind.__members__, node.args, strict=False)
        )
        return f.error("E013", f"`{name}` takes its fields by name", values[0][1], why="CPython would raise TypeError",
                       help=f"{name}({fields})")  # fmt: skip
    return struct(f, node, kind, named, new(f, kind, node))


def struct(f: Translation, node: ast.Call, kind: StructType, named: Mapping[str, Value], made: Reference) -> Value:
    """A struct with fields by name, at the place of `made`."""
    name, fields = kind.__name__, " ".join(kind.__members__)
    unknown = next((one for one in node.keywords if one.arg not in kind.__members__), None)
    if unknown is not None:
        return f.error("E037", f"`{name}` has no field `{unknown.arg}`", unknown.value, help=f"it has {fields}")
    f.target.layouts[kind] = None
    given = [
        _Given(place.member(made, kind.__members__[one.arg or ""]), named[one.arg or ""], one.value)
        for one in node.keywords
    ]
    _fill(f, made, given)
    return made


def _array(
    f: Translation, node: ast.Call, kind: ArrayType, values: Sequence[tuple[Value, ast.expr]],
    named: Mapping[str, Value],
) -> Value:  # fmt: skip
    element, length = kind.__element__, kind.__length__
    if named:
        return f.error("E013", f"`{kind.__name__}` takes no arguments by name", node, help=f"{kind.__name__}(1, 2)")
    if len(values) == 1 and is_bytes(kind) and not isinstance(values[0][0], Number):
        made = new(f, kind, node)
        access.assign(f, made, *values[0], f"the argument of {kind.__name__}")
        return made
    if len(values) > length:
        return f.error(
            "E013",
            f"`{kind.__name__}` takes up to {length} items, and got {len(values)}",
            node,
            why="CPython would raise TypeError here",
            help=f"{element.__name__}[{len(values)}](...)",
        )
    made, step = new(f, kind, node), size_of(element)
    what = f"an item of {kind.__name__}"
    given = [
        _Given(Place(made.part(kind, at * step), element, what), value, place)
        for at, (value, place) in enumerate(values)
    ]
    _fill(f, made, given)
    return made


def new(f: Translation, kind: Layout, node: ast.AST, name: str = "") -> Reference:
    """A new object on the stack, whose bytes are undefined until they are stored."""
    base = f.stack(name or kind.__name__, size_of(kind), node)
    f.target.layouts[kind] = None
    return Reference(kind, "stack", base, objects=frozenset({base.imm}))


def copied(f: Translation, one: Reference, node: ast.AST) -> Reference:
    """An object of its own with the same bytes."""
    made = new(f, one.type, node)
    if kept.is_refused(f, one, node):
        return made
    size = size_of(one.type)
    access.put(f, made, bytes(size), frozenset(access.covered(one.type)))
    access.copy(f, made, one, size)
    return made


def _fill(f: Translation, made: Reference, given: Sequence[_Given]) -> None:
    """Store what was given, and the defaults of the rest: constants first, many of them in one store."""
    image = bytearray(image_of(made.type))
    later: list[_Given] = []
    unknown: set[int] = set()  # bytes that no constant says
    for one in given:
        offset = one.place.at.offset - made.offset
        if not _constant(f, image, one, offset):
            later.append(one)
            if not one.place.bits:
                unknown |= set(range(offset, offset + size_of(one.place.kind)))
    access.put(f, made, bytes(image), frozenset(unknown))
    for one in sorted(later, key=lambda one: one.place.bits > 0):  # the unit of a bit-field may hold bytes of others
        place.write(f, one.place, one.value, one.node)


def _constant(f: Translation, image: bytearray, one: _Given, offset: int) -> bool:
    """Put a constant into the image of the object. False for what is none, or does not fit there."""
    kind, member = one.place.kind, one.place.member
    data = access.constant_bytes(one.value)
    if isinstance(kind, Storage):
        number = f.state.known(one.value).constant if isinstance(one.value, Number) else None
        if number is None or not isinstance(one.value, Number):
            return False
        place.check_fit(f, one.place, one.value, one.node)
        if member is not None and member.bits:
            stored = member.put(int(kind.unpack(bytes(image[offset : offset + kind.size]))), number)
            image[offset : offset + kind.size] = kind.pack(stored)
        else:
            image[offset : offset + kind.size] = kind.pack(number)
        return True
    if data is None or not is_bytes(kind):
        return False
    image[offset : offset + size_of(kind)] = contents(kind, data)
    return True
