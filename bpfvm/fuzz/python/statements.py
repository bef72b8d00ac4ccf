"""Statements without a body: what is assigned, stored, asserted, raised and returned. One row a construct."""

from __future__ import annotations

from bpfvm.fuzz.python.expressions import call, condition, index, number, operated, wanted
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import NARROW, PLAIN, Term, converted, fits, kind_of
from bpfvm.fuzz.python.writer import Name, Row, Writer
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import BINARY
from bpfvm.lang.types.scalars import Storage

DEPTH = (0, 1, 1, 2, 2, 3)  # of expressions
_HOMES: tuple[type, ...] = (*PLAIN, bool, int)
_RAISED = ("ValueError", "IndexError", "AssertionError", "ZeroDivisionError", "Odd")


def depth(w: Writer) -> int:
    """How deep the next expression is."""
    return w.pick(DEPTH)


def some_type(w: Writer) -> type:
    """What a new name holds."""
    return w.pick(_HOMES)


def _assign(w: Writer) -> bool:
    targets = w.targets()
    if targets and w.chance(0.6):
        target = w.pick(targets)
        w.line(f"{target.text} = {wanted(w, depth(w), target.type).text}")
        return True
    type = some_type(w)
    value = wanted(w, depth(w), type)
    w.line(f"{w.bind(w.fresh(), type).text} = {value.text}")
    return True


