"""Statements about one value of a map: a number that is changed, a value that may be missing."""

from __future__ import annotations

from bpfvm.fuzz.hooks import elements
from bpfvm.fuzz.hooks.elements import Item, Ref
from bpfvm.fuzz.python.compound import DEEPEST, body
from bpfvm.fuzz.python.expressions import condition, number, operated, wanted
from bpfvm.fuzz.python.term import PLAIN, Term, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import Writer
from bpfvm.lang.types.interval import Interval
from bpfvm.lang.types.operators import BINARY


def changed(w: Writer, text: str, type: type, names: tuple[str, ...] | None) -> None:
    """`text op= v`, or a number stored."""
    if w.chance(0.3):
        w.line(f"{text} = {number(w, 1).text}")
        return
    row = w.pick([one for one in BINARY if names is None or one.name in names])
    value = number(w, 1)
    if row.name in ("lshift", "rshift"):
        value = Term(f"({value.text} & 31)", "int" if not value.modular else value.kind, Interval(0, 31))
    modular = kind_of(type) != "int"
    if value.modular and not modular:
        value = Term(f"int({value.text})", "int", value.range)
    if modular and value.modular and value.kind != kind_of(type):
        value = converted(value, type)
    result = operated(w, row, Term(text, kind_of(type), range_of(type)), value)
    w.line(f"{text} {row.symbol}= {value.text}" if result.exact or row.ring else f"{text} = {value.text}")


def absent(w: Writer, text: str, item: Item) -> bool:
    """A value that may be None, tested for that; what stands for a struct is held where there is one."""
    if w.nested >= DEEPEST:
        return False
    if item.storage is None:
        name = w.fresh("r")
        w.line(f"{name} = {text}" if w.chance(0.7) else f"if ({name} := {text}) is not None:")
        if not w.lines[-1].endswith(":"):
            w.line(f"if {name} is not None:")
        with w.block():
            w.held[name] = Ref(name, item)
            found = elements.part(w, name, item)
            if found is not None:
                to = w.pick(PLAIN)
                w.line(f"{w.bind(w.fresh(), to).text} = {to.__name__}({found[0]})")
            w.left = min(w.left, 2)
            body(w)
        if w.chance(0.4):
            w.line("else:")
            with w.block():
                body(w)
        return True
    name, to = w.fresh("o"), w.pick(PLAIN)
    w.line(f"{name} = {text}")
    missing = wanted(w, 1, to).text
    result = w.fresh()
    if w.chance(0.5):
        w.line(f"{result} = {missing} if {name} is None else {to.__name__}({name})")
    else:
        w.line(f"if {name} is {w.pick(('None', 'None'))} or {condition(w, 0).text}:")
        w.line(f"    {result} = {missing}")
        w.line("else:")
        w.line(f"    {result} = {to.__name__}({name})")
    w.bind(result, to)
    return True
