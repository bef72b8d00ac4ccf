"""`pkt` and views of it: headers by the tables of lang.packets.headers, bytes by their place."""

from __future__ import annotations

import ast
import difflib
from dataclasses import replace

from bpfvm.compiler.frontend.calls import Arguments
from bpfvm.compiler.frontend.control import flow
from bpfvm.compiler.frontend.control.heads import drifts
from bpfvm.compiler.frontend.memory import access, items, overwritten, standing
from bpfvm.compiler.frontend.memory import place as places
from bpfvm.compiler.frontend.memory.items import Span
from bpfvm.compiler.frontend.memory.place import Place
from bpfvm.compiler.frontend.numbers import arith
from bpfvm.compiler.frontend.numbers.compare import Branches, ordered
from bpfvm.compiler.frontend.numbers.ranges import COMPARISONS
from bpfvm.compiler.frontend.packets import fetch, moves, window
from bpfvm.compiler.frontend.pointers import context
from bpfvm.compiler.frontend.translation import Translation
from bpfvm.compiler.frontend.types import BAD, INT, Bad, Callee, Number, Reference, Static, Value, View, constant
from bpfvm.core.articles import an
from bpfvm.core.span import Span as TextSpan
from bpfvm.lang.packets.calls import CALLS
from bpfvm.lang.packets.headers import DATA, FARTHEST, HEADERS, META, NAMED, ROOTS, Header, Layer, Part
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.interval import Interval, add, of_bits
from bpfvm.lang.types.layout import Layout, size_of
from bpfvm.lang.types.scalars import Storage, u8
from bpfvm.lang.types.structs import Member
from bpfvm.tables.ctx import CONTEXTS

_EQUAL, _LESS = COMPARISONS[ast.Eq], COMPARISONS[ast.Lt]
# struct xdp_md gives both ends as u32, and __sk_buff the length, so that is what a length can be at most.
_LENGTH = of_bits(32, signed=False)
_INSIDE = Interval(0, FARTHEST)
# Fields that say which protocol follows, and headers where the like says something else
_TELLING, _OTHERWISE = ("type", "proto", "next"), ("icmp", "icmp6")


def attribute(f: Translation, view: View, node: ast.Attribute) -> Value:
    """`pkt.ip`, a header; `pkt.ip.proto`, a number; `pkt.ip.is_tcp`, a bool; `pkt.at`, to be called."""
    header = view.header
    if node.attr in header.layers:
        return _layer(f, view, header.layers[node.attr], node)
    member = header.field(node.attr)
    if member is not None:
        return _read(f, view, member, node)
    if header.test(node.attr) is not None:
        return flow.truth_value(f, test(f, view, node) or ([], []), node)
    if node.attr == META.name and header.name in ROOTS.values():
        return _metadata(f, node)
    call = CALLS.get(node.attr) if header.name in ROOTS.values() else None
    if call is not None:
        return Callee(node.attr, lambda f, node, given: moves.call(f, call, node, given))
    if node.attr == "at":
        return Callee("at", lambda f, node, given: _at(f, view, node, given))
    return _no_such(f, view, node)


def _metadata(f: Translation, node: ast.Attribute) -> Value:
    """`pkt.meta`: what stands before the packet."""
    structure = CONTEXTS[f.hook.program_type.context or ""]
    if structure.open("data_meta", False, f.hook.type, f.hook.attach_type) is not None:
        return View(META, 0)
    text = f"{an(f.hook.type)} program sees no metadata before the packet"
    return f.error("E037", text, f.last_name(node), help="xdp and tc programs do")


def test(f: Translation, view: View, node: ast.Attribute) -> Branches | None:
    """Branch on `pkt.ip.is_tcp`. None where the attribute is no such test."""
    layer = view.header.test(node.attr)
    member = view.header.field(layer.when) if layer is not None else None
    if layer is None or member is None:
        return None
    number = _number(f, view, member, f.last_name(node))
    holds, fails = [], [f.end()]
    for one in layer.values:
        flow.enter(f, fails)
        more, fails = ordered(f, _EQUAL, f.state.known(number), constant(one))
        holds += more
        if not fails:  # a test before has told which it is
            break
    return holds, fails


def _no_such(f: Translation, view: View, node: ast.Attribute) -> Bad:
    near = [f"{f.quoted(node.value)}.{way}" for way in _behind_others(view.header, node.attr)]
    near = near or difflib.get_close_matches(node.attr, view.header.offered, 1)
    meant = " or ".join(f"`{one}`" for one in near)
    hint = (f"did you mean {meant}? " if near else "") + f"`{_name(view)}` offers {view.header.names}"
    text = f"`{f.quoted(node.value)}` has no layer or field `{node.attr}`"
    return f.error("E037", text, f.last_name(node), help=hint)


