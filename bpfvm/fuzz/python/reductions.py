"""Expressions over several values: reducers over generators and tuples, membership, bits and byte orders."""

from __future__ import annotations

from collections.abc import Callable

from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import PLAIN, Term, converted
from bpfvm.fuzz.python.writer import TURNS, Row, Writer
from bpfvm.lang.types.interval import BOOL, S64, U64, Interval, of_bits
from bpfvm.lang.types.scalars import s64, u64

Make = Callable[..., Term]
_TRIPS = (1, 2, 4, 7)
_MOST = 1 << 48  # of a term that is summed as it is


def rows(number: Make, condition: Make) -> tuple[Row, ...]:
    """Rows of numbers; `number` and `condition` write their operands."""
    make = _Maker(number, condition)
    return (
        Row("sum", 3, make.total), Row("sum of tuple", 2, make.total_of_tuple),
        Row("extreme of items", 3, make.extreme), Row("bits", 3, make.bits),
        Row("byte order", 3, make.swapped), Row("rotated", 2, make.rotated),
        Row("pow", 1, make.power), Row("round", 1, make.rounded), Row("type", 1, make.type_of),
    )  # fmt: skip


def tests(number: Make, condition: Make) -> tuple[Row, ...]:
    """Rows of conditions."""
    make = _Maker(number, condition)
    return (
        Row("any", 3, make.some), Row("in tuple", 4, make.within), Row("in range", 2, make.within_range),
        Row("in bytes", 1, make.within_bytes), Row("isinstance", 1, make.is_instance), Row("callable", 1, make.called),
    )  # fmt: skip


