"""Statements on the packet: names for views and bytes, walks, joins, stores, calls that move it, `match pkt.type`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bpfvm.fuzz.hooks.elements import refs
from bpfvm.fuzz.hooks.paths import View
from bpfvm.fuzz.hooks.views import META, Held, Views, small
from bpfvm.fuzz.python.compound import DEEPEST, body
from bpfvm.fuzz.python.expressions import condition, number, wanted
from bpfvm.fuzz.python.term import PLAIN, converted
from bpfvm.fuzz.python.writer import TURNS, Row, Writer
from bpfvm.lang.packets.calls import CALLS, PacketCall
from bpfvm.lang.packets.headers import DATA, HEADERS
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import BINARY
from bpfvm.lang.types.scalars import Storage
from bpfvm.tables.helpers import allowed

_MOVES = 0.8  # of the places where a call that moves the packet could stand have one
_TYPES = (0x0800, 0x86DD, 0x0806, 0x8100, 0x88A8, 0x8847, 0x88CC)
_ALIKE = ((("vlan", "ip"), ("ip",)), (("ip", "tcp", "data"), ("ip", "udp", "data")), (("ip6", "udp"), ("ip", "udp")),
          (("eth", "data"), ("data",)))  # fmt: skip

# Numbers worth trying for each argument of each call; () where any number will do.
_GIVEN: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "adjust_head": ((-14, -4, 4, 8, 14, 20, 34, -64, 0),),
    "adjust_tail": ((-8, -1, 4, 16, 64, -20, 0),),
    "adjust_meta": ((-4, -8, -32, 0, 4, -3),),
    "pull_data": ((0, 14, 34, 60),),
    "change_head": ((0, 4, 14, 40),),
    "change_tail": ((14, 34, 60, 64, 100),),
    "adjust_room": ((-4, 4, 8, 20, -20), (0, 1)),
    "change_proto": ((0x0800, 0x86DD),),
    "vlan_push": ((0x8100, 0x88A8), ()),
    "vlan_pop": (),
    "l3_csum_replace": ((24, 10, 40), (), (), (2, 4)),
    "l4_csum_replace": ((36, 40, 50), (), (), (2, 4, 0x12, 0x24)),
}
_FREE = {
    "delta": "-({} & 15)",
    "size": "({} & 63)",
    "tci": "{}",
    "old": "{}",
    "new": "{}",
}  # arguments that any number gives


class Walks:
    """Rows for one packet."""

    def __init__(self, views: Views) -> None:
        self.views = views
        self.kind = views.packet.kind
        type, attach = self.kind.type.name, self.kind.hook.attach_type
        self.calls = [row for row in CALLS.values() if allowed(row.helper, type, attach) is True]

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        found = [
            Row("view", 14, self.view), Row("bytes name", 5, self.bytes), Row("join", 4, self.join),
            Row("walk", 3, self.walk), Row("walk layers", 3, self.layers), Row("match type", 2, self.match),
            Row("inlined view", 2, self.called),
        ]  # fmt: skip
        if self.kind.type.stores:
            found += [Row("packet store", 14, self.store), Row("packet copy", 3, self.copy)]
        if self.kind.name in META:
            found.append(Row("metadata store", 2, self.meta))
        if self.calls:
            found.append(Row("packet call", 20 if self.kind.type.layer == "ip" else 12, self.move))
        return tuple(found)

    def _name(self, w: Writer, view: View) -> bool:
        name = w.fresh("q")
        w.line(f"{name} = {view.text}")
        w.held[name] = Held(name, view.header, view.start)
        return True

    def view(self, w: Writer) -> bool:
        """`q = pkt.ip.tcp`, `q = q[n:]`."""
        names = self.views.held(w)
        if names and w.chance(0.3):
            one = w.pick(names)
            by = str(w.rng.choice((0, 1, 4, 8, 20))) if w.chance(0.4) else small(w, w.pick((7, 31, 255)))
            return self._name(w, View(f"{one.text}[{by}:]", HEADERS[DATA], one.start + 1))
        found = self.views.view(w, w.pick(self.views.names)) if w.chance(0.7) else self.views.any_view(w)
        return found is not None and self._name(w, found)

    def bytes(self, w: Writer) -> bool:
        """`h = v[0:4]`."""
        size = w.rng.choice((1, 2, 4, 4, 6, 8))
        piece = self.views.piece(w, size)
        if piece is None:
            return False
        name = w.fresh("h")
        w.line(f"{name} = {piece}")
        w.held[name] = Held(name, HEADERS[DATA], 0, size)
        return True

    def join(self, w: Writer) -> bool:
        """One name, another place on each way."""
        ways = []
        for path in w.pick(_ALIKE):
            if path[0] not in self.kind.root.layers:
                return False
            found = View("pkt", self.kind.root, 0)
            for one in path:
                found = View(f"{found.text}.{one}", HEADERS[found.header.layers[one].header], found.start)
            ways.append(found)
        if w.chance(0.5):
            ways = [View(f"{one.text}[{small(w, 15)}:]", HEADERS[DATA], 14) for one in ways]
        name = w.fresh("q")
        if w.chance(0.3):
            w.line(f"{name} = {ways[0].text} if {condition(w, 1).text} else {ways[1].text}")
        else:
            w.line(f"if {condition(w, 1).text}:")
            w.line(f"    {name} = {ways[0].text}")
            w.line("else:")
            w.line(f"    {name} = {ways[1].text}")
        w.held[name] = Held(name, ways[0].header, 34)
        return True

    def walk(self, w: Writer) -> bool:
        """Through bytes that say how far the next ones are."""
        start = self.views.any_view(w)
        if start is None or w.turns > 4 or w.nested >= DEEPEST:
            return False
        name, n, trips = w.fresh("q"), w.fresh("n"), w.pick((2, 4, 8))
        by = w.pick((f"{n} + 1", f"({n} & 7) + 1", "2", f"{n} % 5 + 1"))
        w.line(f"{name} = {start.text}{'' if start.header.name == DATA else '[0:]'}")
        if w.chance(0.3):
            w.line(
                f"while {name}[0] & {w.pick((1, 0x3F, 0xFF))}:" if w.chance(0.4) else f"while len({name}) > {trips}:"
            )
            turns = TURNS // 2
        else:
            w.line(f"for {w.fresh('i')} in range({trips}):")
            turns = trips
        if w.turns * turns > TURNS:
            turns = max(TURNS // w.turns, 1)
        with w.block("for", turns):
            w.line(f"{n} = {name}[{w.pick((0, 0, 1))}]")
            w.bind(n, int, fixed=True, range=Interval(0, 255))
            w.line(f"{name} = {name}[{by}:]")
            w.held[name] = Held(name, HEADERS[DATA], start.start)
            if w.chance(0.5):
                w.line(f"if {n} == {w.rng.choice((0, 1, 3, 255))}:")
                w.line("    break")
            w.left = min(w.left, 2)
            body(w)
        w.held[name] = Held(name, HEADERS[DATA], start.start)
        return True

    def layers(self, w: Writer) -> bool:
        """Through headers of one kind, one behind the other."""
        which = w.pick([one for one in ("vlan", "mpls", "ext", "ip") if one in self.views.names])
        start = self.views.view(w, which)
        if start is None or w.nested >= DEEPEST or w.turns > 4:
            return False
        name, depth, most = w.fresh("q"), w.fresh("n"), w.pick((2, 4, 8))
        w.line(f"{name} = {start.text}")
        w.line(f"{depth} = 0")
        w.line(f"while {name}.is_{which} and {depth} < {most}:")
        with w.block("while", most):
            w.line(f"{name} = {name}.{which}")
            w.line(f"{depth} += 1")
            if w.chance(0.4):
                w.held[name] = Held(name, start.header, start.start)
                w.left = min(w.left, 1)
                body(w)
        w.held[name] = Held(name, start.header, start.start)
        w.bind(depth, int, fixed=True, range=Interval(0, most))
        return True

    def match(self, w: Writer) -> bool:
        """`match pkt.type`."""
        if w.nested >= DEEPEST or self.kind.root.field("type") is None:
            return False
        w.line(f"match {w.pick(('pkt.type', 'pkt.eth.type'))}:")
        for one in w.rng.sample(_TYPES, w.rng.randint(1, 3)):
            pattern = f"{one:#x}" if w.chance(0.7) else f"{one:#x} | {w.pick([two for two in _TYPES if two != one]):#x}"
            w.line(f"    case {pattern}:")
            w.indent += 1
            with w.block():
                body(w)
            w.indent -= 1
        return True

    def called(self, w: Writer) -> bool:
        """A view goes into a function and comes out of it."""
        view = self.views.any_view(w)
        if view is None:
            return False
        name = w.fresh("q")
        if not any("def further(" in one for one in w.module.lines):
            w.module.lines.append("def further(view, by):\n    return view[by:]\n\n"
                                  "def byte(view, at):\n    return view[at] if len(view) > at else 255")  # fmt: skip
        w.line(f"{name} = further({view.text}, {small(w, 15)})")
        w.held[name] = Held(name, HEADERS[DATA], view.start)
        to, at = w.pick(PLAIN), small(w, 7)
        w.line(f"{w.bind(w.fresh(), to).text} = {to.__name__}(byte({name}, {at}))")
        return True

    # Stores

    def store(self, w: Writer) -> bool:
        """A field, a byte, several bytes."""
        choice = w.rng.random()
        if choice < 0.55:
            found = self.views.member(w, "number")
            if found is None:
                return False
            view, one = found
            assert isinstance(one.type, Storage), "numbers were asked for"
            self._number(w, f"{view.text}.{one.name}")
            return self._stored(w)
        view_of = self.views.any_view(w)
        if view_of is None:
            return False
        if choice < 0.8:
            at = str(w.rng.choice((0, 1, 2, 5, 13))) if w.chance(0.5) else small(w, w.pick((7, 31)))
            self._number(w, f"{view_of.text}[{at}]")
            return self._stored(w)
        size, at_ = w.rng.choice((1, 2, 3, 4, 6, 8)), w.rng.choice((0, 1, 6))
        self.views.note(view_of.start + at_ + size)
        data = self.views.piece(w, size) if w.chance(0.4) else None
        same = [one.text for one in refs(w) if one.item.of == "u8" and one.item.count == size]
        if same and w.chance(0.5):
            data = w.pick(same)
        w.line(f"{view_of.text}[{at_}:{at_ + size}] = {data or bytes(w.rng.randrange(256) for _ in range(size))!r}"
               if data is None else f"{view_of.text}[{at_}:{at_ + size}] = {data}")  # fmt: skip
        return self._stored(w)

    def meta(self, w: Writer) -> bool:
        """`pkt.meta[i] = x`, where there is some."""
        w.line(f"if len(pkt.meta) >= {w.rng.choice((1, 4, 8))}:")
        with w.block():
            at = w.rng.choice((0, 2, 3, 7))
            if w.chance(0.6):
                self._number(w, f"pkt.meta[{at}]")
            else:
                w.line(f"pkt.meta[{at}:{at + 2}] = {bytes((at, 255))!r}")
        return True

    def _stored(self, w: Writer) -> bool:
        """Something was stored in the packet: names for bytes of it mean nothing where they are copies."""
        if self.kind.frags:
            self._forget(w, lambda one: one.size > 0)
        return True

    def _forget(self, w: Writer, is_gone: Callable[[Held], bool]) -> None:
        for held in (w.held, *w.outer):
            for name in [name for name, one in held.items() if isinstance(one, Held) and is_gone(one)]:
                del held[name]

    def _number(self, w: Writer, where: str) -> None:
        if w.chance(0.65):
            w.line(f"{where} = {number(w, 2).text}")
            return
        row = w.pick([one for one in BINARY if one.name in ("add", "sub", "and", "or", "xor", "mul")])
        value = number(w, 1)
        text = f"int({value.text})" if value.modular else value.text
        w.line(f"{where} {row.symbol}= {text if value.exact else converted(value, PLAIN[2]).text}")

    def copy(self, w: Writer) -> bool:
        """An address into another one, or a checksum updated."""
        if w.chance(0.3):
            view = self.views.view(w, "ip")
            if view is None:
                return False
            w.line(f"{view.text}.csum = ip_csum({view.text})")
            return self._stored(w)
        one, other = self.views.member(w, "bytes"), self.views.member(w, "bytes")
        if one is None or other is None or one[1].size != other[1].size:
            return False
        data = f"{other[0].text}.{other[1].name}" if w.chance(0.6) else repr(bytes(range(one[1].size)))
        w.line(f"{one[0].text}.{one[1].name} = {data}")
        return self._stored(w)

    # Calls

    def move(self, w: Writer) -> bool:
        """A call on the whole packet. Names for places in it mean nothing behind it."""
        if w.loops or w.called or not w.chance(_MOVES):
            return False
        row = w.pick(self.calls)
        to, given = w.pick(PLAIN[4:]), ", ".join(self._given(w, row))
        w.line(f"{w.bind(w.fresh(), to).text} = {to.__name__}(pkt.{row.name}({given}))")
        self._forget(w, lambda one: True)
        return True

    def _given(self, w: Writer, row: PacketCall) -> list[str]:
        """Arguments by the table of what is worth trying, or by some number of the program's."""
        found = []
        for one, values in zip(row.arguments, _GIVEN[row.name], strict=False):
            if not values or (one.name in _FREE and not row.name.endswith("_replace") and w.chance(0.3)):
                found.append(_FREE.get(one.name, "{}").format(wanted(w, 0, PLAIN[1]).text))
            else:
                found.append(str(w.rng.choice(values)))
        return [] if row.name == "pull_data" and w.chance(0.3) else found