def _behind_others(header: Header, name: str) -> list[str]:
    """Where a header or field of this name stands behind one that `header` offers, or the one behind that: the two
    nearest."""
    ways = {"": header}
    for _ in range(2):
        ways = {f"{way}{one}.": HEADERS[layer.header] for way, at in ways.items() for one, layer in at.layers.items()}
        found = [way + name for way, at in ways.items() if name in at.layers or at.field(name) is not None]
        if found:
            return found[:2]
    return []


def _name(view: View) -> str:
    return "pkt" if view.header.name in ROOTS.values() else view.header.name


def _layer(f: Translation, view: View, layer: Layer, node: ast.Attribute) -> View:
    """The header behind this one; where bytes of this one tell how far, they are read once."""
    _warn_untested(f, view, layer, node)
    key = (view.header, view.base, view.moved.origin if view.moved is not None else None, node.attr)
    known, stores = f.state.packet.layers.get(key, (None, 0)) if f.state.packet is not None else (None, 0)
    if known is not None and stores == f.stores:
        return known
    found = _behind(f, view, layer, node)
    if layer.parts and f.state.packet is not None:
        layers = {**f.state.packet.layers, key: (found, f.stores)}
        f.state.packet = replace(f.state.packet, layers=layers)
    return found


def _warn_untested(f: Translation, view: View, layer: Layer, node: ast.Attribute) -> None:
    """W120 where the program asks which layer follows, and the way here is none on which it is this one."""
    member = view.header.field(layer.when)
    if member is None or layer.when not in _TELLING or view.header.name in _OTHERWISE:
        return
    whole = of_bits(member.bits or 8 * member.size, signed=False)
    place = _read_at(view, member)
    shown = flow.told(f, f.state, place) or whole
    if place not in f.reads or (shown != whole and any(value in shown for value in layer.values)):
        return
    name, before = node.attr, f.quoted(node.value)
    f.warn(
        "W120",
        f"`{f.quoted(node)}` is used where `{before}.{layer.when}` "
        + ("says that something else follows" if shown != whole else "has not been tested on this way"),
        node,
        why=f"a layer is a place, and reads whatever stands there in a packet without {name}",
        help=f"if {before}.is_{name}: ...",
    )


def _read_at(view: View, member: Member) -> tuple[int, int | None]:
    """Where a field is, by which reads of it are known again, under whatever name of a header."""
    return view.base + member.offset, view.moved.origin if view.moved is not None else None


def _behind(f: Translation, view: View, layer: Layer, node: ast.Attribute) -> View:
    where = f.last_name(node)
    found = replace(view, header=HEADERS[layer.header])
    for part in layer.parts:
        by = _part(f, view, part, where)
        found = _moved(f, found, by)
    return _inside(f, replace(found, base=found.base + layer.distance), where)


def _part(f: Translation, view: View, part: Part, where: TextSpan) -> Number:
    """What one byte of the header tells of a distance: masked where it stands, so that one shift makes it."""
    byte = _number(f, view, Member("", part.offset, u8), where)
    word = f.register(byte)
    left = (part.scale.bit_length() - 1) - part.shift
    if part.mask != 0xFF:
        word = f.op("and", word, f.number(part.mask << part.shift))
    if left:
        word = f.op("shl" if left > 0 else "lshr", word, f.number(abs(left)))
    range = Interval(0, part.most)
    return Number(INT, range, f.typed(range, word))


def _read(f: Translation, view: View, member: Member, node: ast.Attribute) -> Value:
    """A field's value."""
    where = f.last_name(node)
    if isinstance(member.type, Storage):
        return _number(f, view, member, where)
    return replace(_reached(f, view, (member.offset, member.size), "read", where), type=member.type)


def _number(f: Translation, view: View, member: Member, where: ast.AST | TextSpan) -> Number:
    """A number of the packet."""
    number = _fetched(f, view, member, where)
    if member.name in _TELLING:
        f.reads.setdefault(_read_at(view, member), set()).add(number.origin)
    return number


def _fetched(f: Translation, view: View, member: Member, where: ast.AST | TextSpan) -> Number:
    if f.hook.program_type.direct:
        return _loaded(f, view, member, where)
    part = (_read_at(view, member), member.type, member.bits, member.shift if member.bits else 0)
    found = standing.number(lambda: f.state, ("packet", None, 0, 0, part), lambda: _loaded(f, view, member, where))
    return f.state.known(found)


