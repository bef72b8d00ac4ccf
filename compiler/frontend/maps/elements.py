"""Maps with keys: `m[k]`, `m[k] = v`, `m[k] += v`, `k in m`, `del m[k]`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bpfvm.compiler.frontend.control import flow, heads
from bpfvm.compiler.frontend.maps import atomics, keys, lookups, storages
from bpfvm.compiler.frontend.maps.keys import Key
from bpfvm.compiler.frontend.memory import access, construct, kept, place
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.numbers import arith, compare
from bpfvm.compiler.frontend.numbers.compare import Branches, Operand
from bpfvm.compiler.frontend.translation import Register, Translation
from bpfvm.compiler.frontend.types import Bad, MapValue, Number, Reference, Value, constant
from bpfvm.compiler.ir.types import Ptr
from bpfvm.core.articles import an
from bpfvm.lang.maps import NOEXIST, Array, Hashed, Keyed, LpmTrie, Nested, ObjectStorage
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.layout import Element, Layout, size_of
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage
from bpfvm.tables.helpers import allowed
from bpfvm.tables.maps import BY_NAME

_ABSENT = Ptr("map_value", nullable=True)


@dataclass(frozen=True, slots=True)
class Asked:
    """A map asked for a key. node: the text that asks."""

    map: MapValue
    key: Key
    node: ast.AST

    @property
    def declared(self) -> Keyed:
        """The map."""
        assert isinstance(self.map.declared, Keyed), "asked has said so"
        return self.map.declared

    @property
    def value(self) -> Element:
        """What stands under a key."""
        kind: Element = self.declared.value
        return kind

    @property
    def is_exact(self) -> bool:
        """Whether what is found stands under the key itself, and not under a prefix of it."""
        return not isinstance(self.declared, LpmTrie)

    def place(self, address: Register) -> Place:
        """What stands at the address that a lookup gave."""
        shared = not self.declared.is_per_cpu
        at = Reference(self.value, "map_value", address, shared=shared, home=self.map.timed)  # type: ignore[arg-type]
        return Place(at, self.value, "the element")


def item(f: Translation, owner: MapValue, index: Value, node: ast.Subscript) -> Value:
    """`m[k]`."""
    one = asked(f, owner, index, node, node.slice)
    if one is not None and isinstance(one.declared, Nested):
        return MapValue(f"{owner.name}[...]", one.declared.inner, there(f, one))
    return read(f, one) if one is not None else Bad()


def set_item(
    f: Translation, owner: MapValue, index: Value, target: ast.Subscript, assigned: Value, source: ast.expr
) -> None:  # fmt: skip
    """`m[k] = assigned`."""
    one = asked(f, owner, index, target, target.slice)
    if one is not None and isinstance(one.declared, Nested):
        f.error("E031", f"which maps stand in `{owner.name}` is for user space to say", target,
                help=f"store in the map that stands there: {f.quoted(target)}[k] = v")  # fmt: skip
    elif one is not None:
        write(f, one, assigned, source)


def update(
    f: Translation, owner: MapValue, index: Value | None, node: ast.AugAssign, operand: Callable[[], Value]
) -> None:  # fmt: skip
    """`m[k] op= v`."""
    target = node.target
    if index is None or not isinstance(target, ast.Subscript):
        f.error("E063", f"`{f.quoted(target)}` cannot be assigned to in this version", target, help="m[i] += 1")
        operand()
        return
    one = asked(f, owner, index, target, target.slice)
    if one is None or isinstance(one.declared, Nested):
        if one is not None:
            f.error("E022", f"`{f.quoted(target)}` is a map", target, help=f"{f.quoted(target)}[k] += 1")
        operand()
        return
    if isinstance(one.declared, Array) or one.declared.default is None:
        _update_there(f, one, node, operand)
    else:
        _update_default(f, one, node, operand)


def _update_there(f: Translation, one: Asked, node: ast.AugAssign, operand: Callable[[], Value]) -> None:
    """Where what is there is updated, or the program ends."""
    if isinstance(one.declared, Array) or not isinstance(one.value, Storage):
        atomics.update(f, one.place(there(f, one)), node, operand)
    elif is_known(f, one):
        _update_found(f, one, node, operand)
    else:
        _needs_key(f, one, node)
        operand()


def _update_found(f: Translation, one: Asked, node: ast.AugAssign, operand: Callable[[], Value]) -> None:
    """What is known to be there. What the operand stores or deletes may be that: CPython stores under the key then."""
    mark, before, shape = heads.mark(f), f.stores, one.place(there(f, one))
    if shape.at.shared and atomics.can_be(shape, node.op):
        given = operand()
        if f.stores == before or not f.reachable:
            atomics.add(f, shape, node, given)
            return
        heads.rollback(f, mark)
    old = read(f, one)
    given = operand()
    write(f, one, arith.augmented(f, node, (old, node.target), (given, node.value)), node)


def _needs_key(f: Translation, one: Asked, node: ast.AugAssign) -> None:
    owner, kind = one.map, type(one.declared).__name__
    types = f"{one.declared.key.__name__}, {one.declared.value.__name__}"
    counter = "" if one.declared.value.__name__ == "u64" else f", {one.declared.value.__name__}"
    fixed = f"Counter({one.declared.key.__name__}{counter})          # = Hash({types}, default=0)"
    if isinstance(one.declared, ObjectStorage):
        types = one.declared.value.__name__
        fixed = f"{kind}({types}, default=0)"
    f.error(
        "E032",
        f"`{f.quoted(node)}` needs the key to exist already",
        node,
        why=f"`{owner.name} = {kind}({types})` has no default value: reading a missing key raises KeyError, "
        "which would end the program before anything is counted",
        help=f"{owner.name} = {fixed}",
    )


def _update_default(f: Translation, one: Asked, node: ast.AugAssign, operand: Callable[[], Value]) -> None:
    """Where a missing key counts as a number: nothing is stored before v is there, as in CPython."""
    kind, default = one.value, one.declared.default
    assert isinstance(kind, Storage), "a default is a number"
    assert default is not None, "asked of maps with a default"
    shape = one.place(f.number(0))
    if atomics.can_be(shape, node.op):
        mark, before = heads.mark(f), f.stores
        given = operand()
        if f.stores == before or not f.reachable:
            target = made(f, one, constant(default, atomics.kinds_of(kind)), one.node)
            if one.declared.is_per_cpu:
                old = place.read(f, target)
                computed = arith.augmented(f, node, (old, node.target), (given, node.value))
                place.write(f, target, computed, node)
            else:
                atomics.add(f, target, node, given)
            return
        heads.rollback(f, mark)
    old = read(f, one)
    given = operand()
    write(f, one, arith.augmented(f, node, (old, node.target), (given, node.value)), node)


def made(f: Translation, one: Asked, default: Value, source: ast.AST) -> Place:
    """What stands under a key, after `default` was stored where nothing did."""
    address = lookup(f, one)
    missing, present = f.split("eq", address, f.number(0))
    f.resume(missing)
    again = _added(f, one, default, source)
    full(f, "eq", again, one.map, one.node)
    ways = [one.place(address), one.place(again)]
    assert isinstance(one.node, ast.expr), "a key stands in an expression"
    joined = flow.join_values(f, [present, f.end()], [way.at for way in ways], one.node)
    assert isinstance(joined, Reference), "two places of one type meet in one"
    return replace(ways[0], at=joined)


def _added(f: Translation, one: Asked, value: Value, source: ast.AST) -> Register:
    """The address of what stands under a key that had nothing: `value`, or what another CPU stored meanwhile."""
    if one.key.object is None:
        put(f, one, value, source, flags=NOEXIST)
        return lookup(f, one)
    made = placed(f, one.map, value, source)
    if made is None:
        return f.number(0)
    return storages.get(f, declare(f, one.map, one.node), one.declared, one.key, made, create=True)


def delete(f: Translation, owner: MapValue, index: Value, target: ast.Subscript) -> None:
    """`del m[k]`."""
    one = asked(f, owner, index, target, target.slice)
    if one is None:
        return
    if not isinstance(one.declared, Hashed):
        f.error("E022", f"an element of `{owner.name}` cannot be deleted: {type(one.declared).__name__} keeps all",
                target, help=f"{f.quoted(target)} = 0")  # fmt: skip
        return
    result = remove(f, one)
    f.fault_if("ne", result, f.number(0), "KeyError", f"{owner.name} has no such key", target)


def contains(f: Translation, owner: MapValue, left: Operand, node: ast.expr) -> Branches:
    """`k in m`."""
    one = asked(f, owner, left[0], node, left[1])
    return is_there(f, one) if one is not None else compare.unknown(f)


# What stands under a key


def asked(f: Translation, owner: MapValue, index: Value, node: ast.AST, source: ast.expr) -> Asked | None:
    """The map with a key that it takes. source: the key's text. None after an error."""
    if not isinstance(owner.declared, Keyed):
        kind = type(owner.declared).__name__
        if not isinstance(index, Bad):
            f.error("E022", f"`{owner.name}` is {kind}, which has no items", node, help=owner.declared.usage)
        return None
    if isinstance(owner.declared, Array) and isinstance(node, ast.Subscript) and isinstance(index, Number):
        number = f.state.known(index)
        if not f.exact(number, source):
            return None
        index = _inside(f, owner, number, node)
    find = storages.key if isinstance(owner.declared, ObjectStorage) else keys.key
    one = find(f, owner, index, source)
    return Asked(owner, one, node) if one is not None else None


