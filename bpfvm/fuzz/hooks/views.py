"""Expressions over the packet: fields of all headers, bytes, slices, structs at places, lengths, tests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.hooks.paths import View, reachable, walked
from bpfvm.fuzz.python.expressions import number
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import PLAIN, Term, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import TURNS, Row, Struct, Writer
from bpfvm.lang.packets.headers import DATA, HEADERS, NAMED, Header
from bpfvm.lang.types.interval import BOOL, U64, Interval, of_bits
from bpfvm.lang.types.scalars import Storage
from bpfvm.lang.types.structs import Member

META = ("xdp", "tc")  # kinds that see what stands before the packet
_ROOTS = 3  # times as often what follows is asked of the packet as of another header
_SUMS = 4  # turns of all loops around a header's sum
_LENGTH = of_bits(32, signed=False)
_WORDS = (b"GET ", b"POST", b"PUT ", b"HTTP", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\x01\x01\x01", b"HEAD")


@dataclass(slots=True)
class Packet:
    """What a module's functions do with the packet. ends: where what they read ends, of usual packets."""

    kind: Kind
    ends: list[int]


@dataclass(frozen=True, slots=True)
class Held:
    """A name for a view, or for `size` bytes of the packet."""

    text: str
    header: Header
    start: int
    size: int = 0


