"""Statements with bodies: `if`, loops and `match`. One row a construct."""

from __future__ import annotations

from bpfvm.fuzz.python.expressions import condition, number, wanted
from bpfvm.fuzz.python.memory import OBJECTS
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.statements import SIMPLE, bound, depth, leave, some_type
from bpfvm.fuzz.python.term import PLAIN, range_of
from bpfvm.fuzz.python.writer import TURNS, Row, Writer
from bpfvm.lang.types.interval import Interval

DEEPEST = 3
_TRIPS = (1, 2, 3, 5, 8)


def body(w: Writer) -> None:
    """Statements, as many as may still come here."""
    while True:
        w.left -= 1
        rows = STATEMENTS if w.nested < DEEPEST and w.left > 0 else SIMPLE
        row = w.row((*rows, *w.module.statements))
        if not row.make(w):
            continue
        if w.lines[-1].lstrip().startswith(("return", "break", "continue")) or w.left <= 0:
            return


def _if(w: Writer) -> bool:
    w.line(f"if {_test(w)}:")
    _arm(w)
    while w.chance(0.25):
        w.line(f"elif {_test(w)}:")
        _arm(w)
    if w.chance(0.5):
        w.line("else:")
        _arm(w)
    return True


def _test(w: Writer) -> str:
    return condition(w, depth(w)).text if w.chance(0.8) else number(w, depth(w)).text


def _arm(w: Writer) -> None:
    with w.block():
        body(w)
        _jump(w)


def _jump(w: Writer) -> None:
    """Sometimes out of the loop, or to its next turn."""
    if w.loops and w.chance(0.25) and not w.lines[-1].lstrip().startswith("return"):
        w.line(w.pick(("break", "continue")) if w.loops[-1] == "for" else "break")


def _bind_both(w: Writer) -> bool:
    """A name that both arms bind."""
    type, name = some_type(w), w.fresh()
    w.line(f"if {_test(w)}:")
    for word in ("", "else:"):
        if word:
            w.line(word)
        with w.block():
            if w.chance(0.4):
                w.row(SIMPLE[:4]).make(w)
            value = wanted(w, depth(w), type).text
            w.line(f"{name} = {value}")
    w.bind(name, type)
    return True


def _else(w: Writer) -> None:
    if w.chance(0.3):
        w.line("else:")
        with w.block():
            body(w)


def _while(w: Writer) -> bool:
    """A loop that its own count ends, or the test before."""
    trips = w.pick(_TRIPS)
    if w.turns * trips > TURNS:
        return False
    count = w.fresh("n")
    w.line(f"{count} = {w.pick(('0', 'u64(0)', 's64(0)'))}")
    more = f" and {condition(w, 1).text}" if w.chance(0.5) else ""
    w.line(f"while {count} < {trips}{more}:")
    with w.block("while", trips):
        w.line(f"{count} += {w.pick((1, 1, 2))}")
        body(w)
        _jump(w)
    _else(w)
    return True


def _until(w: Writer) -> bool:
    """A loop that a modular number ends by shrinking."""
    if w.turns * 64 > TURNS:
        return False
    name = w.fresh("x")
    start = wanted(w, 1, w.pick(PLAIN)).text
    w.line(f"{name} = u64({start})")
    w.line(f"while {name}:")
    with w.block("while", 64):
        w.line(f"{name} {w.pick(('>>= 1', '//= 2', '//= 3', '>>= 5'))}")
        w.row(SIMPLE[:7]).make(w)
    _else(w)
    return True


def _for(w: Writer) -> bool:
    text, items, trips = _range(w)
    if w.turns * max(trips, 1) > TURNS:
        return False
    reverse = w.chance(0.15) and text.count(",") < 2
    if reverse:
        text = f"reversed({text})"
    if w.chance(0.15) and not reverse and text.count(",") == 0:
        place, name = w.fresh("i"), w.fresh("i")
        w.line(f"for {place}, {name} in enumerate({text}):")
        return _turns(w, {place: items, name: items}, trips)
    name = w.fresh("i")
    w.line(f"for {name} in {text}:")
    return _turns(w, {name: items}, trips)


def _turns(w: Writer, names: dict[str, Interval], trips: int) -> bool:
    total = _accumulator(w) if w.chance(0.4) else None
    with w.block("for", max(trips, 1)):
        for name, items in names.items():
            w.bind(name, int, fixed=True, range=items)
        body(w)
        if total is not None and not w.lines[-1].lstrip().startswith(("return", "break", "continue")):
            step = number(w, 1)
            if step.kind == "int" and step.range.within(Interval(-(1 << 40), 1 << 40)):
                w.line(f"{total} {w.pick(('+', '-'))}= {step.text}")
        _jump(w)
    _else(w)
    if total is not None:
        type = w.pick(PLAIN)
        w.line(f"{total} = {type.__name__}({total})")
        w.bind(total, type)
    return True


def _accumulator(w: Writer) -> str:
    """A sum of plain ints over the turns, proved from how many there are."""
    name = w.fresh("sum")
    header = w.lines.pop()
    w.line(f"{name} = {w.pick((0, 0, 1, -5))}")
    w.lines.append(header)
    return name