def _inside(f: Translation, owner: MapValue, index: Number, node: ast.AST) -> Number:
    """The index of an array, after the test that CPython's is."""
    count = owner.declared.max_entries
    inside = Interval(0, count - 1)
    if index.range.within(inside):
        return index
    # one unsigned test: a negative index is past every count when it is read so
    f.fault_if("uge", f.register(index), f.number(count), "IndexError", _outside(owner, index), node)
    if index.range.meet(inside) is not None:
        f.state.learn(index, inside)
        return f.state.known(index)
    return constant(0)  # never reached


def _outside(owner: MapValue, index: Number | None) -> str:
    number = index.constant if index is not None else None
    which = f"index {number}" if number is not None else "the index"
    return f"{which} is outside of {owner.name} ({owner.declared.max_entries} entries)"


def lookup(f: Translation, one: Asked) -> Register:
    """The address of what stands under a key, 0 where nothing does."""
    declared = declare(f, one.map, one.node)
    if one.key.object is not None:
        return storages.get(f, declared, one.declared, one.key, None, create=False)
    if one.key.word is not None and one.map.register is None:
        return f.builder.op("lookup", declared, one.key.word, type=_ABSENT)
    return f.builder.helper("map_lookup_elem", declared, keys.address(f, one.map, one.key, one.node), type=_ABSENT)