class _Maker:
    def __init__(self, number: Make, condition: Make) -> None:
        self.number, self.condition = number, condition

    def _items(self, w: Writer) -> tuple[str, str, Interval, int] | None:
        """What a generator goes over: its name, the text behind `in`, where items lie, and how many at most."""
        name, trips = w.fresh("i"), w.pick(_TRIPS)
        if w.turns * trips > TURNS or w.nested > 3:
            return None
        choice = w.rng.random()
        if choice < 0.2 and w.module.items:
            text, items = w.pick(w.module.items)
            return name, text, Interval(min(items), max(items)), len(items)
        if choice < 0.5:
            low = w.rng.randint(-5, 9)
            step = w.pick((1, 2, 3))
            return name, f"range({low}, {low + step * trips}, {step})", Interval(low, low + step * trips), trips
        n = self.number(w, 0)
        return name, f"range({n.text} & 7)", Interval(0, 7), 7

    def _over(self, w: Writer, make: Callable[[], Term]) -> tuple[Term, str, int] | None:
        """A term made where the generator's name is bound, the text of its `for`, and how often it is made."""
        items = self._items(w)
        if items is None:
            return None
        name, text, among, trips = items
        before = dict(w.names)
        w.bind(name, int, fixed=True, range=among)
        w.turns *= trips
        term = make()
        test = f" if {self.condition(w, 0).text}" if w.chance(0.3) else ""
        w.turns //= trips
        w.names = before
        return term, f"for {name} in {text}{test}", trips

    def total(self, w: Writer, depth: int) -> Term | None:
        """`sum` of a generator: of plain ints, or from a start that wraps."""
        found = self._over(w, lambda: self.number(w, min(depth, 1)))
        if found is None:
            return None
        term, tail, trips = found
        if term.modular or not term.range.within(Interval(-_MOST, _MOST)):
            wraps = term.modular or w.pick((u64, s64))
            return Term(
                f"sum(({converted(term, wraps).text} {tail}), {wraps.__name__}(0))", wraps.__name__, wraps.range
            )
        start = w.pick((None, None, 7, -3))
        reach = Interval(min(term.range.lo, 0) * trips - 3, max(term.range.hi, 0) * trips + 7)
        text = f"sum({term.text} {tail})" if start is None else f"sum(({term.text} {tail}), {start})"
        return Term(text, "int", reach)

    def total_of_tuple(self, w: Writer, depth: int) -> Term:
        """`sum` of a few terms."""
        terms = [self.number(w, depth) for _ in range(w.rng.randint(1, 3))]
        modular = next((one.modular for one in terms if one.modular), None)
        if modular is not None:
            terms = [converted(one, modular) for one in terms]
            return Term(f"sum(({', '.join(one.text for one in terms)},))", modular.__name__, modular.range)
        reach = Interval(sum(one.range.lo for one in terms), sum(one.range.hi for one in terms))
        return Term(f"sum(({', '.join(one.text for one in terms)},))", "int", reach)

    def extreme(self, w: Writer, depth: int) -> Term | None:
        """`min` and `max` of a generator or of a tuple, with a default or without one."""
        name = w.pick(("min", "max"))
        found = self._over(w, lambda: self.number(w, min(depth, 1)))
        if found is None:
            return None
        term, tail, _ = found
        if w.chance(0.4):
            return Term(f"{name}({term.text} {tail})", term.kind, term.range)
        default = inside(w.rng, term.range)
        text = f"{term.modular.__name__}({default})" if term.modular else str(default)
        kind = "int" if term.kind == "bool" else term.kind
        return Term(f"{name}(({term.text} {tail}), default={text})", kind, term.range)

    def bits(self, w: Writer, depth: int) -> Term:
        """Lengths and counts of bits."""
        term = self.number(w, depth)
        return Term(w.pick((f"({term.text}).bit_length()", f"({term.text}).bit_count()")), "int", Interval(0, 64))

    def swapped(self, w: Writer, depth: int) -> Term:
        """Numbers in another byte order."""
        term, width = self.number(w, depth, exact=False), w.pick((16, 32, 64))
        name = w.pick((f"bswap{width}", f"hton{width}", f"ntoh{width}"))
        text = f"{name}({term.text})" if w.chance(0.8) else f"{w.pick(('hton', 'ntoh'))}({term.text}, {width})"
        return Term(text, "int", of_bits(width, signed=False))

    def rotated(self, w: Writer, depth: int) -> Term:
        """Rotations by any count, of all bits or of some; logarithms."""
        term, count, width = self.number(w, depth, exact=False), self.number(w, 0), w.pick((8, 16, 32, 64))
        if w.chance(0.3):
            return Term(f"log2({self.number(w, depth).text})", "int", Interval(-1, 63))
        more = f", {width}" if width < 64 else ""
        return Term(f"{w.pick(('rol', 'ror'))}({term.text}, {count.text}{more})", "int", of_bits(width, signed=False))

    def power(self, w: Writer, depth: int) -> Term:
        """`pow` of a small number."""
        term = converted(self.number(w, depth, exact=False), PLAIN[1])
        return Term(f"pow({term.text}, {w.rng.randint(0, 3)})", "int", of_bits(48, signed=False))

    def rounded(self, w: Writer, depth: int) -> Term:
        """`round` of a whole number."""
        term = self.number(w, depth)
        return Term(f"round({term.text})", "int" if term.kind == "bool" else term.kind, term.range)

    def type_of(self, w: Writer, depth: int) -> Term | None:
        """A cast to the class of a name."""
        names = [one for one in w.names.values() if one.term.modular]
        if not names:
            return None
        name = w.pick(names)
        return Term(f"type({name.text})({self.number(w, depth, exact=False).text})", name.term.kind,
                    U64 if name.term.kind == "u64" else S64)  # fmt: skip

    def some(self, w: Writer, depth: int) -> Term | None:
        """`any` and `all`."""
        name = w.pick(("any", "all"))
        if w.chance(0.25):
            terms = [self.number(w, 0).text for _ in range(w.rng.randint(0, 3))]
            return Term(f"{name}(({', '.join(terms)}{',' if terms else ''}))", "bool", BOOL)
        found = self._over(w, lambda: self.condition(w, min(depth, 1)))
        return None if found is None else Term(f"{name}({found[0].text} {found[1]})", "bool", BOOL)

    def within(self, w: Writer, depth: int) -> Term:
        """In a tuple."""
        term, word = self.number(w, depth), w.pick(("in", "not in"))
        if w.module.items and w.chance(0.2):
            return Term(f"({term.text} {word} {w.pick(w.module.items)[0]})", "bool", BOOL)
        items = [str(inside(w.rng, term.range)) if w.chance(0.7) else self.number(w, 0).text
                 for _ in range(w.rng.randint(1, 4))]  # fmt: skip
        return Term(f"({term.text} {word} ({', '.join(items)},))", "bool", BOOL)

    def within_range(self, w: Writer, depth: int) -> Term:
        """In a range."""
        term, word = self.number(w, depth), w.pick(("in", "not in"))
        if term.modular or w.chance(0.2):  # CPython compares a plain int with the ends, and walks to anything else
            term = Term(f"int({term.text})", "int", term.range)
        low, high, step = inside(w.rng, term.range), inside(w.rng, term.range), w.pick((1, 1, 3, -2))
        low, high = sorted((low, high), reverse=step < 0)
        return Term(f"({term.text} {word} range({low}, {high}{f', {step}' if step != 1 else ''}))", "bool", BOOL)

    def within_bytes(self, w: Writer, depth: int) -> Term:
        """In a text of bytes, whose items are numbers up to 255."""
        term = converted(self.number(w, depth, exact=False), PLAIN[0])
        data = bytes(w.rng.randrange(256) for _ in range(w.rng.randint(1, 5)))
        return Term(f"({term.text} {w.pick(('in', 'not in'))} {data!r})", "bool", BOOL)

    def is_instance(self, w: Writer, depth: int) -> Term | None:
        """A question of the class of a name."""
        names = list(w.names.values())
        if not names:
            return None
        name, kind = w.pick(names), w.pick(("int", "u64", "s64", "bool", "(u64, s64)"))
        return Term(f"isinstance({name.text}, {kind})", "bool", BOOL)

    def called(self, w: Writer, depth: int) -> Term | None:
        """Questions that are answered before the program runs."""
        if not w.module.callees:
            return None
        name = w.pick(w.module.callees).call
        text = w.pick((f"callable({name})", f'hasattr({name}, "__name__")', f'getattr({name}, "nothing", 0) == 0'))
        return Term(f"({text})", "bool", BOOL)
