"""Keys of maps: numbers in registers, others at addresses. A key is never cut: what may not fit is an error."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from bpfvm.compiler.frontend.memory import access, construct, place
from bpfvm.compiler.frontend.memory.standing import SPACES, Standing
from bpfvm.compiler.frontend.numbers import addresses
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import INT, Bad, MapValue, Maybe, Nullable, Number, Reference, Tuple, Value
from bpfvm.core.amounts import octets
from bpfvm.lang.maps import Hash
from bpfvm.lang.maps.trie import ip4prefix
from bpfvm.lang.types.arrays import is_bytes
from bpfvm.lang.types.layout import Layout, size_of
from bpfvm.lang.types.scalars import Storage, bool8

READABLE = ("stack", "packet", "map_value")  # spaces whose addresses helpers take (verifier.c, map_key_value_types)


@dataclass(frozen=True, slots=True)
class Key:
    """One key. word: of a number in host order; else place: where it lies; or object: the address of the kernel's
    object that it is. same: equal for keys that are equal for certain, None where that is not known."""

    word: Register | None
    place: Reference | None
    same: object
    number: Number | None = None
    object: Register | None = None


def key(
    f: Translation, owner: MapValue, index: Value, node: ast.expr, part: Storage | Layout | None = None
) -> Key | None:  # fmt: skip
    """`index` as a key of the map; part: as that part of it, of histograms. None after an error."""
    kind = part or owner.declared.key
    if isinstance(index, Bad):
        return None
    if isinstance(index, Maybe | Nullable):
        f.may_be_none(node, index)
        return None
    if isinstance(kind, Storage):
        return _number(f, owner, kind, index, node)
    assert isinstance(kind, Layout), "a map that is asked for a key has them"
    if isinstance(index, Reference) and index.type is kind:
        same = Standing(index.space, index.base, index.offset, size_of(kind)) if index.space in SPACES else None
        return Key(None, _readable(f, index, node), same)
    data = access.constant_bytes(index)
    if data is not None and is_bytes(kind):
        return _text(f, owner, kind, data, node)
    if is_bytes(kind) and isinstance(index, Reference) and is_bytes(index.type) and _shorter(index.type, kind):
        made = construct.new(f, kind, node, f"key of {owner.name}")
        access.assign(f, made, index, node, f"a key of `{owner.name}`")
        return Key(None, made, None)
    _wrong(f, owner, kind, index, node)
    return None


def _shorter(one: Layout, other: Layout) -> bool:
    return size_of(one) <= size_of(other)


def _number(f: Translation, owner: MapValue, kind: Storage, index: Value, node: ast.expr) -> Key | None:
    if not isinstance(index, Number):
        _wrong(f, owner, kind, index, node)
        return None
    known = f.state.known(index).as_kinds(INT)
    if not f.exact(known, node):
        return None
    if not known.range.within(kind.range) and not place.is_bits(known, kind):
        f.error(
            "E021",
            f"`{f.quoted(node)}` may not fit {kind.__name__}, the key of `{owner.name}`",
            node,
            why=f"it {f.lies(known.range)}, and a key is never cut: another one would be meant",
            help=f"cut it knowingly: {_written(owner, kind, f'{kind.plain}({f.quoted(node)})')}\n"
            f"or bound it: assert {f.operand(node)} <= {kind.max}",
        )
        return None
    same = known.constant if known.constant is not None else ("", index.origin)
    if kind.is_big or kind is bool8:
        made = Reference(kind, "stack", f.stack(f"key of {owner.name}", kind.size, node))  # type: ignore[arg-type]
        access.store(f, made, kind, known, node)
        return Key(None, made, same, known)
    return Key(f.register(known), None, same, known)


def _written(owner: MapValue, kind: Storage | Layout, key: str) -> str:
    """How a program asks for a key, or for that part of it."""
    return f"{owner.name}[{key}]" if kind is owner.declared.key else f"{owner.name}.add({key}, n)"


def _readable(f: Translation, one: Reference, node: ast.expr) -> Reference:
    """Where a helper can read it."""
    return one if one.space in READABLE else construct.copied(f, one, node)


def _text(f: Translation, owner: MapValue, kind: Layout, data: bytes, node: ast.expr) -> Key | None:
    size = size_of(kind)
    if len(data) > size:
        f.error(
            "E021",
            f"`{f.quoted(node)}` has {octets(len(data))}, and a key of `{owner.name}` has {size}",
            node,
            why="a key is never cut: another one would be meant",
            help=_written(owner, kind, repr(data[:size])),
        )
        return None
    made = construct.new(f, kind, node, f"key of {owner.name}")
    access.put(f, made, data.ljust(size, b"\0"))
    return Key(None, made, data)


def _wrong(f: Translation, owner: MapValue, kind: Storage | Layout, index: Value, node: ast.expr) -> None:
    """E020: a key of another type."""
    name, size = kind.__name__, size_of(kind)
    got = "a number" if isinstance(index, Number) else index.described
    text = f.quoted(node)
    first = next(iter(getattr(kind, "__members__", {})), "")
    if isinstance(index, Number) and owner.declared.type == "lpm_trie" and kind is ip4prefix:
        hint = f"{owner.name}[{name}(length=32, address={text})]"
    elif isinstance(index, Tuple):
        hint = _of_several(f, owner, kind, index, node)
    elif isinstance(kind, Storage) and addresses.number(f, index, node):
        hint = f"{owner.name}[{addresses.number(f, index, node)}]"
    elif first and isinstance(index, Number):
        hint = _written(owner, kind, f"{name}({first}={text})")
    elif isinstance(kind, Storage):
        hint = f"{_written(owner, kind, 'i')}, with i from {kind.min} to {kind.max}"
    else:
        hint = _written(owner, kind, 'b"..."' if is_bytes(kind) else f"{name}(...)")
    f.error("E020", f"key of `{owner.name}` must be `{name}` ({octets(size)}), got {got}", node, help=hint)


def _of_several(f: Translation, owner: MapValue, kind: Storage | Layout, index: Tuple, node: ast.expr) -> str:
    """What to write for a tuple: several numbers are one key as a struct."""
    members = list(getattr(kind, "__members__", {}))
    texts = [f.quoted(one) for one in node.elts] if isinstance(node, ast.Tuple) else ["..."] * len(index.items)
    if len(members) == len(texts):
        given = ", ".join(f"{name}={text}" for name, text in zip(members, texts, strict=True))
        return f"{owner.name}[{kind.__name__}({given})]"
    kind_of_map = type(owner.declared).__name__ if isinstance(owner.declared, Hash) else "Hash"
    return (
        "a key of several numbers is a struct:\n@struct\nclass Key: ...\n"
        f"{owner.name} = {kind_of_map}(Key, ...)\n...  {owner.name}[Key(...)]"
    )


def address(f: Translation, owner: MapValue, one: Key, node: ast.AST) -> Register:
    """Where a helper can read it."""
    if one.place is not None:
        return f.pointer(one.place)
    kind = owner.declared.key
    assert isinstance(kind, Storage), "only numbers are words"
    assert one.word is not None, "a key is a word or a place"
    made = f.stack(f"key of {owner.name}", kind.size, node)
    f.store(made, one.word, kind.bits)
    return made