def declare(f: Translation, owner: MapValue, node: ast.AST, helper: str = "") -> Register:
    """The map, as helpers take it; `helper` is one that not all programs may call. E011 where the kernel keeps the map,
    or the helper, from such programs."""
    if helper and allowed(helper, f.hook.type, f.hook.attach_type) is False:
        made, hook = type(owner.declared).__name__, f.hook.type
        f.error("E011", f"`{owner.name}` is {made}, which programs of type {hook} cannot use", node,
                why=f"the kernel refuses to load {an(hook)} program that calls bpf_{helper}",
                help="docs/helpers.md says who may call what")  # fmt: skip
    type_name = owner.declared.type
    if f.hook.type == "syscall" and not BY_NAME[type_name].sleepable:
        f.error(
            "E011",
            f"`{owner.name}` is {type(owner.declared).__name__}, which a function of numbers cannot use",
            node,
            why=f"the kernel runs it as a program that may sleep, and keeps maps of type {type_name} from those",
            help="compile the function for another hook: @bpf.xdp",
        )
    if owner.register is not None:
        return owner.register
    f.target.maps[owner.name] = owner.declared.spec(owner.name)
    for kind in (owner.declared.key, owner.declared.value):
        if isinstance(kind, Layout):
            f.target.layouts[kind] = None
    return f.builder.op("map", type=Ptr("map"), named=owner.name)