def _range(w: Writer) -> tuple[str, Interval, int]:
    """The text, where its items lie, and how many there are at most."""
    trips = w.pick(_TRIPS)
    choice = w.rng.random()
    if choice < 0.3:
        return f"range({trips})", Interval(0, trips), trips
    n = number(w, 1)
    mask = w.pick((1, 3, 7))
    if choice < 0.55:
        return f"range({n.text} & {mask})", Interval(0, mask), mask
    start = inside(w.rng, Interval(-(1 << 33), 1 << 33)) if w.chance(0.4) else w.rng.randint(-9, 9)
    step = w.pick((1, 2, 3, 7, -1, -2, -5))
    lo, hi = sorted((start, start + step * trips))
    if choice < 0.8:
        return f"range({start}, {start + step * trips}, {step})", Interval(lo, hi), trips
    ends = f"{start} + ({n.text} & {mask}) * {step}" if not n.modular else f"{start} + int({n.text} & {mask}) * {step}"
    lo, hi = sorted((start, start + step * mask))
    return f"range({start}, {ends}, {step})", Interval(lo, hi), mask


def _for_items(w: Writer) -> bool:
    """Over a tuple, over bytes, over pairs."""
    if w.turns * 4 > TURNS or w.nested > 1:
        return False
    name, choice = w.fresh("e"), w.rng.random()
    type = w.pick((*PLAIN, int))
    values = [wanted(w, 1, type) for _ in range(w.rng.randint(1, 4))]
    texts = ", ".join(one.text for one in values)
    if choice < 0.25:
        data = bytes(w.rng.randrange(256) for _ in range(w.rng.randint(0, 4)))
        w.line(f"for {name} in {data!r}:")
        return _turns(w, {name: Interval(0, 255)}, len(data))
    if choice < 0.4 and w.module.items:
        text, items = w.pick(w.module.items)
        w.line(f"for {name} in {text}:")
        return _turns(w, {name: Interval(min(items), max(items))}, len(items))
    if choice < 0.6:
        other = w.fresh("e")
        w.line(f"for {name}, {other} in zip(({texts},), {tuple(range(len(values)))}):")
        return _items(w, name, type, {other: Interval(0, 4)}, len(values))
    if choice < 0.75:
        place = w.fresh("i")
        w.line(f"for {place}, {name} in enumerate(({texts},)):")
        return _items(w, name, type, {place: Interval(0, 4)}, len(values))
    w.line(f"for {name} in {'reversed' if choice > 0.9 else ''}({texts},):" if choice <= 0.9
           else f"for {name} in reversed(({texts},)):")  # fmt: skip
    return _items(w, name, type, {}, len(values))


def _items(w: Writer, name: str, type: type, more: dict[str, Interval], trips: int) -> bool:
    with w.block("for", trips):
        w.bind(name, type, fixed=True, range=range_of(type))
        for other, items in more.items():
            w.bind(other, int, fixed=True, range=items)
        body(w)
        _jump(w)
    _else(w)
    return True


def _match(w: Writer) -> bool:
    if w.chance(0.25):
        return _match_tuple(w)
    if w.chance(0.1):
        return _match_truth(w)
    subject = number(w, depth(w))
    if subject.kind == "bool":
        return False
    w.line(f"match {subject.text}:")
    w.indent += 1
    for _ in range(w.rng.randint(1, 3)):
        edges = [inside(w.rng, subject.range) for _ in range(w.rng.randint(1, 3))]
        name = w.fresh("c") if w.chance(0.3) else ""
        pattern = " | ".join(map(str, edges))
        if name:
            pattern = f"({pattern}) as {name}" if w.chance(0.6) else name
        _case(w, pattern, name if name else "", subject.kind, subject.range, guarded=pattern == name)
    if w.chance(0.6):
        _case(w, w.pick(("_", w.fresh("c"))), "", subject.kind, subject.range)
    w.indent -= 1
    return True


def _case(w: Writer, pattern: str, name: str, kind: str, items: Interval, guarded: bool = False) -> None:
    with w.block():
        at = len(w.lines)
        if name:
            w.bind(name, next((one for one in PLAIN if one.__name__ == kind), int), fixed=True, range=items)
        guard = f" if {condition(w, 1).text}" if guarded or w.chance(0.2) else ""
        w.lines.insert(at, "    " * (w.indent - 1) + f"case {pattern}{guard}:")
        body(w)
        _jump(w)


def _match_tuple(w: Writer) -> bool:
    first, second = number(w, 1), number(w, 1)
    if "bool" in (first.kind, second.kind):
        return False
    name = w.fresh("c")
    w.line(f"match {first.text}, {second.text}:")
    w.indent += 1
    _case(w, f"({inside(w.rng, first.range)}, {inside(w.rng, second.range)})", "", "", first.range)
    _case(w, f"({inside(w.rng, first.range)}, {name})", name, second.kind, second.range)
    if w.chance(0.5):
        _case(w, w.pick(("_", f"({w.fresh('c')}, *{w.fresh('c')})")), "", "", first.range)
    w.indent -= 1
    return True


def _match_truth(w: Writer) -> bool:
    w.line(f"match {condition(w, depth(w)).text}:")
    w.indent += 1
    for word in w.rng.sample(("True", "False", "None", "True | None"), w.rng.randint(1, 3)):
        _case(w, word, "", "", Interval(0, 1))
    w.indent -= 1
    return True


def _fresh_name(w: Writer) -> bool:
    bound(w, "v")
    return True


def _leave(w: Writer) -> bool:
    if not w.nested or w.chance(0.7):
        return False
    leave(w)
    return True


STATEMENTS = (
    *SIMPLE, *OBJECTS, Row("if", 22, _if), Row("both", 5, _bind_both), Row("while", 5, _while), Row("until", 2, _until),
    Row("for", 9, _for), Row("items", 5, _for_items), Row("match", 7, _match), Row("name", 5, _fresh_name),
    Row("leave", 3, _leave),
)  # fmt: skip