def _loaded(f: Translation, view: View, member: Member, where: ast.AST | TextSpan) -> Number:
    part = (member.offset, member.size)
    is_direct = f.hook.direct or view.header is META
    if not is_direct and fetch.is_legacy(f, member.size):
        return fetch.number(f, view, view.base + member.offset, member, _message(view, part, "read"), where)
    how = window.reach if is_direct else fetch.reach
    at = how(f, view, view.base + member.offset, member.size, _message(view, part, "read"), where)
    found = places.read(f, Place(at, member.type, "", member))
    assert isinstance(found, Number), "asked of numbers"
    return found


def _reached(
    f: Translation, view: View, part: tuple[int, int], verb: str, where: ast.AST | TextSpan
) -> Reference:  # fmt: skip
    """Bytes that names may keep. part: the first, counted from the view's start, and how many. PacketError where the
    packet does not hold them. verb: "write" for bytes that are stored to and then put back."""
    if verb == "write" and not f.hook.direct and view.header is not META:
        return fetch.borrowed(f, view, view.base + part[0], part[1], _message(view, part, verb), where)
    how = window.reach if f.hook.direct or view.header is META else fetch.kept
    return how(f, view, view.base + part[0], part[1], _message(view, part, verb), where)


def _message(view: View, part: tuple[int, int], verb: str) -> str:
    offset, size = part
    space = "metadata" if view.header is META else "packet"
    where = f"{space}+{view.base + offset}" if view.moved is None else f"byte {offset} of {view.described}"
    return f"{size}-byte {verb} at {where}, past the {space}'s end"


def _field(f: Translation, view: View, member: Member, node: ast.Attribute) -> Place:
    """A field's place, to be stored to."""
    at = _reached(f, view, (member.offset, member.size), "write", f.last_name(node))
    return Place(at, member.type, f"field `{member.name}` of {view.header.name}", member)


def _moved(f: Translation, view: View, by: Number) -> View:
    """A view so many bytes further, without a test that programs see so far. `by` and the view's place are at most
    FARTHEST, or it is the only part that is not constant."""
    if by.constant is not None:
        return replace(view, base=view.base + by.constant)
    if view.moved is None:
        return replace(view, moved=by)
    moved = f.state.known(view.moved)
    range = add(moved.range, by.range)
    drift = {base: add(one, by.range) for base, one in drifts(f, moved).items()}
    register = f.typed(range, f.op("add", f.register(moved), f.register(by)))
    return replace(view, moved=Number(INT, range, register, drift=drift))


def _inside(f: Translation, view: View, where: ast.AST | TextSpan) -> View:
    """A view's place, which is one that programs see: PacketError where it is not."""
    message = f"a place more than {FARTHEST} bytes into the packet"
    moved = f.state.known(view.moved) if view.moved is not None else constant(0)
    most = FARTHEST - view.base
    if most < 0:
        f.fault_if("eq", f.number(0), f.number(0), "PacketError", message, where)
        return View(view.header, 0)
    if not moved.range.within(Interval(0, most)):
        f.fault_if("ugt", f.register(moved), f.number(most), "PacketError", message, where)
        f.state.learn(moved, Interval(0, most))
    if view.moved is None:
        return view
    return replace(view, moved=f.state.known(moved))


def _index(f: Translation, view: View, index: Value, node: ast.expr, where: ast.AST) -> View | None:
    """The view `index` bytes further, for one that may be negative or far. None after an error."""
    if isinstance(index, Bad):
        return None
    if not isinstance(index, Number):
        f.error("E022", f"bytes of the packet have numbers, and `{f.quoted(node)}` is {index.described}", node,
                help="v[i], v[i:i + 4], v[i:]")  # fmt: skip
        return None
    number = f.state.known(index)
    if not f.exact(number, node):
        return None
    number = number.as_kinds(INT)
    if number.range.hi < 0:
        f.error(
            "E022",
            f"`{f.quoted(node)}` is before the first byte of {view.described}",
            node,
            why="CPython would raise PacketError here always: a view has no end of its own to count from",
            help="count from the view's start",
        )
        return None
    alone = view.moved is None and not view.base
    if not alone and not number.range.within(_INSIDE):
        message = "an index before the view's first byte, or past the packet's end"
        f.fault_if("ugt", f.register(number), f.number(FARTHEST), "PacketError", message, where)
        f.state.learn(number, _INSIDE)
        number = f.state.known(number)
    return _moved(f, view, number)


