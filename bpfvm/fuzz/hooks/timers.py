"""Timers in values of maps: started, started anew, canceled; none of them fires while programs are compared.

The kernel's fire at any moment, so that each waits for longer than a comparison takes. What they would call is compiled
and judged by the verifier all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.fuzz.hooks.elements import Item, Ref
from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.python.expressions import number
from bpfvm.fuzz.python.term import PLAIN, Term
from bpfvm.fuzz.python.writer import Module, Row, Struct, Writer
from bpfvm.lang.types.interval import BOOL
from bpfvm.lang.types.scalars import s32, u64
from bpfvm.tables.helpers import allowed

_TIMED = 0.16  # of the modules have timers
_LATE = 3_600_000_000_000  # nanoseconds until one fires: an hour
_MAPS = ("Array(Timed, 2)", "Hash(u32, Timed, 64)", "Hash(u32, Timed, 1024, lru=True)")
_BODIES = (
    "value.f0 += key",
    "value.f1 = s32(value.f0 & 255)\n    value.f0 ^= u64(value.f1)",
    "value.timer.start(tick, after=value.f0 + 1_000)",
    "if value.timer.cancel():\n        return\n    value.f0 |= 1",
)


@dataclass(slots=True)
class Timers:
    """Rows for the timers of one module."""

    module: Module
    kind: Kind
    maps: list[str] = field(default_factory=list)
    value: Item = field(
        default_factory=lambda: Item("Timed", struct=Struct("Timed", (("f0", u64), ("f1", s32))), kept=True)
    )

    def declare(self) -> None:
        """A map with timers, and what they call."""
        rng, lines = self.module.rng, self.module.lines
        if rng.random() >= _TIMED or not allowed("timer_init", self.kind.hook.type, self.kind.hook.attach_type):
            return
        lines.append("@struct\nclass Timed:\n    f0: u64\n    timer: Timer\n    f1: s32 = 3")
        self.maps.append(rng.choice(_MAPS))
        lines.append(f"timed = {self.maps[0]}")
        bodies = [*_BODIES, *(["del map[key]"] if self._is_hash else [])]
        lines.append("def tick(map, key, value):\n    " + "\n    ".join(rng.sample(bodies, rng.randint(1, 3))))

    @property
    def _is_hash(self) -> bool:
        return self.maps[0].startswith("Hash")

    def tests(self) -> tuple[Row, ...]:
        """Conditions."""
        return (Row("timer cancel", 6, self.canceled),) if self.maps else ()

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        if not self.maps:
            return ()
        found = [Row("timer start", 16, self.start), Row("timer stop", 9, self.stop)]
        return (*found, Row("timer lost", 4, self.lose)) if self._is_hash else tuple(found)

    def _key(self, w: Writer) -> str:
        return str(w.rng.randrange(2)) if w.chance(0.6) else f"({number(w, 0).text} & 1)"

    def _known(self, w: Writer) -> list[Ref]:
        return [one for one in w.held.values() if isinstance(one, Ref) and one.item == self.value]

    def start(self, w: Writer) -> bool:
        """`r.timer.start(tick, after=n)`."""
        known = self._known(w)
        if known and w.chance(0.4):
            name = w.pick(known).text
        else:
            name = w.fresh("r")
            found = f"timed.setdefault({self._key(w)}, Timed())" if self._is_hash else f"timed[{self._key(w)}]"
            w.line(f"{name} = {found}")
            w.held[name] = Ref(name, self.value)
        after = str(_LATE) if w.chance(0.5) else f"{_LATE} + ({number(w, 0).text} & {w.pick((255, 65535))})"
        w.line(f"{name}.timer.start(tick, {'after=' if w.chance(0.6) else ''}{after})")
        return not w.chance(0.4) or self.stop(w)

    def stop(self, w: Writer) -> bool:
        """`r.timer.cancel()`, whether it was started or not."""
        known = self._known(w)
        text = w.pick(known).text if known else f"timed[{self._key(w)}]"
        if w.chance(0.2):
            w.line(f"{text}.timer.cancel()")
            return True
        name = w.fresh()
        w.line(f"{name} = u8({text}.timer.cancel())")
        w.bind(name, PLAIN[0])
        if known and w.chance(0.7):
            w.line(f"{text}.f0 = u64({text}.f0 * 2 + {name})")
        return True

    def canceled(self, w: Writer, depth: int) -> Term | None:
        """`r.timer.cancel()`, as a condition."""
        known = self._known(w)
        return Term(f"{w.pick(known).text}.timer.cancel()", "bool", BOOL) if known else None

    def lose(self, w: Writer) -> bool:
        """An entry is deleted, and its timer with it."""
        key = self._key(w)
        name = w.fresh("k")
        w.line(f"{name} = {key}")
        w.line(f"if {name} in timed:")
        w.line(f"    del timed[{name}]")
        return True