class Views:
    """Rows for one packet."""

    def __init__(self, packet: Packet) -> None:
        self.packet = packet
        self.names = reachable(packet.kind.root)

    def leaves(self) -> tuple[Row, ...]:
        """Numbers."""
        return (
            Row("packet field", 20, self.field), Row("packet byte", 5, self.byte), Row("packet length", 3, self.length),
            Row("packet number", 4, self.from_bytes), Row("packet struct", 3, self.at_struct),
            Row("packet array", 2, self.at_array), Row("packet sum", 2, self.checksum),
            Row("packet items", 2, self.items),
            *((Row("metadata", 2, self.meta),) if self.packet.kind.name in META else ()),
        )  # fmt: skip

    def tests(self) -> tuple[Row, ...]:
        """Conditions."""
        return (
            Row("packet test", 30, self.test),
            Row("packet bytes", 5, self.compared),
            Row("packet within", 2, self.within),
            Row("packet view", 1, self.truth),
        )

    def held(self, w: Writer, header: str = "") -> list[Held]:
        """Names for views."""
        return [one for one in w.held.values() if isinstance(one, Held) and not one.size
                and (not header or one.header.name == header)]  # fmt: skip

    def whole(self) -> View:
        """`pkt`."""
        return View("pkt", self.packet.kind.root, 0)

    def view(self, w: Writer, target: str) -> View | None:
        """A header's view: of the name for one, behind one, behind `pkt`, or by its name at some place."""
        names = self.held(w)
        if names and w.chance(0.6):
            one = w.pick(names)
            return walked(w.rng, View(one.text, one.header, one.start), target)
        if w.chance(0.04) and target in NAMED:
            place, by = w.rng.choice((0, 4, 14, 34)), self._offset(w)
            base = self.view(w, DATA) if w.chance(0.4) else self.whole()
            if base is None:
                return None
            offset = f"{place} + {by}" if by and w.chance(0.3) else str(place)
            return View(f'{base.text}.at("{target}", {offset})', HEADERS[target], base.start + place)
        return walked(w.rng, self.whole(), target)

    def any_view(self, w: Writer) -> View | None:
        """Any view of bytes or of a header."""
        return self.view(w, DATA) if w.chance(0.6) else self.view(w, w.pick(self.names))

    def note(self, end: int) -> None:
        """Something that ends there is read."""
        self.packet.ends.append(end)

    # Numbers

    def member(self, w: Writer, wanted: str = "") -> tuple[View, Member] | None:
        """A field of any header. wanted: "number" or "bytes"."""
        header = HEADERS[w.pick(self.names)] if w.chance(0.93) else self.packet.kind.root
        rows = [one for one in header.members if not wanted or isinstance(one.type, Storage) == (wanted == "number")]
        found = self.whole() if header is self.packet.kind.root else self.view(w, header.name) if rows else None
        if found is None or not rows:
            return None
        one = w.pick(rows)
        self.note(found.start + one.offset + one.size)
        return found, one

    def field(self, w: Writer, depth: int) -> Term | None:
        """A number of a header, or a byte of an address."""
        found = self.member(w)
        if found is None:
            return None
        view, one = found
        if isinstance(one.type, Storage):
            return Term(f"{view.text}.{one.name}", "int", of_bits(one.bits or 8 * one.size, signed=False))
        return Term(f"{view.text}.{one.name}[{self._index(w, one.size)}]", "int", of_bits(8, signed=False))

    def _index(self, w: Writer, count: int) -> str:
        if w.chance(0.6):
            return str(w.rng.randrange(count))
        return f"{number(w, 0).text} & {7 if count >= 8 else 3}"

    def _offset(self, w: Writer) -> str:
        """A number of few bits."""
        return f"({number(w, 0).text} & {w.pick((3, 7, 31, 63, 255))})"

    def byte(self, w: Writer, depth: int) -> Term | None:
        """`v[i]`."""
        view = self.any_view(w)
        if view is None:
            return None
        byte = of_bits(8, signed=False)
        if w.chance(0.55):
            at = w.rng.choice((0, 0, 1, 2, 3, 7, 12, 20, 33, 53))
            self.note(view.start + at + 1)
            return Term(f"{view.text}[{at}]", "int", byte)
        if w.chance(0.9):
            at = w.rng.choice((0, 0, 1, 9))
            by = self._offset(w)
            return Term(f"{view.text}[{by}]" if not at else f"{view.text}[{by} + {at}]", "int", byte)
        found = number(w, 0)
        return Term(f"{view.text}[{found.text}]", "int", byte) if found.range.hi >= 0 and found.kind != "bool" else None

    def length(self, w: Writer, depth: int) -> Term | None:
        """`len(pkt)`, `len(v)`."""
        view = self.any_view(w) if w.chance(0.6) else self.whole()
        return Term(f"len({view.text})", "int", _LENGTH) if view is not None else None

    def piece(self, w: Writer, size: int) -> str | None:
        """`v[a:b]`, or a name for so many bytes."""
        names = [one for one in w.held.values() if isinstance(one, Held) and one.size == size]
        if names and w.chance(0.4):
            return w.pick(names).text
        view = self.any_view(w)
        if view is None:
            return None
        if w.chance(0.25):
            plain = [one for one in w.names.values() if one.term.kind == "int" and one.range.lo >= 0
                     and one.range.hi <= 1 << 16 and one.text.isidentifier()]  # fmt: skip
            if plain:
                index = w.pick(plain).text
                return f"{view.text}[{index}:{index} + {size}]"
        at = w.rng.choice((0, 0, 0, 1, 2, 5, 12))
        self.note(view.start + at + size)
        return f"{view.text}[{at}:{at + size}]"

    def meta(self, w: Writer, depth: int) -> Term:
        """`len(pkt.meta)`, bytes of it where there are some."""
        if w.chance(0.4):
            return Term("len(pkt.meta)", "int", _LENGTH)
        at = w.rng.choice((0, 3, 4, 7))
        index = str(at) if w.chance(0.6) else f"{number(w, 0).text} & {w.pick((3, 7))}"
        text = w.pick(
            (f"pkt.meta[{index}]", f'int.from_bytes(pkt.meta[{at}:{at + 2}], "big")', "pkt.meta.at(u32[1])[0]")
        )
        least = w.pick((at + 1, at + 2, 8))
        return Term(f"({text} if len(pkt.meta) >= {least} else 1)", "int", Interval(0, (1 << 32) - 1))

    def placed(self, w: Writer, made: Struct) -> str | None:
        """`v.at(S, off)`."""
        view = self.any_view(w)
        return f"{view.text}.at({made.name}, {w.rng.choice((0, 0, 2, 14))})" if view is not None else None

    def items(self, w: Writer, depth: int) -> Term | None:
        """Reducers over bytes of the packet."""
        size = w.rng.choice((1, 2, 4, 8))
        piece = self.piece(w, size)
        if piece is None or w.turns * size > TURNS:
            return None
        name = w.fresh("e")
        text = w.pick((f"sum({piece})", f"max({piece})", f"sum({name} & 15 for {name} in {piece})", f"min({piece})"))
        return Term(text, "int", Interval(0, 255 * size))

    def within(self, w: Writer, depth: int) -> Term | None:
        """`x in v[a:b]`."""
        piece = self.piece(w, w.rng.choice((1, 2, 4, 6)))
        byte = converted(number(w, 0), PLAIN[0])
        return Term(f"({byte.text} {w.pick(('in', 'not in'))} {piece})", "bool", BOOL) if piece is not None else None

    def from_bytes(self, w: Writer, depth: int) -> Term | None:
        """`int.from_bytes(v[a:b], "big")`."""
        size = w.rng.choice((1, 2, 3, 4, 5, 6, 7, 8))
        piece = self.piece(w, size)
        order = w.pick(("big", "little"))
        return Term(f'int.from_bytes({piece}, "{order}")', "int", of_bits(8 * size, signed=False)) if piece else None

    def at_struct(self, w: Writer, depth: int) -> Term | None:
        """`v.at(S, off).f`."""
        view = self.any_view(w)
        fields = [(made, name, type) for made in w.module.structs for name, type in made.fields if type is not bool]
        if view is None or not fields:
            return None
        made, name, type = w.pick(fields)
        at = w.pick((0, 2, 14)) if w.chance(0.7) else 0
        offset = str(at) if w.chance(0.6) else self._offset(w)
        self.note(view.start + at + 24)
        return Term(f"{view.text}.at({made.name}, {offset}).{name}", kind_of(type), range_of(type))

    def at_array(self, w: Writer, depth: int) -> Term | None:
        """`v.at(u16[4], off)[i]`."""
        view = self.any_view(w)
        if view is None:
            return None
        type, count = w.pick((*PLAIN, *PLAIN)), w.pick((2, 4))
        offset = str(w.pick((0, 1, 14))) if w.chance(0.6) else self._offset(w)
        text = f"{view.text}.at({type.__name__}[{count}], {offset})[{number(w, 0).text} & {count - 1}]"
        return Term(text, kind_of(type), range_of(type))

    def checksum(self, w: Writer, depth: int) -> Term | None:
        """Checksums: of a header, updated, folded."""
        choice = w.rng.random()
        if choice < 0.4:
            if w.turns > _SUMS:  # each is a loop that verifiers go through turn by turn
                return None
            view = self.view(w, "ip")
            return Term(f"ip_csum({view.text})", "int", of_bits(16, signed=False)) if view is not None else None
        numbers = [converted(number(w, 0), PLAIN[1]).text for _ in range(3)]
        text = f"csum_replace({', '.join(numbers)})"
        if choice < 0.7:
            numbers[1:] = [converted(number(w, 0), PLAIN[2]).text for _ in range(2)]
            text = f"csum_replace32({', '.join(numbers)})"
        elif choice < 0.8:
            text = f"csum_fold({converted(number(w, 0), PLAIN[2]).text})"
        return Term(text, "int", of_bits(16, signed=False))

    # Conditions

    def test(self, w: Writer, depth: int) -> Term | None:
        """`v.is_tcp`."""
        headers = [HEADERS[name] for name in (*self.names, *[self.packet.kind.root.name] * _ROOTS)]
        header, test = w.pick([(one, name) for one in headers for name, layer in one.layers.items() if layer.when])
        view = self.whole() if header is self.packet.kind.root else self.view(w, header.name)
        if view is None:
            return None
        return Term(f"{view.text}.is_{test}", "bool", BOOL)

    def compared(self, w: Writer, depth: int) -> Term | None:
        """Bytes compared: with constants, with each other, by their start, among several."""
        choice = w.rng.random()
        if choice < 0.25:
            found = self.member(w, "bytes")
            other = self.member(w, "bytes") if w.chance(0.5) else None
            if found is None:
                return None
            view, one = found
            data = self._data(w, one.size)
            if other is not None and other[1].size == one.size:
                data = f"{other[0].text}.{other[1].name}"
            return Term(f"({view.text}.{one.name} {w.pick(('==', '!='))} {data})", "bool", BOOL)
        size = w.rng.choice((1, 2, 3, 4, 4, 4, 5, 6, 7, 8, 12))
        piece = self.piece(w, size)
        if piece is None:
            return None
        if choice < 0.5:
            return Term(f"({piece} {w.pick(('==', '!='))} {self._data(w, size)})", "bool", BOOL)
        if choice < 0.65:
            other_piece = self.piece(w, size)
            return Term(f"({piece} {w.pick(('==', '!='))} {other_piece})", "bool", BOOL) if other_piece else None
        if choice < 0.8:
            return Term(f"{piece}.startswith({self._data(w, w.rng.randint(1, size))})", "bool", BOOL)
        among = ", ".join(self._data(w, size) for _ in range(w.rng.randint(1, 3)))
        return Term(f"({piece} {w.pick(('in', 'not in'))} ({among},))", "bool", BOOL)

    def _data(self, w: Writer, size: int) -> str:
        """Bytes that are met: words of protocols, addresses, runs of one byte."""
        word = w.pick((*_WORDS, bytes((2, 0, 0, 0, 0, 1)), bytes(range(16)), bytes(16), b"\x0a\0\0\x01\x0a\0\0\xfe"))
        return repr((word * size)[:size])

    def truth(self, w: Writer, depth: int) -> Term | None:
        """A number of bytes that is left."""
        view = self.any_view(w)
        if view is None:
            return None
        least = w.rng.choice((0, 1, 4, 8, 20, 40))
        self.note(view.start + least)
        return Term(f"(len({view.text}) {w.pick(('>=', '>', '<'))} {least})", "bool", BOOL)


def small(w: Writer, most: int) -> str:
    """A number from 0 to `most`, a power of two less one."""
    if w.chance(0.3):
        return str(w.rng.randint(0, most))
    found = number(w, 0)
    return f"({found.text} & {most})" if found.kind != "bool" else f"int({found.text})"


def plain(w: Writer, texts: Sequence[str]) -> bool:
    """Whether none of the texts binds a name, so that each can be written twice."""
    return not any(re.search(":=", one) for one in texts)


def some(w: Writer, lo: int, hi: int) -> int:
    """A number of an interval, mostly an edge."""
    return inside(w.rng, Interval(lo, hi).meet(U64) or Interval(lo, hi))