def item(f: Translation, view: View, index: Value, node: ast.Subscript) -> Value:
    """`v[i]`: a byte."""
    there = _index(f, view, index, node.slice, node)
    return BAD if there is None else _number(f, there, Member("", 0, u8), node)


def _byte(f: Translation, view: View, index: Value, node: ast.Subscript) -> Place | None:
    """The place of `v[i]`, to be stored to."""
    there = _index(f, view, index, node.slice, node)
    if there is None:
        return None
    return Place(_reached(f, there, (0, 1), "write", node), u8, f"a byte of {view.described}")


def span(f: Translation, view: View, bounds: Span, node: ast.Subscript) -> Value:
    """`v[a:]`, a view; `v[a:b]`, so many bytes."""
    where = node.slice
    assert isinstance(where, ast.Slice), "a span has bounds"
    if where.upper is not None or where.step is not None:
        found = _bytes(f, view, bounds, node, "read")
        return replace(found, fixed=True) if found is not None else BAD
    start: Value = constant(0) if bounds.start is None else bounds.start
    there = _index(f, view, start, where.lower or where, node)
    header = META if view.header is META else HEADERS[DATA]
    return BAD if there is None else _inside(f, replace(there, header=header), node)


def _bytes(f: Translation, view: View, bounds: Span, node: ast.Subscript, verb: str) -> Reference | None:
    """`v[a:b]`, which the packet holds. None after an error."""
    where = node.slice
    assert isinstance(where, ast.Slice), "a span has bounds"
    start: Value = constant(0) if bounds.start is None else bounds.start
    if isinstance(start, Bad) or isinstance(bounds.stop, Bad):
        return None
    size = items.length(f, start, bounds.stop, where) if where.step is None else None
    if size is None or size <= 0:
        what = "has no bytes" if size is not None else "has no constant length" if where.step is None else "has a step"
        f.error(
            "E022",
            f"the slice `{f.quoted(node)}` {what}",
            where,
            why="bytes of the packet are as many as the text says, whatever the bounds are when it runs",
            help=f"start it and end it by one index: {f.operand(node.value)}[i:i + 4]",
        )
        return None
    there = _index(f, view, start, where.lower or where, node)
    return None if there is None else _reached(f, there, (0, size), verb, node)


def length(f: Translation, view: View, node: ast.Call) -> Value:
    """`len(pkt)`; of another view, the bytes from its start to the packet's end, 0 where it starts behind it."""
    whole = _length(f, view)
    if view.base == 0 and view.moved is None:
        return whole
    place = view.place
    if view.moved is not None and view.base:
        place = Number(INT, place.range, f.op("add", f.register(view.moved), f.number(view.base)))
    behind, before = ordered(f, _LESS, whole, place)
    flow.enter(f, before)
    left = Number(INT, _LENGTH, f.op("sub", f.register(whole), f.register(place)))
    return flow.join_values(f, [f.end(), *behind], [left, *[constant(0)] * len(behind)], node)


def _length(f: Translation, view: View) -> Number:
    """Of the whole packet: what the context says, or what lies in one piece where it says nothing."""
    if view.header is META:
        return Number(INT, _LENGTH, f.typed(_LENGTH, window.length(f, is_meta=True)))
    structure = CONTEXTS[f.hook.program_type.context or ""]
    field = structure.open("len", False, f.hook.type, f.hook.attach_type)
    if field is None and not f.hook.direct:
        word = f.builder.helper("xdp_get_buff_len", f.builder.ctx())
    else:
        word = window.length(f) if field is None else context.load(f, field.offset, 8 * field.size)
    return Number(INT, _LENGTH, f.typed(_LENGTH, word))


def _at(f: Translation, view: View, node: ast.Call, given: Arguments) -> Value:
    """`v.at(T, offset)`: a struct, an array, or a header by its name."""
    named = dict(given.named)
    offset = given.values[1] if len(given.values) == 2 else named.pop("offset", constant(0))
    kind = given.values[0] if given.values else None
    target = kind.object if isinstance(kind, Static) else None
    header = NAMED.get(target) if isinstance(target, str) else None
    if named or not 1 <= len(given.values) <= 2 or not (isinstance(target, Layout) or header is not None):
        return f.error(
            "E013",
            f"`{f.quoted(node.func)}` takes a struct, an array type or the name of a header, and an offset",
            node,
            help=f"{f.quoted(node.func)}(T, 8), with T a class marked @struct\nheaders are {' '.join(NAMED)}",
        )
    there = _index(f, view, offset, node.args[-1], node)
    if there is None:
        return BAD
    if header is not None and view.header is META:
        return f.error("E022", "headers stand in the packet, and structs and arrays in the metadata before it", node,
                       help=f"{f.quoted(node.func)}(T, 0), with T a class marked @struct")  # fmt: skip
    if header is not None:
        return _inside(f, replace(there, header=header), node)
    assert isinstance(target, Layout), "it is a header or a type"
    return replace(_reached(f, there, (0, size_of(target)), "read", node), type=target)