def there(f: Translation, one: Asked) -> Register:
    """The address of what stands under a key; KeyError, or of an array IndexError, where nothing does."""
    found = known(f, one)
    if found is not None:
        return found
    address = lookup(f, one)
    if isinstance(one.declared, Array):
        f.fault_if("eq", address, f.number(0), "IndexError", _outside(one.map, one.key.number), one.node)
    else:
        f.fault_if("eq", address, f.number(0), "KeyError", f"{one.map.name} has no such key", one.node)
        note(f, one, address)
    return address


def note(f: Translation, one: Asked, address: Register | None) -> None:
    """From here on something stands under a key."""
    if one.is_exact and one.map.register is None and not isinstance(one.declared, Array):
        lookups.note(f.state, one.map.name, one.key.same, address)


def known(f: Translation, one: Asked) -> Register | None:
    """The address of what stands under a key, where that was looked up before."""
    return lookups.known(f, one.map.name, one.key.same) if one.is_exact and one.map.register is None else None


def is_known(f: Translation, one: Asked) -> bool:
    """Whether something stands under a key for certain, which a lookup then finds."""
    return one.is_exact and one.map.register is None and lookups.is_sure(f, one.map.name, one.key.same)


def is_there(f: Translation, one: Asked) -> Branches:
    """Branch on whether anything stands under a key."""
    if known(f, one) is not None:
        return compare.decided(f, True)
    address = lookup(f, one)
    holds, fails = f.split("ne", address, f.number(0))
    if one.map.register is None:
        lookups.note(holds.state, one.map.name, one.key.same, address)
    return [holds], [fails]


def read(f: Translation, one: Asked) -> Value:
    """`m[k]`: the number that stands there, or the struct or array itself."""
    default = one.declared.default
    if default is None or isinstance(one.declared, Array) or known(f, one) is not None:
        return place.read(f, one.place(there(f, one)))
    assert isinstance(one.value, Storage), "a default is a number"
    missing = constant(one.value.unpack(one.value.pack(default)), atomics.kinds_of(one.value))
    return found_or(f, one, missing)


def found_or(f: Translation, one: Asked, missing: Value) -> Value:
    """What stands under a key, `missing` where nothing does."""
    address = lookup(f, one)
    holds, fails = f.split("ne", address, f.number(0))
    f.resume(holds)
    value = place.read(f, one.place(address))
    assert isinstance(one.node, ast.expr), "a value is that of an expression"
    ends = [f.end(), fails]
    if _stores_there(one):
        for end in ends:
            lookups.note_tried(end.state, one.map.name, one.key.same, address)
    return flow.join_values(f, ends, [value, missing], one.node)


def _stores_there(one: Asked) -> bool:
    """Whether storing where a lookup found something is as good as an update: not where that makes room."""
    plain = isinstance(one.value, Storage) and one.key.object is None and one.map.register is None
    return plain and one.is_exact and "lru" not in one.declared.type


def write(f: Translation, one: Asked, value: Value, source: ast.AST) -> None:
    """`m[k] = value`: a copy."""
    if isinstance(value, Bad):
        return
    # a struct of a hash is replaced: what refers to the one before goes on to see that
    found = known(f, one) if isinstance(one.value, Storage) or one.key.object is not None else None
    if isinstance(one.declared, Array):
        found = there(f, one)
    elif found is None and one.key.object is not None:
        found = storages.get(f, declare(f, one.map, one.node), one.declared, one.key, None, create=True)
        full(f, "eq", found, one.map, one.node)
    if found is not None and not (isinstance(one.declared, Array) and kept.holds(one.value)):
        place.write(f, one.place(found), value, source)
        return
    address = lookups.tried(f, one.map.name, one.key.same) if _stores_there(one) else None
    if address is None:
        _put_there(f, one, value, source)
        return
    holds, fails = f.split("ne", address, f.number(0))
    f.resume(holds)
    place.write(f, one.place(address), value, source)
    stored = f.end()
    f.resume(fails)
    _put_there(f, one, value, source)
    flow.enter(f, [stored, f.end()])
    note(f, one, None)


