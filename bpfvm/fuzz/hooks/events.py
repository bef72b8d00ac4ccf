"""What a program tells: records of rings and of perf's buffers, lines of the trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.fuzz.hooks import elements
from bpfvm.fuzz.hooks.elements import Item, Ref
from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.statements import SIMPLE
from bpfvm.fuzz.python.writer import Module, Row, Writer

_RINGS = (("Ring", 0.3), ("PerfEvents", 0.15))
_LINES = 0.3  # of the modules print
_MOST = 24  # turns of loops around a line or a record
_LEAVING = ("return", "raise", "assert")


@dataclass(frozen=True, slots=True)
class Sent:
    """A map of records."""

    text: str
    kind: str
    event: Item


@dataclass(slots=True)
class Events:
    """Rows for what one module tells."""

    module: Module
    maps: list[Sent] = field(default_factory=list)
    prints: bool = False

    def declare(self) -> None:
        """Some maps."""
        rng = self.module.rng
        self.prints = rng.random() < _LINES
        for kind, chance in _RINGS:
            if rng.random() < chance:
                event, name = elements.some(self.module, 0.2), f"events{len(self.maps)}"
                size = f", {rng.choice((4096, 1 << 15))}" if kind == "Ring" and rng.random() < 0.5 else ""
                self.module.lines.append(f"{name} = {kind}({event.text}{size})")
                self.maps.append(Sent(name, kind, event))

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        found = [Row("print", 6, self.line)] if self.prints else []
        if self.maps:
            found += [Row("submit", 9, self.submit), Row("output", 4, self.output)]
        if any(one.kind == "Ring" and one.event.struct is not None for one in self.maps):
            found.append(Row("reserve", 9, self.reserve))
        return tuple(found)

    def submit(self, w: Writer) -> bool:
        """`evs.submit(Event(...))`."""
        if w.turns > _MOST:
            return False
        one = w.pick(self.maps)
        w.line(f"{one.text}.submit({elements.value(w, one.event)})")
        return True

    def output(self, w: Writer) -> bool:
        """`evs.output(data)`: bytes, an array, a struct."""
        if w.turns > _MOST:
            return False
        one = w.pick(self.maps)
        known = [
            *(ref.text for ref in elements.refs(w) if not ref.item.kept),
            *w.objects,
            repr(bytes(w.rng.choice((0, 9, 255)) for _ in range(w.rng.randint(1, 9)))),
        ]
        w.line(f"{one.text}.output({w.pick(known)})")
        return True

    def reserve(self, w: Writer) -> bool:
        """`e = evs.reserve()`, filled, submitted or discarded."""
        if w.turns > _MOST or w.nested > 1:
            return False
        one = w.pick([one for one in self.maps if one.kind == "Ring" and one.event.struct is not None])
        name = w.fresh("r")
        w.line(f"{name} = {one.text}.reserve()")
        w.line(f"if {name} is not None:")
        with w.block():
            w.held[name] = Ref(name, one.event)
            for _ in range(w.rng.randint(0, 3)):
                self._filled(w, name, one.event)
            choice = w.rng.random()
            if choice < 0.5:
                w.line(f"{name}.submit()")
            elif choice < 0.65:
                w.line(f"{name}.discard()")
            else:
                w.line(f"if {number(w, 1).text}:")
                w.line(f"    {name}.{w.pick(('submit', 'discard'))}()")
                w.line("else:")
                w.line(f"    {name}.{w.pick(('submit', 'discard'))}()")
            del w.held[name]
        return True

    def _filled(self, w: Writer, name: str, event: Item) -> None:
        found = elements.part(w, name, event)
        assert found is not None, "a struct has fields"
        text, type = found
        if w.chance(0.25):
            start = len(w.lines)
            w.row(SIMPLE[:2]).make(w)
            if not any(line.lstrip().startswith(_LEAVING) for line in w.lines[start:]):
                return
            del w.lines[start:]
        if type is bool or w.chance(0.7):
            w.line(f"{text} = {wanted(w, 1, type).text}")
        else:
            w.line(f"{text} {w.pick(('+=', '^=', '|='))} {w.rng.randrange(9)}")

    # Lines

    def line(self, w: Writer) -> bool:
        """`print(...)`."""
        if w.turns > _MOST:
            return False
        count = w.rng.choice((0, 1, 1, 2, 3, 4))
        if w.chance(0.5):
            parts = [f"{{{self._shown(w)}}}" for _ in range(count)]
            text = f'f"{w.pick(("", "n=", "100% "))}{w.pick((" ", "|", ": ")).join(parts)}"'
        else:
            text = ", ".join([*([repr(w.pick(("is", "a b", "%d")))] if w.chance(0.4) else []),
                              *(number(w, 1).text for _ in range(count))])  # fmt: skip
        more = w.pick(("", "", "", ', end=""', ', sep=","')) if text else ""
        w.line(f"print({text}{more})")
        return True

    def _shown(self, w: Writer) -> str:
        found = number(w, 1)
        if '"' in found.text or "'" in found.text or "{" in found.text or "\\" in found.text:
            found = number(w, 0)
        text = found.text if not any(sign in found.text for sign in "\"'{\\") else "7"
        if found.kind == "bool":
            return f"({text})"
        plain = w.pick(("", ":d", ":5", ":<9", ":+d", ":012d", ": d"))
        return (
            f"({text}){plain if found.range.lo < 0 or w.chance(0.5) else w.pick((':x', ':#x', ':08x', ':X', ':<12x'))}"
        )