def set_attribute(f: Translation, view: View, node: ast.Attribute, value: Value, source: ast.expr) -> None:
    """`pkt.ip.ttl = 64`."""
    member = view.header.field(node.attr)
    if member is None:
        _no_place(f, view, node)
    elif _stores(f, node):
        place = _field(f, view, member, node)
        places.write(f, place, value, source)
        overwritten.note(f, place.at, place.kind, place.what)
        fetch.put_back(f, place.at, node)


def _no_place(f: Translation, view: View, node: ast.Attribute) -> None:
    if node.attr in view.header.layers or view.header.test(node.attr) is not None:
        text = f"`{f.quoted(node)}` is no field, and nothing is stored there"
        f.error("E022", text, f.last_name(node), help=f"`{_name(view)}` has {view.header.names}")
    else:
        _no_such(f, view, node)


def _stores(f: Translation, node: ast.expr) -> bool:
    """Whether programs of this type may store to the packet. E031 where they may not."""
    if f.hook.program_type.stores:
        return True
    f.error(
        "E031",
        f"{an(f.hook.type)} program cannot store to the packet",
        node,
        why="the kernel takes stores to packets of xdp, tc and lwt_xmit programs only",
        help="change it in a program of one of these types: @bpf.tc",
    )
    return False


def set_item(
    f: Translation, view: View, index: Value, node: ast.Subscript, value: Value, source: ast.expr
) -> None:  # fmt: skip
    """`v[i] = 3`."""
    if not _stores(f, node):
        return
    place = _byte(f, view, index, node)
    if place is not None:
        places.write(f, place, value, source)
        fetch.put_back(f, place.at, node)


def set_span(
    f: Translation, view: View, bounds: Span, node: ast.Subscript, value: Value, source: ast.expr
) -> None:  # fmt: skip
    """`v[a:b] = data`, as many bytes as the slice has."""
    if not _stores(f, node):
        return
    if isinstance(node.slice, ast.Slice) and node.slice.upper is None:
        f.error("E022", f"`{f.quoted(node)}` has no end, and nothing is stored there", node.slice,
                help=f"{f.operand(node.value)}[0:4] = ...")  # fmt: skip
        return
    found = _bytes(f, view, bounds, node, "write")
    if found is None or isinstance(value, Bad):
        return
    place = Place(found, found.type, f"the slice `{f.quoted(node)}`")
    data = access.constant_bytes(value)
    given = len(data) if data is not None else size_of(value.type) if isinstance(value, Reference) else None
    if given is not None and given != size_of(found.type):
        access.wrong(f, array_of(u8, size_of(found.type)), value, source, place.what)
        return
    places.write(f, place, value, source)
    fetch.put_back(f, found, node)


def update(f: Translation, view: View, index: Value | None, node: ast.AugAssign, operand: object) -> None:
    """`pkt.ip.ttl -= 1`, `v[i] ^= 1`: read, then the operand, then stored."""
    target = node.target
    if isinstance(target, ast.Attribute):
        member = view.header.field(target.attr)
        if member is None:
            _no_place(f, view, target)
        elif isinstance(member.type, Storage) and _stores(f, target):
            _updated(f, _field(f, view, member, target), node, operand)
        elif not isinstance(member.type, Storage):
            f.error("E022", f"`{f.quoted(target)}` is {array_of(u8, member.size).__name__}, no number", target,
                    help=f"{f.quoted(target)}[0] += 1")  # fmt: skip
    elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
        f.error("E022", f"`{f.quoted(target)}` is bytes, no number", target, help=f"{f.operand(target.value)}[0] += 1")
    elif isinstance(target, ast.Subscript) and index is not None and _stores(f, target):
        place = _byte(f, view, index, target)
        if place is not None:
            _updated(f, place, node, operand)


def _updated(f: Translation, place: Place, node: ast.AugAssign, operand: object) -> None:
    old = places.read(f, place)
    assert callable(operand), "it evaluates the right side"
    computed = arith.augmented(f, node, (old, node.target), (operand(), node.value))
    places.write(f, place, computed, node)
    fetch.put_back(f, place.at, node)