def _put_there(f: Translation, one: Asked, value: Value, source: ast.AST) -> None:
    result = put(f, one, value, source)
    if result is not None:
        full(f, "ne", result, one.map, one.node)
        note(f, one, None)


def full(f: Translation, condition: str, result: Register, owner: MapValue, node: ast.AST) -> None:
    """A fault where there was no room, or the kernel cannot take it now."""
    f.fault_if(condition, result, f.number(0), "MapError", owner.declared.no_room(owner.name), node)


def put(f: Translation, one: Asked, value: Value, source: ast.AST, flags: int = 0) -> Register | None:
    """Store a value under a key: 0 or a negative errno. None after an error."""
    kind = one.value
    is_word = isinstance(kind, Storage) and _is_plain(kind) and one.map.register is None
    word = one.key.word if is_word else None
    if word is not None and isinstance(value, Number) and not flags:
        place.check_fit(f, one.place(f.number(0)), value, source)
        f.stored("map_value")
        lookups.forget(f, one.map.name)
        return f.builder.op("update", declare(f, one.map, one.node), word, f.register(f.state.known(value)))
    made = placed(f, one.map, value, source)
    if made is None:
        return None
    return call(f, "map_update_elem", one, made, f.number(flags))


def _is_plain(kind: Storage) -> bool:
    """Whether a word's low bytes are the number as it is stored."""
    return not kind.is_big and kind.range.hi > 1 and not isinstance(kind, PointerType)


def placed(
    f: Translation, owner: MapValue, value: Value, source: ast.AST, spaces: Sequence[str] = keys.READABLE
) -> Register | None:  # fmt: skip
    """The address of a value that a helper is to store. source: where it comes from. spaces: where the helper takes it
    from; others are copied. None after an error."""
    kind, node = owner.declared.value, source.value if isinstance(source, ast.AugAssign) else source
    assert isinstance(node, ast.expr), "a value comes from an expression"
    if isinstance(value, Bad):
        return None
    if isinstance(kind, PointerType):
        at = Reference(kind, "stack", f.stack(f"value for {owner.name}", kind.size, node))  # type: ignore[arg-type]
        place.write(f, Place(at, kind, "the element"), value, source)
        return at.base
    if isinstance(kind, Storage):
        if not isinstance(value, Number):
            access.wrong(f, kind, value, node, "the element")
            return None
        at = Reference(kind, "stack", f.stack(f"value for {owner.name}", size_of(kind), node))  # type: ignore[arg-type]
        place.check_fit(f, Place(at, kind, "the element"), value, source)
        access.store(f, at, kind, value, node)
        return at.base
    assert kind is not None, "asked of maps with values"
    if isinstance(value, Reference) and value.type is kind and value.space in spaces:
        return None if kept.is_refused(f, value, node) else f.pointer(value)
    made = construct.new(f, kind, node, f"value for {owner.name}")
    access.assign(f, made, value, node, "the element")
    return made.base


def call(f: Translation, helper: str, one: Asked, *arguments: Register) -> Register:
    """r0 of a helper on a map and a key, which changes the map."""
    f.stored("map_value")
    declared = declare(f, one.map, one.node)
    address = keys.address(f, one.map, one.key, one.node)
    result = f.builder.helper(helper, declared, address, *arguments)
    lookups.forget(f, one.map.name)
    return result


def remove(f: Translation, one: Asked) -> Register:
    """Delete what stands under a key: 0 or a negative errno."""
    if one.key.object is None:
        return call(f, "map_delete_elem", one)
    lookups.forget(f, one.map.name)
    return storages.remove(f, declare(f, one.map, one.node), one.declared, one.key)
