"""What stands in maps and in events: numbers, structs, arrays; how one is declared, made, read and stored in.

item = some(module)  # one of them, as a type of the language
item.text            # "u32", "S0", "u8[6]"
"""

from __future__ import annotations

from dataclasses import dataclass

from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import PLAIN, Term, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import Module, Row, Struct, Writer
from bpfvm.lang.types.interval import BOOL, Interval
from bpfvm.lang.types.scalars import SCALARS, Storage

_BYTES = (4, 6, 8)
ARRAY, DIST = "Array", "Histogram"  # kinds of maps whose keys are all there


@dataclass(frozen=True, slots=True)
class Item:
    """One type. One of storage (a number), struct, and of (an array of `count` numbers; char for texts) is set.

    kept: a part of it is the kernel's own, so that it is never copied as a whole."""

    text: str
    storage: Storage | None = None
    struct: Struct | None = None
    of: str = ""
    count: int = 0
    kept: bool = False

    @property
    def element(self) -> Storage:
        """The type of an array's items."""
        return next((one for one in SCALARS if one.__name__ == self.of), PLAIN[0])

    @property
    def is_counted(self) -> bool:
        """Whether there are atomic operations on it."""
        return self.storage is not None and self.storage.bits >= 32 and not self.storage.is_big


@dataclass(frozen=True, slots=True)
class Keyed:
    """A map of the module, or one in another: text is what asks for it. default: a missing key counts as a number."""

    text: str
    kind: str
    key: Item
    value: Item
    count: int
    percpu: bool = False
    default: bool = False

    @property
    def is_array(self) -> bool:
        """Whether all keys are there."""
        return self.kind in (ARRAY, DIST)


@dataclass(frozen=True, slots=True)
class Ref:
    """A name for a struct or an array that lies in a map, in a record, or in a copy of one."""

    text: str
    item: Item


def number_item(storage: Storage) -> Item:
    """A number's type."""
    return Item(storage.__name__, storage)


def array_item(of: str, count: int) -> Item:
    """An array's type."""
    return Item(f"{of}[{count}]", of=of, count=count)


def some(module: Module, numbers: float = 0.55) -> Item:
    """A type of values: a number as often as told."""
    rng, choice = module.rng, module.rng.random()
    if choice < numbers:
        return number_item(rng.choice((*SCALARS, PLAIN[3], PLAIN[2])))
    if module.structs and choice < numbers + 0.6 * (1 - numbers):
        made = rng.choice(module.structs)
        return Item(made.name, struct=made)
    if rng.random() < 0.3:
        return array_item(rng.choice(("u8", "char")), rng.choice(_BYTES))
    return array_item(rng.choice(PLAIN).__name__, rng.choice((2, 4)))


def some_key(module: Module) -> Item:
    """A type of keys: numbers, structs, bytes of addresses, texts."""
    rng, choice = module.rng, module.rng.random()
    if choice < 0.6:
        return number_item(rng.choice((*SCALARS, PLAIN[2], PLAIN[2])))
    if module.structs and choice < 0.8:
        made = rng.choice(module.structs)
        return Item(made.name, struct=made)
    return array_item(rng.choice(("u8", "u8", "char")), rng.choice(_BYTES))


def refs(w: Writer, item: Item | None = None) -> list[Ref]:
    """Names for what lies in maps, of the type where one is given."""
    return [one for one in w.held.values() if isinstance(one, Ref) and (item is None or one.item == item)]


def value(w: Writer, item: Item, depth: int = 1) -> str:
    """What can be stored as one."""
    if item.storage is not None:
        return number(w, depth).text if w.chance(0.6) else wanted(w, depth, item.storage).text
    same = [one.text for one in refs(w, item)]
    if item.struct is not None:
        same += [name for name, made in w.objects.items() if made is item.struct]
        if same and w.chance(0.35):
            return w.pick(same)
        if w.chance(0.15) and (there := elsewhere(w, item)):
            return there
        given = [f"{name}={wanted(w, depth, type).text}" for name, type in item.struct.fields if w.chance(0.6)]
        return f"{item.struct.name}({', '.join(given)})"
    if same and w.chance(0.35):
        return w.pick(same)
    if item.of == "u8" and w.chance(0.4) and (there := elsewhere(w, item)):
        return there
    if item.of in ("u8", "char"):
        return _bytes(w, item)
    items = ", ".join(converted(number(w, 0), item.element).text for _ in range(w.rng.randint(0, item.count)))
    return f"{item.text}({items})"


