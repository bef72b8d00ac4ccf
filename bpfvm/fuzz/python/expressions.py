"""Expressions: one row a construct. Operators come from the operator table, casts from the table of types.

`number` gives a term whose exact value fits in a register, unless the caller takes one that is known mod 2**64 alone.
Daring modules keep some of what may not fit, so that the compiler's refusals are met as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bpfvm.fuzz.python import reductions
from bpfvm.fuzz.python.numbers import constant, inside
from bpfvm.fuzz.python.term import NARROW, PLAIN, Term, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import Callee, Row, Writer
from bpfvm.lang.types import interval
from bpfvm.lang.types.interval import BOOL, S64, U64, Interval
from bpfvm.lang.types.operators import BINARY, UNARY, Operator
from bpfvm.lang.types.scalars import SCALARS, Storage, s64, u64

_NATURAL = Interval(0, U64.hi >> 1)
_COUNTS = Interval(0, 4096)  # of an exact shift
_DEEPEST = 3  # expressions around one with rows of the module
_COMPARED = ("<", "<=", ">", ">=", "==", "!=")


def number(w: Writer, depth: int, exact: bool = True) -> Term:
    """A number. exact: a value that may not fit in 64 bits is cut."""
    found = _made(w, _NUMBERS if depth > 0 else _LEAVES, w.module.leaves, depth)
    return cut(w, found) if exact and not found.exact else found


def cut(w: Writer, term: Term) -> Term:
    """What fits in a register of a term that may not: by a cast, by `&`, by `%`."""
    if w.chance(w.module.daring):
        return Term(term.text, term.kind, S64)
    how = w.rng.randrange(4)
    if how == 0:
        mask = abs(inside(w.rng, U64))
        return Term(f"({term.text} & {mask:#x})", "int", Interval(0, mask))
    if how == 1:
        bits = w.rng.choice((1, 3, 8, 16, 31, 32, 33, 63, 64))
        return Term(f"({term.text} % 2**{bits})", "int", interval.of_bits(bits, signed=False))
    return converted(term, w.pick(PLAIN))


def wanted(w: Writer, depth: int, type: type) -> Term:
    """A value of the type."""
    if w.chance(w.module.daring / 4):
        return number(w, depth)
    return condition(w, depth) if type is bool else converted(number(w, depth, exact=type is int), type)


def condition(w: Writer, depth: int) -> Term:
    """A bool."""
    return _made(w, _CONDITIONS if depth > 0 else _PLAIN_CONDITIONS, w.module.tests, depth)


def _made(w: Writer, rows: Sequence[Row], more: Sequence[Row], depth: int) -> Term:
    """A term by one of the rows. more: of the module, which have operands: at a place that is not deep."""
    w.within += 1
    rows = (*rows, *more) if w.within <= _DEEPEST else rows
    found = None
    while found is None:
        made = w.row(rows).make(w, depth - 1)
        found = made if isinstance(made, Term) else None
    w.within -= 1
    return found


# Leaves


def _name(w: Writer, depth: int) -> Term | None:
    names = list(w.names.values())
    if w.chance(0.85):  # constants of the module are numbers that the compiler knows
        names = [one for one in names if one.text not in w.module.names]
    return w.pick(names[-6:] if w.chance(0.5) else names).term if names else None


def _constant(w: Writer, depth: int) -> Term:
    numbers = w.module.numbers
    value = w.pick(numbers) if numbers and w.chance(0.3) else constant(w.rng)
    numbers.append(value)
    text = hex(value) if value > 999 else str(value)
    return Term(text if value >= 0 else f"({text})", "int", Interval(value, value), simple=True)


def _packet_field(w: Writer, depth: int) -> Term | None:
    return w.pick(w.module.fields) if w.module.fields else None


# Operators


def _binary(w: Writer, depth: int) -> Term | None:
    row = w.pick(BINARY)
    a, b = number(w, depth, exact=not row.ring), number(w, depth, exact=not row.ring)
    w.recent.append((row, a, b))
    return _WRITTEN.get(row.name, operated)(w, row, a, b)


def _again(w: Writer, depth: int) -> Term | None:
    """Operands of before once more: the same operation, another one, the other way round, or a cast of one."""
    known = [one for one in w.recent[-8:] if all(w.knows(term.text) for term in one[1:])]
    if not known:
        return None
    row, a, b = w.pick(known)
    if w.chance(0.35):
        to = w.pick(SCALARS)
        return Term(f"{to.__name__}({a.text})", kind_of(to), range_of(to))
    if w.chance(0.4):
        a, b = b, a
    if w.chance(0.3):
        row = w.pick(BINARY)
    if not row.ring:
        a, b = (one if one.exact else cut(w, one) for one in (a, b))
    return _WRITTEN.get(row.name, operated)(w, row, a, b)


def operated(w: Writer, row: Operator, a: Term, b: Term) -> Term:
    """`a op b`, its operands of classes that go together."""
    a, b = together(w, a, b)
    kind = a.kind if a.modular else b.kind if b.modular else "int"
    if row.name in ("and", "or", "xor") and a.kind == b.kind == "bool":
        kind = "bool"
    modular = a.modular or b.modular
    if row.name == "lshift" and b.range.hi > _COUNTS.hi:
        found = U64 if modular is None else modular.range
    else:
        exact = row.range(a.range, b.range)
        found = exact if modular is None or exact.within(modular.range) else modular.range
    return Term(f"({a.text} {row.symbol} {b.text})", kind, found)


def together(w: Writer, a: Term, b: Term) -> tuple[Term, Term]:
    """Both, cast where the operators refuse one beside the other."""
    if a.modular and b.modular and a.kind != b.kind:
        b = converted(b, a.modular)
    if a.kind == "bool" and b.modular:
        a = Term(f"int({a.text})", "int", BOOL)
    return a, b


def _divided(w: Writer, row: Operator, a: Term, b: Term) -> Term | None:
    """A division: by anything, or by what cannot be 0."""
    if w.chance(0.55):
        value = inside(w.rng, Interval(1, 1 << w.rng.randint(1, 63)))
        sign = -1 if w.chance(0.15) and not (a.modular or b.modular) else 1
        b = Term(f"{value}" if sign > 0 else f"(-{value})", "int", Interval(sign * value, sign * value))
    elif b.range.lo >= 0 and w.chance(0.5):
        b = Term(f"({b.text} | 1)", b.kind if b.modular else "int", Interval(1, interval.or_(b.range, BOOL).hi))
        b = b if b.exact else converted(b, w.pick(NARROW))
    return operated(w, row, a, b)


def _shifted(w: Writer, row: Operator, a: Term, b: Term) -> Term | None:
    """A shift: by a constant, by what is below 64, or by any count that is bounded."""
    choice = w.rng.random()
    if b.range.hi < 0:  # E025 where it is a constant
        b = Term(f"abs({b.text})", b.kind if b.modular else "int", interval.abs_(b.range))
        b = b if b.exact else converted(b, w.pick(NARROW))
    if choice < 0.35:
        count = w.rng.choice((0, 1, 7, 8, 31, 32, 33, 62, 63, 64, 65))
        b = Term(str(count), "int", Interval(count, count))
    elif choice < 0.75:
        mask = w.rng.choice((7, 31, 63, 127))
        b = Term(f"({b.text} & {mask})", b.kind if b.modular else "int", Interval(0, mask))
    if row.name == "rshift" and not a.exact:
        a = cut(w, a)
    if row.name == "lshift" and not a.modular and (b.modular or not b.range.within(_COUNTS)):
        return None
    return operated(w, row, a, b) if b.exact else None


_WRITTEN: dict[str, Callable[[Writer, Operator, Term, Term], Term | None]] = {
    "floordiv": _divided, "mod": _divided, "lshift": _shifted, "rshift": _shifted,
}  # fmt: skip


def _power(w: Writer, depth: int) -> Term | None:
    if w.chance(0.3):
        count = number(w, depth)
        return Term(f"(2 ** ({count.text} & 63))", "int", U64) if not count.modular else None
    base, exponent = number(w, depth), w.rng.choice((0, 1, 2, 3, 4, 5, 7))
    if base.kind == "bool":
        return None
    most = max(abs(base.range.lo), abs(base.range.hi)) ** exponent
    found = base.modular.range if base.modular else Interval(-most if base.range.lo < 0 else 0, max(most, 1))
    return Term(f"({base.text} ** {exponent})", base.kind, found)


def _unary(w: Writer, depth: int) -> Term | None:
    row = w.pick(UNARY)
    a = number(w, depth, exact=False)
    if a.kind == "bool" and row.name == "invert":
        return None
    exact = row.range(a.range)
    found = exact if a.modular is None or exact.within(a.modular.range) else a.modular.range
    return Term(f"({row.symbol}{a.text})", a.kind if a.modular else "int", found)


def _abs(w: Writer, depth: int) -> Term:
    a = number(w, depth)
    exact = interval.abs_(a.range)
    found = exact if a.modular is None or exact.within(a.modular.range) else a.modular.range
    return Term(f"abs({a.text})", a.kind if a.modular else "int", found)


def _cast(w: Writer, depth: int) -> Term:
    to: Storage = w.pick(SCALARS)
    return Term(f"{to.__name__}({number(w, depth, exact=False).text})", kind_of(to), range_of(to))


def _int(w: Writer, depth: int) -> Term:
    a = number(w, depth)
    return Term(f"int({a.text})", "int", a.range)


# Values that depend on the path


def joined(w: Writer, a: Term, b: Term) -> tuple[Term, Term, str]:
    """Both as values of one class, and which."""
    if a.kind == b.kind:
        return a, b, a.kind
    if {a.kind, b.kind} == {"int", "bool"}:
        return a, b, "int"
    modular = a.modular or b.modular
    assert modular is not None, "two plain classes are joined above"
    return converted(a, modular), converted(b, modular), modular.__name__


def _choice(w: Writer, depth: int) -> Term:
    test = condition(w, depth)
    a, b = number(w, depth), number(w, depth)
    if w.chance(0.15):
        return _either(w, f"({a.text} if {test.text} else {b.text})", a.range.union(b.range))
    a, b, kind = joined(w, a, b)
    return Term(f"({a.text} if {test.text} else {b.text})", kind, a.range.union(b.range))


def _either(w: Writer, text: str, found: Interval) -> Term:
    """What may be of several classes: made one, or left so where that goes well, mostly."""
    if found.exact and w.chance(0.5):
        if w.chance(0.5):
            return Term(text, "int", found)
        edge = abs(inside(w.rng, found))
        return Term(f"(({text} {w.pick('+-')} {edge}) // {w.rng.randint(2, 9)})", "int", S64)
    to = w.pick(PLAIN)
    return Term(f"{to.__name__}({text})", kind_of(to), range_of(to))


def _operand(w: Writer, depth: int) -> Term:
    """`and`, `or`: the operand that decides."""
    parts = [number(w, depth) for _ in range(w.rng.choice((2, 2, 3)))]
    word = w.pick((" and ", " or "))
    if len({one.kind for one in parts}) > 1 and w.chance(0.2):
        found = parts[0].range
        for one in parts[1:]:
            found = found.union(one.range)
        return _either(w, f"({word.join(one.text for one in parts)})", found)
    first, found = parts[0], parts[0].range
    for place, one in enumerate(parts[1:], 1):
        first, parts[place], kind = joined(w, first, one)
        first = Term(first.text, kind, first.range)
        found = found.union(parts[place].range)
    parts[0] = converted(parts[0], first.modular) if first.modular else parts[0]
    found = found.union(parts[0].range)
    return Term(f"({word.join(one.text for one in parts)})", first.kind, found)


def _extreme(w: Writer, depth: int) -> Term:
    name = w.pick(("min", "max"))
    a, b = number(w, depth), number(w, depth, exact=False)
    if w.chance(0.4):
        return _won(w, name, a, b)
    b = b if b.exact else cut(w, b)
    if w.chance(0.35):
        if w.chance(0.5):
            edge = w.rng.randint(0, 40)
            a, b = _wide(w, a), Term(str(edge), "int", Interval(edge, edge))
        a, b = (b, a) if w.chance(0.5) else (a, b)
        return _either(w, f"{name}({a.text}, {b.text})", a.range.union(b.range))
    a, b, kind = joined(w, a, b)
    found = a.range.union(b.range)
    if not w.chance(0.25):
        return Term(f"{name}({a.text}, {b.text})", kind, found)
    third = number(w, depth)
    if third.kind == kind:
        return Term(f"{name}({a.text}, {b.text}, {third.text})", kind, found.union(third.range))
    return _either(w, f"{name}({a.text}, {b.text}, {third.text})", found.union(third.range))


def _won(w: Writer, name: str, a: Term, b: Term) -> Term:
    """`min` and `max` of a plain number and a modular one that always wins: what is taken from it wraps."""
    kind, edge = w.pick((u64, s64)), w.rng.randint(0, 63)
    beaten, winner = f"(int({a.text}) & 15)", f"({b.text} & 15)"
    if name == "min":
        beaten = f"({beaten} + 16)"
    else:
        winner = f"({winner} + 16)"
    operands = [beaten, f"{kind.__name__}({winner})"]
    if w.chance(0.3):
        operands.reverse()
    taken = f"({name}({', '.join(operands)}) {w.pick('--+')} {edge})"
    return Term(f"({taken} {w.pick(('//', '>>'))} {w.rng.randint(1, 7)})", kind.__name__, kind.range)


def _walrus(w: Writer, depth: int) -> Term | None:
    targets = [one for one in w.targets() if one.text.isidentifier()]
    if not targets:
        return None
    target = w.pick(targets)
    return Term(f"({target.text} := {wanted(w, depth, target.type).text})", target.term.kind, target.range)


def call(w: Writer, callee: Callee, depth: int) -> Term:
    """A call with arguments by place and by name."""
    given = callee.params if w.chance(0.6) else callee.params[: callee.required]
    named = w.rng.randrange(callee.required, len(given) + 1) if w.chance(0.3) and not callee.star else len(given)
    texts = []
    for place, (name, type) in enumerate(given):
        text = wanted(w, depth, type).text
        texts.append(text if place < named else f"{name}={text}")
    if callee.star:
        tail = ", ".join(number(w, depth, exact=True).text for _ in range(w.rng.randrange(3)))
        texts.append(f"*({tail},)" if tail and w.chance(0.4) else tail)
    return Term(f"{callee.call}({', '.join(filter(None, texts))})", kind_of(callee.result), range_of(callee.result))


def _call(w: Writer, depth: int) -> Term | None:
    return call(w, w.pick(w.module.callees), depth) if w.module.callees and w.turns <= 40 else None


def index(w: Writer, count: int, depth: int) -> str:
    """An index of a table, mostly one that it has."""
    i = number(w, depth)
    if i.kind == "bool" or (i.range.lo >= 0 and i.range.hi < count):
        return i.text
    if w.chance(0.15):
        return i.text
    if w.chance(0.3) and not i.modular:
        return f"{i.text} % {count + w.chance(0.3)}"
    return f"{i.text} & {count - 1 + w.chance(0.05)}"


def _element(w: Writer, depth: int) -> Term | None:
    """An item of an array, a map or a constant tuple, its index known when the program runs."""
    if w.module.items and w.chance(0.3):
        text, items = w.pick(w.module.items)
        among = Interval(min(items), max(items))
        fits = among.within(S64) or among.within(U64)
        return Term(f"{text}[{index(w, len(items), depth)}]", "int", among) if fits else None
    if not w.tables:
        return None
    table = w.pick(w.tables)
    return Term(f"{table.text}[{index(w, table.count, depth)}]", kind_of(table.type), range_of(table.type))


# Conditions


def _compared(w: Writer, depth: int) -> Term:
    """A comparison: often with a number near where the other side ends, or of classes of their own."""
    a, b = number(w, depth), number(w, depth)
    choice = w.rng.random()
    if choice < 0.35 and a.range.lo < a.range.hi:
        edge = inside(w.rng, a.range)
        b = Term(f"({edge})" if edge < 0 else str(edge), "int", Interval(edge, edge))
    elif choice < 0.5:
        a, b = _wide(w, a), _wide(w, b)
    text = f"{a.text} {w.pick(_COMPARED)} {b.text}"
    while w.chance(0.2):
        text += f" {w.pick(_COMPARED)} {number(w, depth).text}"
    return Term(f"({text})", "bool", BOOL)


def _wide(w: Writer, term: Term) -> Term:
    """A name of 64 bits, where there is one."""
    names = [one for one in w.names.values() if one.term.modular]
    return w.pick(names).term if names else term


def _bool(w: Writer, depth: int) -> Term:
    return Term(f"bool({number(w, depth).text})", "bool", BOOL)


def _not(w: Writer, depth: int) -> Term:
    return Term(f"(not {number(w, depth).text})", "bool", BOOL)


def _junction(w: Writer, depth: int) -> Term:
    word = w.pick((" and ", " or "))
    return Term(f"({word.join(condition(w, depth).text for _ in range(w.rng.choice((2, 2, 3))))})", "bool", BOOL)


def _is(w: Writer, depth: int) -> Term:
    return Term(f"({condition(w, depth).text} {w.pick(('is', 'is not'))} {w.pick(('True', 'False'))})", "bool", BOOL)


def _truth(w: Writer, depth: int) -> Term:
    return Term(w.pick(("True", "False")), "bool", BOOL, simple=True)


def _flag(w: Writer, depth: int) -> Term | None:
    flags = [one for one in w.names.values() if one.type is bool]
    return w.pick(flags).term if flags else None


_LEAVES: tuple[Row, ...] = (Row("name", 12, _name), Row("constant", 5, _constant), Row("packet", 6, _packet_field))

_PLAIN_CONDITIONS = (
    Row("compare", 5, lambda w, depth: _compared(w, 0)),
    Row("flag", 2, _flag),
    Row("truth", 1, _truth),
)

_CONDITIONS = (
    *_PLAIN_CONDITIONS, Row("compare", 10, _compared), Row("bool", 2, _bool), Row("not", 2, _not),
    Row("junction", 4, _junction), Row("is", 1, _is), *reductions.tests(number, condition),
)  # fmt: skip

_NUMBERS = (
    *_LEAVES, Row("binary", 40, _binary), Row("power", 2, _power), Row("unary", 6, _unary), Row("abs", 3, _abs),
    Row("cast", 8, _cast), Row("int", 2, _int), Row("choice", 5, _choice), Row("operand", 4, _operand),
    Row("extreme", 7, _extreme), Row("again", 7, _again), Row("walrus", 2, _walrus), Row("call", 6, _call),
    Row("element", 8, _element), Row("condition", 2, condition),
    *reductions.rows(number, condition),
)  # fmt: skip
