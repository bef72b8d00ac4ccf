"""Dynptrs: of memory in maps, of records; read and written through, past their ends too."""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.fuzz.hooks import elements
from bpfvm.fuzz.hooks.elements import Item, Keyed
from bpfvm.fuzz.hooks.events import Events
from bpfvm.fuzz.hooks.kinds import Kind
from bpfvm.fuzz.hooks.maps import Maps
from bpfvm.fuzz.python.compound import DEEPEST
from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.term import PLAIN
from bpfvm.fuzz.python.writer import Module, Row, Table, Writer
from bpfvm.lang.types.layout import size_of
from bpfvm.lang.types.scalars import Storage
from bpfvm.tables.helpers import allowed

_MOST = 24  # turns of loops around a dynptr
_SIZES = (1, 2, 4, 8, 9, 16)


@dataclass(frozen=True, slots=True)
class Held:
    """A name for a dynptr. size: of what it is of, about."""

    text: str
    size: int


@dataclass(slots=True)
class Dynptrs:
    """Rows for what one module does by dynptrs."""

    module: Module
    kind: Kind
    maps: Maps
    events: Events

    @property
    def _are_allowed(self) -> bool:
        return allowed("dynptr_from_mem", self.kind.hook.type, self.kind.hook.attach_type) is not False

    def _maps(self) -> list[Keyed]:
        """Maps with memory in their values."""
        return [one for one in self.maps.maps if one.value.storage is None]

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        found = []
        if self._are_allowed and self._maps():
            found += [Row("dynptr", 7, self.of_memory), Row("dynptr more", 6, self.more)]
        if self._are_allowed and any(one.kind == "Ring" for one in self.events.maps):
            found.append(Row("dynptr record", 9, self.of_record))
        return tuple(found)

    def of_memory(self, w: Writer) -> bool:
        """`d = bpf.dynptr(m[k])`, and what is done by it."""
        if w.turns > _MOST:
            return False
        one = w.pick(self._maps())
        key = self.maps.key(w, one)
        text = f"{one.text}[{key}]" if one.is_array else f"{one.text}.setdefault({key}, {elements.value(w, one.value)})"
        name = w.fresh("q")
        w.line(f"{name} = bpf.dynptr({text})")
        found = Held(name, _size(one.value))
        for _ in range(w.rng.randint(1, 3)):
            self._used(w, found)
        if one.is_array:
            w.held[name] = found
        return True

    def more(self, w: Writer) -> bool:
        """What is done by one that has a name."""
        known = [one for one in w.held.values() if isinstance(one, Held)]
        if not known or w.turns > _MOST:
            return False
        self._used(w, w.pick(known))
        return True

    def of_record(self, w: Writer) -> bool:
        """`d = evs.reserve_dynptr(n)`, given back on every way. What user space sees of it was written."""
        if w.turns > _MOST or w.nested > 1:
            return False
        one = w.pick([one for one in self.events.maps if one.kind == "Ring"])
        name, size = w.fresh("q"), w.pick(_SIZES)
        if w.chance(0.2):  # of any size: what was not written is not sent
            w.line(f"{name} = {one.text}.reserve_dynptr({number(w, 0).text} & {w.pick((7, 31, 65535))})")
            ends: tuple[str, ...] = ("discard",)
        else:
            w.line(f"{name} = {one.text}.reserve_dynptr({size})")
            w.line(f"{name}.write({bytes(w.rng.choice((0, 7, 255)) for _ in range(size))!r})")
            ends = ("submit", "submit", "discard")
        for _ in range(w.rng.randint(0, 3)):
            self._used(w, Held(name, size), is_written=len(ends) > 1)
        if w.chance(0.7):
            w.line(f"{name}.{w.pick(ends)}()")
        else:
            w.line(f"if {number(w, 1).text}:")
            w.line(f"    {name}.{w.pick(ends)}()")
            w.line("else:")
            w.line(f"    {name}.{w.pick(ends)}()")
        return True

    def _used(self, w: Writer, one: Held, is_written: bool = True) -> None:
        """One call. is_written: what is read was written before."""
        start = self._start(w, one)
        if w.chance(0.3) and is_written and w.nested < DEEPEST:
            self._reached(w, one, start)
            return
        if w.chance(0.5) and is_written:
            call = f"read({self._buffer(w)}{start})"
        else:
            call = f"write({self._data(w, one)}{start})"
        if w.chance(0.5):
            w.line(f"{one.text}.{call}")
            return
        name, to = w.fresh(), w.pick(PLAIN)
        w.line(f"{name} = {to.__name__}({one.text}.{call})")
        w.bind(name, to)

    def _reached(self, w: Writer, one: Held, start: str) -> None:
        """`d.data(T, at)`: what lies there is changed and read."""
        name, type, count = w.fresh("b"), w.pick(PLAIN), w.pick((1, 2, 4))
        size = size_of(type) * count
        if w.chance(0.2):
            type, count = PLAIN[0], size
            w.line(f"{name} = bpf.helper.dynptr_data({one.text}{start or ', 0'}, {size})".replace("offset=", ""))
        else:
            w.line(f"{name} = {one.text}.data({type.__name__}[{count}]{start})")
        w.line(f"if {name} is not None:")
        with w.block():
            there = Table(name, type, count, is_map=False)
            w.tables = [*w.tables, there]
            for _ in range(w.rng.randint(1, 2)):
                w.line(f"{name}[{w.rng.randrange(count)}] {w.pick(('=', '=', '^='))} {wanted(w, 1, type).text}")
            found, to = w.fresh(), w.pick(PLAIN)
            w.line(f"{found} = {to.__name__}({name}[{number(w, 0).text} & {elements.mask(count)}])")
            w.bind(found, to)

    def _start(self, w: Writer, one: Held) -> str:
        choice = w.rng.random()
        if choice < 0.3:
            return ""
        text = str(w.rng.randint(0, one.size)) if choice < 0.65 else f"{number(w, 0).text} & {w.pick((3, 7, 15))}"
        return f", {'offset=' if w.chance(0.3) else ''}{text}"

    def _buffer(self, w: Writer) -> str:
        """What is filled: an array, which is read later, or a struct."""
        plain = [name for name, made in w.objects.items() if all(type is not bool for _, type in made.fields)]
        if plain and w.chance(0.3):
            return w.pick(plain)
        name, type, count = w.fresh("b"), w.pick(PLAIN), w.pick((1, 2, 4))
        w.line(f"{name} = {type.__name__}[{count}]()")
        w.tables = [*w.tables, Table(name, type, count, is_map=False)]
        return name

    def _data(self, w: Writer, one: Held) -> str:
        known = [*(ref.text for ref in elements.refs(w) if not ref.item.kept), *w.objects,
                 *(table.text for table in w.tables if not table.is_map)]  # fmt: skip
        if known and w.chance(0.5):
            return w.pick(known)
        return repr(bytes(w.rng.choice((0, 9, 255)) for _ in range(w.rng.randint(1, one.size + 1))))


def _size(item: Item) -> int:
    """Bytes of a value; of a struct, some of them."""
    if item.struct is not None:
        return sum(size_of(type) if isinstance(type, Storage) else 1 for _, type in item.struct.fields) or 1
    return item.count * (1 if item.of == "char" else size_of(item.element))