def _bytes(w: Writer, item: Item) -> str:
    if item.of == "char" and w.chance(0.4):
        return w.pick(('"ab"', '"GET"', '""'))
    data = bytes(w.rng.choice((0, 1, 65, 255) if item.of == "u8" else (65, 66, 67)) for _ in range(item.count))
    return f"{item.text}({', '.join(map(str, data))})" if w.chance(0.4) else repr(data)


def key(w: Writer, item: Item) -> str:
    """A key, mostly one of few."""
    if item.storage is not None:
        lies = range_of(item.storage)
        names = [one for one in w.names.values() if one.term.kind != "bool" and one.range.within(lies)
                 and (one.range.hi < 1 << 16 or w.chance(0.2))]  # fmt: skip
        if names and w.chance(0.45):
            return w.pick(names).text
        choice = w.rng.random()
        if choice < 0.4:
            return str(w.rng.randrange(5))
        if choice < 0.85:
            found = number(w, 1)
            return f"({found.text} & {w.pick((1, 3, 7))})"
        if choice < 0.9:
            return str(inside(w.rng, lies))
        return converted(number(w, 1), item.storage).text
    if item.struct is not None:
        same = [name for name, made in w.objects.items() if made is item.struct]
        if same and w.chance(0.4):
            return w.pick(same)
        if w.chance(0.15) and (there := elsewhere(w, item)):
            return there
        given = [f"{name}={_small(w, type)}" for name, type in item.struct.fields if w.chance(0.6)]
        return f"{item.struct.name}({', '.join(given)})"
    if item.of == "u8" and w.chance(0.5) and (there := elsewhere(w, item)):
        return there
    return _bytes(w, item)


def elsewhere(w: Writer, item: Item) -> str | None:
    """One that lies in the packet."""
    module = w.module
    if item.struct is not None:
        return module.placed(w, item.struct) if module.placed is not None and item.struct in module.structs else None
    return module.pieces(w, item.count) if module.pieces is not None else None


def tests(module: Module) -> tuple[Row, ...]:
    """Rows of conditions."""
    return (Row("same values", 4, _same),)


def _same(w: Writer, depth: int) -> Term | None:
    """Two of one type compared: by names, made, in the packet."""
    known = [one for one in refs(w) if not one.item.kept]
    if not known:
        return None
    one = w.pick(known)
    other = value(w, one.item, 0)
    return Term(f"({one.text} {w.pick(('==', '!='))} {other})", "bool", BOOL) if other != one.text else None


def _small(w: Writer, type: type) -> str:
    if type is bool:
        return w.pick(("True", "False"))
    return str(w.rng.randrange(3)) if w.chance(0.7) else wanted(w, 0, type).text


def part(w: Writer, text: str, item: Item) -> tuple[str, type] | None:
    """The text of a number in it, and that one's type."""
    if item.storage is not None:
        return text, item.storage
    if item.struct is not None:
        name, type = w.pick(item.struct.fields)
        return f"{text}.{name}", type
    if item.of == "char":
        return None
    index = str(w.rng.randrange(item.count)) if w.chance(0.5) else f"{number(w, 0).text} & {mask(item.count)}"
    return f"{text}[{index}]", item.element


def mask(count: int) -> int:
    """The most low bits that index so many."""
    return (1 << count.bit_length() - 1) - 1


def term(text: str, type: type) -> Term:
    """A number that is read."""
    lies = Interval(0, 1) if type is bool else range_of(type)
    return Term(text, kind_of(type), lies)