def _pair(w: Writer) -> bool:
    """`a, b = b, a`, and its kin."""
    targets = w.targets()
    if _rotated(w, targets):
        return True
    if len(targets) >= 2 and w.chance(0.7):
        names = w.rng.sample(targets, 3 if len(targets) > 3 and w.chance(0.2) else 2)
        values = [wanted(w, depth(w) // 2, one.type).text for one in names]
        if w.chance(0.4):
            values = [converted(other.term, one.type).text for one, other in zip(names, names[::-1], strict=True)]
        w.line(f"{', '.join(one.text for one in names)} = {', '.join(values)}")
        return True
    first, second, third = (some_type(w) for _ in range(3))
    values = [wanted(w, 1, one).text for one in (first, second, third)]
    names = [w.bind(w.fresh(), one) for one in (first, second, third)]
    w.line(f"{names[0].text}, ({names[1].text}, {names[2].text}) = {values[0]}, ({values[1]}, {values[2]})")
    return True


def _rotated(w: Writer, targets: list[Name]) -> bool:
    """Names of one type in another order, sometimes with a step of arithmetic: what loops carry on."""
    type = some_type(w)
    alike = [one for one in targets if one.type is type]
    if len(alike) < 2 or w.chance(0.3):
        return False
    names = w.rng.sample(alike, min(len(alike), w.rng.choice((2, 2, 3))))
    values = [one.text for one in (*names[1:], names[0])]
    if type in (PLAIN[3], PLAIN[7]) and w.chance(0.5):
        values[-1] = f"{values[-1]} {w.pick(('+', '-', '^'))} {values[0]}"
    w.line(f"{', '.join(one.text for one in names)} = {', '.join(values)}")
    return True


def _through_tuple(w: Writer) -> bool:
    """A tuple in a name, and out of it."""
    first, second = some_type(w), some_type(w)
    name = w.fresh("t")
    w.line(f"{name} = {wanted(w, 1, first).text}, {wanted(w, 1, second).text}")
    one, two = w.bind(w.fresh(), first), w.bind(w.fresh(), second)
    w.line(f"{one.text}, {two.text} = {name}")
    return True


def _divmod(w: Writer) -> bool:
    a, b = number(w, depth(w)), number(w, 1)
    if a.modular or b.modular:
        return False
    divisor = b.text if w.chance(0.2) else f"({b.text} & 0xff | 1)" if b.kind == "int" else "7"
    q, r = w.fresh(), w.fresh()
    w.line(f"{q}, {r} = divmod({a.text}, {divisor})")
    for name in (q, r):
        type = w.pick(PLAIN)
        w.line(f"{name} = {type.__name__}({name})")
        w.bind(name, type)
    return True


def _chained(w: Writer) -> bool:
    targets = w.targets()
    if not targets:
        return False
    target = w.pick(targets)
    value = wanted(w, depth(w), target.type)
    w.line(f"{w.bind(w.fresh(), target.type).text} = {target.text} = {value.text}")
    return True


def _annotated(w: Writer) -> bool:
    type: Storage = w.pick(NARROW)
    value = number(w, depth(w))
    if not fits(value, type):
        value = converted(value, type)
    w.line(f"{w.bind(w.fresh(), type).text}: {type.__name__} = {value.text}")
    return True


def _augmented(w: Writer) -> bool:
    """`x op= e`; a plain int is cut behind it."""
    targets = [one for one in w.targets() if one.type not in (bool,)]
    if not targets:
        return False
    target, row = w.pick(targets), w.pick(BINARY)
    modular = target.term.modular
    operand = number(w, depth(w))
    if operand.modular and not modular:
        operand = Term(f"int({operand.text})", "int", operand.range)
    if modular and operand.modular and operand.modular is not modular:
        operand = converted(operand, modular)
    if row.name in ("lshift", "rshift"):
        operand = Term(f"({operand.text} & 63)", operand.kind if operand.modular else "int", Interval(0, 63))
    elif row.name in ("floordiv", "mod") and w.chance(0.7):
        value = inside(w.rng, Interval(1, 1 << 40))
        operand = Term(str(value), "int", Interval(value, value))
    if not operand.exact:
        return False
    result = operated(w, row, target.term, operand)
    w.line(f"{target.text} {row.symbol}= {operand.text}")
    if not fits(result, target.type):
        w.line(f"{target.text} = {converted(Term(target.text, result.kind, result.range), target.type).text}")
    return True


def _store(w: Writer) -> bool:
    if not w.tables:
        return False
    table = w.pick(w.tables)
    where = f"{table.text}[{index(w, table.count, 1)}]"
    if w.chance(0.4):
        w.line(f"{where} = {number(w, depth(w)).text}")
        return True
    value = number(w, depth(w))
    row = w.pick([one for one in BINARY if one.name in ("add", "sub", "and", "or", "xor")] if w.chance(0.7) else BINARY)
    text = f"({value.text} & 31)" if row.name in ("lshift", "rshift") else value.text
    if kind_of(table.type) != "int":
        text = converted(value, table.type).text if value.modular else text
    elif value.modular:
        text = f"int({text})"
    w.line(f"{where} {row.symbol}= {text}")
    return True


def _assert(w: Writer) -> bool:
    names = [one for one in w.names.values() if one.term.kind != "bool" and one.range.lo < one.range.hi]
    if not names or w.chance(0.1):
        w.line(f"assert {condition(w, 1).text}" + (', "as it must be"' if w.chance(0.3) else ""))
        return True
    name = w.pick(names)
    edge = inside(w.rng, name.range)
    most = max(edge, name.range.hi // 2)
    w.line(f"assert {name.text} {f'!= {edge}' if w.chance(0.7) or most <= name.range.lo else f'<= {most}'}")
    return True


def _raise(w: Writer) -> bool:
    name = w.pick(_RAISED)
    text = w.pick((name, f"{name}()", f'{name}("too odd")'))
    names = [one for one in w.names.values() if one.term.kind != "bool"]
    if not names:
        return False
    one = w.pick(names)
    w.line(f"if {one.text} == {inside(w.rng, one.range)}:")
    w.line(f"    raise {text}")
    return True


def _return_early(w: Writer) -> bool:
    if not w.nested or w.chance(0.6):
        return False
    leave(w)
    return True


def leave(w: Writer) -> None:
    """`return` of a value of the declared type, or of one that it is cut from."""
    if w.verdict is not None:
        found, size = number(w, depth(w)), w.verdict.hi - w.verdict.lo + 1
        w.line(
            f"return {w.verdict.lo} + int({found.text}) % {size}" if w.verdict.lo else f"return {found.text} % {size}"
        )
        return
    free = not w.called and w.result is not bool and w.chance(0.5)
    w.line(f"return {(number(w, depth(w)) if free else wanted(w, depth(w), w.result)).text}")


def _call(w: Writer) -> bool:
    """A call whose result nobody reads."""
    if not w.module.callees or w.turns > 40:
        return False
    w.line(call(w, w.pick(w.module.callees), 1).text)
    return True


def _expression(w: Writer) -> bool:
    w.line(number(w, 2).text)
    return True


def _document(w: Writer) -> bool:
    w.line(w.pick(('"""Nothing."""', "pass")))
    return True


SIMPLE = (
    Row("assign", 30, _assign), Row("pair", 8, _pair), Row("tuple", 3, _through_tuple), Row("divmod", 3, _divmod),
    Row("chained", 3, _chained), Row("annotated", 4, _annotated), Row("augmented", 14, _augmented),
    Row("store", 14, _store), Row("assert", 3, _assert), Row("raise", 3, _raise), Row("return", 4, _return_early),
    Row("call", 2, _call), Row("expression", 2, _expression), Row("document", 1, _document),
)  # fmt: skip


def bound(w: Writer, stem: str) -> Name:
    """A new name with a value, bound in a line of its own."""
    type = some_type(w)
    value = wanted(w, 1, type)
    name = w.bind(w.fresh(stem), type)
    w.line(f"{name.text} = {value.text}")
    return name
