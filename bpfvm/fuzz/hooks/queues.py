"""Maps without keys, and global data: queues, stacks, bloom filters, targets, a struct in a section."""

from __future__ import annotations

from dataclasses import dataclass, field

from bpfvm.fuzz.hooks import elements
from bpfvm.fuzz.hooks.changes import absent, changed
from bpfvm.fuzz.hooks.elements import Item, Ref
from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.hooks.maps import FETCHES
from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.term import PLAIN, Term
from bpfvm.fuzz.python.writer import Module, Row, Struct, Writer
from bpfvm.lang.types.interval import BOOL, Interval
from bpfvm.lang.types.scalars import Storage

_DATA, _CONST = 0.35, 0.2  # of the modules have global data, a constant
_ACTIONS = Interval(0, 4)


@dataclass(frozen=True, slots=True)
class Pushed:
    """A queue, a stack or a bloom filter."""

    text: str
    kind: str
    value: Item


@dataclass(slots=True)
class Queues:
    """Rows for the maps without keys of one module."""

    module: Module
    kind: Kind
    queues: list[Pushed] = field(default_factory=list)
    blooms: list[Pushed] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    data: list[tuple[str, Struct, bool]] = field(default_factory=list)
    locked: list[tuple[str, str]] = field(default_factory=list)

    def declare(self) -> None:
        """Some of them."""
        module, rng = self.module, self.module.rng
        for kind, chance in (("Queue", 0.2), ("Stack", 0.16), ("Bloom", 0.15)):
            if rng.random() < chance:
                value, name = elements.some(module), f"queue{len(self.queues) + len(self.blooms)}"
                count = rng.choice((1, 2, 4)) if kind != "Bloom" else 64
                module.lines.append(f"{name} = {kind}({value.text}, {count})")
                (self.blooms if kind == "Bloom" else self.queues).append(Pushed(name, kind, value))
        if rng.random() < 0.2:
            self._targets()
        for word, chance in (("data", _DATA), ("const", _CONST)):
            if rng.random() < chance and module.structs:
                made, name = rng.choice(module.structs), "state" if word == "data" else "limits"
                given = ", ".join(f"{one}={rng.randrange(2)}" if type is not bool else f"{one}=True"
                                  for one, type in made.fields if rng.random() < 0.5)  # fmt: skip
                self.data.append((name, made, word == "const"))
                module.lines.append(f"{name} = bpf.{word}({made.name}({given}))")
        if rng.random() < 0.08:
            self.locked.append(("locks", "Locked"))
            module.lines.append("@struct\nclass Locked:\n    lock: SpinLock\n    f0: u64\n    f1: s32\n    f2: u8")
            module.lines.append("locks = Array(Locked, 2)")

    def _targets(self) -> None:
        rng, lines = self.module.rng, self.module.lines
        kind = rng.choice(
            ("ProgArray", "DevMap", "CpuMap", "XskMap") if self.kind.name == "xdp" else ("ProgArray", "CgroupArray")
        )
        self.targets.append(kind)
        lines.append(f"targets = {kind}({1 if kind == 'CpuMap' else 4})")

    # Rows

    def leaves(self) -> tuple[Row, ...]:
        """Numbers."""
        found = []
        if self.data:
            found += [Row("data field", 8, self.field), Row("data fetch", 2, self.fetch)]
        if self.targets and self.targets[0] != "ProgArray":
            found.append(Row("target", 4, self.target))
        return tuple(found)

    def tests(self) -> tuple[Row, ...]:
        """Conditions."""
        return (Row("bloom in", 5, self.contains),) if self.blooms else ()

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        found = []
        if self.queues:
            found += [Row("queue push", 9, self.push), Row("queue pop", 9, self.pop)]
        if self.blooms:
            found.append(Row("bloom add", 6, self.add))
        if any(not fixed for _, _, fixed in self.data):
            found.append(Row("data store", 9, self.store))
        if self.targets == ["ProgArray"]:
            found.append(Row("tail call", 5, self.tail))
        if self.locked:
            found.append(Row("lock", 6, self.lock))
        return tuple(found)

    def push(self, w: Writer) -> bool:
        """`q.push(v)`."""
        one = w.pick(self.queues)
        w.line(f"{one.text}.push({elements.value(w, one.value)})")
        return True

    def pop(self, w: Writer) -> bool:
        """`q.pop()`, `q.peek()`."""
        one = w.pick(self.queues)
        return absent(w, f"{one.text}.{w.pick(('pop', 'peek'))}()", one.value)

    def add(self, w: Writer) -> bool:
        """`b.add(v)`."""
        one = w.pick(self.blooms)
        w.line(f"{one.text}.add({elements.value(w, one.value)})")
        return True

    def contains(self, w: Writer, depth: int) -> Term | None:
        """`v in b`."""
        one = w.pick(self.blooms)
        return Term(f"({elements.value(w, one.value)} {w.pick(('in', 'not in'))} {one.text})", "bool", BOOL)

    def tail(self, w: Writer) -> bool:
        """`progs.call(ctx, i)`: nothing stands there."""
        if w.called:
            return False
        w.line(f"targets.call(ctx, {self._index(w)})")
        return True

    def _index(self, w: Writer) -> str:
        return str(w.rng.randrange(5)) if w.chance(0.5) else f"{number(w, 0).text} & {w.pick((3, 7, 255))}"

    def target(self, w: Writer, depth: int) -> Term:
        """`devs.redirect(i, action)`, `groups.current(i)`."""
        if self.targets[0] == "CgroupArray":
            return Term(f"targets.current({self._index(w)})", "int", Interval(-4095, 1))
        action = f", {w.rng.randrange(4)}" if w.chance(0.7) else ""
        return Term(f"targets.redirect({self._index(w)}{action})", "int", _ACTIONS)

    def field(self, w: Writer, depth: int) -> Term:
        """`state.f0`."""
        name, made, _ = w.pick(self.data)
        part, type = w.pick(made.fields)
        return elements.term(f"{name}.{part}", type)

    def fetch(self, w: Writer, depth: int) -> Term | None:
        """`bpf.fetch_add(state, "f0", n)`."""
        wide = [(name, part, type) for name, made, fixed in self.data for part, type in made.fields
                if not fixed and isinstance(type, Storage) and type.bits >= 32 and not type.is_big]  # fmt: skip
        if not wide or w.turns > 40:
            return None
        name, part, type = w.pick(wide)
        operation = w.pick(FETCHES)
        given = [wanted(w, 0, type).text for _ in range(2 if operation == "cmpxchg" else 1)]
        return elements.term(f"bpf.{operation}({name}, '{part}', {', '.join(given)})", type)

    def store(self, w: Writer) -> bool:
        """`state.f0 += 1`."""
        name, made, _ = w.pick([one for one in self.data if not one[2]])
        part, type = w.pick(made.fields)
        if type is bool:
            w.line(f"{name}.{part} = {wanted(w, 1, bool).text}")
        else:
            changed(w, f"{name}.{part}", type, None)
        return True

    def lock(self, w: Writer) -> bool:
        """`with bpf.lock(r.lock):`, around stores."""
        name, map = w.fresh("r"), self.locked[0][0]
        w.line(f"{name} = {map}[{number(w, 0).text} & 1]")
        values = [number(w, 1) for _ in range(3)]
        texts = [w.fresh("v") for _ in values]
        for text, value in zip(texts, values, strict=True):
            w.line(f"{text} = u64({value.text})")
        w.line(f"with bpf.lock({name}.lock):")
        w.line(f"    {name}.f0 += {texts[0]}")
        w.line(f"    if {name}.f2 < 100:")
        w.line(f"        {name}.f1 = {texts[1]} ^ {name}.f1 if {w.pick(('True', f'{texts[2]} > 9'))} else {texts[2]}")
        w.line(f"        {name}.f2 += 1")
        if w.chance(0.3):
            w.line(f"        {w.pick(('return 0', f'assert {texts[2]} != 0'))}")
        for text in texts:
            w.bind(text, PLAIN[3])
        made = Struct("Locked", (("f0", PLAIN[3]), ("f2", PLAIN[0])))
        w.held[name] = Ref(name, Item("Locked", struct=made, kept=True))
        return True
