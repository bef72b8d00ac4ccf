"""Maps with keys: declared, read, stored in, counted in, deleted from, looked through, one in another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from bpfvm.fuzz.hooks import changes, elements
from bpfvm.fuzz.hooks.elements import ARRAY, DIST, Item, Keyed, Ref
from bpfvm.fuzz.python.compound import DEEPEST, body
from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import PLAIN, Term, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import TURNS, Module, Row, Writer
from bpfvm.lang.helpers import atomics
from bpfvm.lang.types.interval import BOOL, Interval
from bpfvm.lang.types.scalars import Storage, u32, u64

_HASH, _COUNTER, _TRIE = "Hash", "Counter", "LpmTrie"
_KINDS = (ARRAY, ARRAY, _HASH, _HASH, _HASH, _COUNTER, _COUNTER, _TRIE)
_BITS = ("or", "and", "xor")
_ATOMIC = ("add", "sub", *_BITS)
_PREFIXES = (("ip4prefix", 32, 4), ("ip6prefix", 128, 0))
FETCHES = tuple(sorted(name for name, one in vars(atomics).items() if isinstance(one, atomics.Fetch)))
_SPARE = 1024  # entries of a map that throws others out, so that it need not


@dataclass(slots=True)
class Maps:
    """Rows for the keyed maps of one module."""

    module: Module
    maps: list[Keyed] = field(default_factory=list)
    nested: list[tuple[str, bool, Keyed]] = field(default_factory=list)
    by_key: Keyed | None = None  # histograms

    def declare(self) -> None:
        """Some maps, and some that hold maps."""
        rng = self.module.rng
        for _ in range(rng.choice((1, 1, 2, 3))):
            self.maps.append(self._one(rng.choice(_KINDS)))
        if rng.random() < 0.3:
            self._nested()
        if rng.random() < 0.25:
            self._histogram()

    def _one(self, kind: str) -> Keyed:
        rng, name = self.module.rng, f"map{len(self.maps)}"
        count = rng.choice((1, 2, 4, 8)) if kind == ARRAY else rng.choice((2, 4, 8, 64))
        if kind == _COUNTER:
            value = elements.number_item(rng.choice((*PLAIN, *PLAIN[2:4], *PLAIN[6:], PLAIN[2], PLAIN[6])))
        else:
            value = elements.some(self.module)
        key = elements.number_item(u32) if kind == ARRAY else elements.some_key(self.module)
        percpu, lru = rng.random() < 0.12, kind != ARRAY and rng.random() < 0.12
        default = kind == _COUNTER
        given = [] if kind == ARRAY else [key.text]
        if kind == _TRIE:
            percpu, lru, (text, _, _) = False, False, rng.choice(_PREFIXES)
            key, given = Item(text), [text]
        given += [value.text, str(_SPARE if lru else count)]
        if kind == _HASH and value.storage is not None and rng.random() < 0.25:
            default = True
            given.append(f"default={rng.choice((0, 0, 1, 5))}")
        given += [f"{word}=True" for word, so in (("percpu", percpu), ("lru", lru)) if so]
        if value.storage is not None and not percpu and not lru and rng.random() < 0.25:
            given += self._contents(kind, key, value, count)
        self.module.lines.append(f"{name} = {kind}({', '.join(given)})")
        return Keyed(name, kind, key, value, count, percpu, default)

    def _contents(self, kind: str, key: Item, value: Item, count: int) -> list[str]:
        """What stands in a map from the start."""
        assert value.storage is not None, "maps of numbers were asked for"
        values = [inside(self.module.rng, range_of(value.storage)) for _ in range(min(count, 2))]
        if kind == ARRAY:
            return [f"contents={values!r}"]
        return [f"contents={dict(enumerate(values))!r}"] if key.storage is not None else []

    def _histogram(self) -> None:
        slots, percpu = self.module.rng.choice((1, 4, 26, 64)), self.module.rng.random() < 0.3
        self.module.lines.append(f"dist = Histogram({slots}{', percpu=True' if percpu else ''})")
        self.maps.append(Keyed("dist", DIST, elements.number_item(u32), elements.number_item(u64), slots, percpu))
        if self.module.rng.random() < 0.4:
            key = elements.some_key(self.module)
            self.module.lines.append(f"dists = Histograms({key.text}, {slots})")
            self.by_key = Keyed("dists", "Histograms", key, elements.number_item(u64), slots)

    def _nested(self) -> None:
        """A map of maps, with one of the module's own kind in it where that can be."""
        rng, name = self.module.rng, f"outer{len(self.nested)}"
        value = elements.number_item(rng.choice(PLAIN)) if rng.random() < 0.7 else elements.some(self.module)
        hashed = rng.random() < 0.4
        key = elements.number_item(u32)
        inner = f"Hash({key.text}, {value.text}, 4)" if hashed else f"Array({value.text}, 4)"
        self.module.lines += [f"{name}i{which} = {inner}" for which in range(2)]
        outer = rng.random() < 0.6
        head = "ArrayOf(" if outer else "HashOf(u32, "
        held = f", {{0: {name}i0, 2: {name}i1}}" if outer else ""
        self.module.lines.append(f"{name} = {head}{inner}, 4{held})")
        self.nested.append((name, outer, Keyed(name, _HASH if hashed else ARRAY, key, value, 4)))

    # Rows

    def leaves(self) -> tuple[Row, ...]:
        """Numbers."""
        if not self.maps:
            return ()
        return (Row("map item", 14, self.item), Row("map get", 6, self.get), Row("map fetch", 5, self.fetch),
                Row("map pop", 2, self.pop), Row("map nested", 6, self.in_nested), Row("map ref", 8, self.by_ref),
                Row("map default", 2, self.setdefault), Row("map values", 2, self.values),
                Row("map entries", 1, self.entries))  # fmt: skip

    def tests(self) -> tuple[Row, ...]:
        """Conditions."""
        return (Row("map in", 7, self.contains), Row("map in nested", 5, self.contains_nested)) if self.maps else ()

    def rows(self) -> tuple[Row, ...]:
        """Statements."""
        if not self.maps:
            return ()
        return (
            Row("map store", 16, self.store), Row("map update", 16, self.update), Row("map delete", 5, self.delete),
            Row("map known", 9, self.known), Row("map name", 7, self.name), Row("map maybe", 7, self.maybe),
            Row("map loop", 4, self.loop), Row("map walk", 8, self.walk), Row("map nested name", 6, self.nested_name),
            Row("map add", 7, self.add), Row("map ref store", 8, self.ref_store),
            Row("map nested store", 4, self.nested_store), Row("map put back", 2, self.put_back),
        )  # fmt: skip

    def _pick(self, w: Writer) -> Keyed:
        return w.pick(self.maps)

    def key(self, w: Writer, one: Keyed) -> str:
        """A key of a map, mostly one that may be there."""
        if one.kind == _TRIE:
            text, most, _ = next(row for row in _PREFIXES if row[0] == one.key.text)
            length = str(w.rng.choice((0, 8, 24, most, most + 1))) if w.chance(0.6) else f"{number(w, 0).text} & 31"
            address = w.pick(("0x0A000001", "0", "0x0A0000FE")) if w.chance(0.5) else converted(number(w, 0), u32).text
            return f"{text}(length={length}{f', address={address}' if most == 32 else ''})"
        if not one.is_array:
            return elements.key(w, one.key)
        if w.chance(0.55):
            return str(w.rng.randrange(one.count))
        found = number(w, 1)
        if found.kind == "bool":
            return f"int({found.text})"
        return f"{found.text} & {elements.mask(one.count * 2 if w.chance(0.15) else one.count)}"

    # Numbers

    def item(self, w: Writer, depth: int) -> Term | None:
        """`m[k]`, `m[k].f`, `m[k][i]`."""
        one = self._pick(w)
        if not one.is_array and not one.default and w.chance(0.6):
            return None  # mostly a fault
        found = elements.part(w, f"{one.text}[{self.key(w, one)}]", one.value)
        return elements.term(*found) if found is not None else None

    def get(self, w: Writer, depth: int) -> Term | None:
        """`m.get(k, d)`."""
        one = self._pick(w)
        if one.value.storage is None:
            return None
        missing = wanted(w, 0, one.value.storage)
        return elements.term(f"{one.text}.get({self.key(w, one)}, {missing.text})", one.value.storage)

    def pop(self, w: Writer, depth: int) -> Term | None:
        """`m.pop(k, d)`."""
        one = self._pick(w)
        if one.value.storage is None or one.is_array or w.turns > 20:
            return None
        missing = wanted(w, 0, one.value.storage)
        return elements.term(f"{one.text}.pop({self.key(w, one)}, {missing.text})", one.value.storage)

    def setdefault(self, w: Writer, depth: int) -> Term | None:
        """`m.setdefault(k, d)`."""
        one = self._pick(w)
        if one.is_array or w.turns > 20:
            return None
        text = f"{one.text}.setdefault({self.key(w, one)}, {elements.value(w, one.value, 0)})"
        found = elements.part(w, text, one.value)
        return elements.term(*found) if found is not None else None

    def fetch(self, w: Writer, depth: int) -> Term | None:
        """`bpf.fetch_add(m, k, n)`, also of a field and of an array's item."""
        name = w.pick(FETCHES)
        wide = [one for one in self.maps if not one.percpu]
        if not wide or w.turns > 40:
            return None
        one = w.pick(wide)
        if not one.is_array and not one.default and w.chance(0.6):
            return None
        key = self.key(w, one)
        type: Any
        if one.value.storage is not None:
            where, type = f"{one.text}, {key}", one.value.storage
        elif one.value.struct is not None:
            field, type = w.pick(one.value.struct.fields)
            where = f"{one.text}[{key}], '{field}'"
        else:
            where, type = f"{one.text}[{key}], {w.rng.randrange(one.value.count)}", one.value.element
        if type is bool or not isinstance(type, Storage) or type.bits < 32 or type.is_big or one.value.of == "char":
            return None
        given = [wanted(w, 0, type).text for _ in range(2 if name == "cmpxchg" else 1)]
        return elements.term(f"bpf.{name}({where}, {', '.join(given)})", type)

    def values(self, w: Writer, depth: int) -> Term | None:
        """A reducer over all that stands in an array."""
        arrays = [
            one for one in self.maps if one.is_array and one.value.storage is not None and one.count * w.turns < TURNS
        ]
        if not arrays:
            return None
        one, name = w.pick(arrays), w.fresh("i")
        if w.chance(0.3):
            return Term(
                f"sum(int({one.text}[{name}]) & 255 for {name} in {one.text})", "int", Interval(0, 255 * one.count)
            )
        return Term(f"sum(int({name}) & 255 for {name} in {one.text}.values())", "int", Interval(0, 255 * one.count))

    def entries(self, w: Writer, depth: int) -> Term:
        """`m.max_entries`."""
        return Term(f"{self._pick(w).text}.max_entries", "int", Interval(1, _SPARE))

    def by_ref(self, w: Writer, depth: int) -> Term | None:
        """A part of what a name stands for."""
        known = elements.refs(w)
        if not known:
            return None
        one = w.pick(known)
        found = elements.part(w, one.text, one.item)
        return elements.term(*found) if found is not None else None

    def in_nested(self, w: Writer, depth: int) -> Term | None:
        """`n[i][k]`."""
        if not self.nested:
            return None
        text, inner = self._inner(w)
        found = elements.part(w, f"{text}[{self.key(w, inner)}]", inner.value)
        return elements.term(*found) if found is not None else None

    def _inner(self, w: Writer) -> tuple[str, Keyed]:
        name, _, inner = w.pick(self.nested)
        which = str(w.rng.choice((0, 2, 0, 2, 1))) if w.chance(0.7) else f"{number(w, 0).text} & {w.pick((2, 3))}"
        return f"{name}[{which}]", inner

    # Conditions

    def contains(self, w: Writer, depth: int) -> Term:
        """`k in m`."""
        one = self._pick(w)
        return Term(f"({self.key(w, one)} {w.pick(('in', 'in', 'not in'))} {one.text})", "bool", BOOL)

    def contains_nested(self, w: Writer, depth: int) -> Term | None:
        """`i in n`, `k in n[i]`."""
        if not self.nested:
            return None
        if w.chance(0.6):
            return Term(f"({number(w, 0).text} & 3 in {w.pick(self.nested)[0]})", "bool", BOOL)
        text, inner = self._inner(w)
        return Term(f"({self.key(w, inner)} in {text})", "bool", BOOL)

    # Statements

    def store(self, w: Writer) -> bool:
        """`m[k] = v`, or a part of it."""
        one = self._pick(w)
        where = f"{one.text}[{self.key(w, one)}]"
        if one.is_array and w.chance(0.4):
            return self._part(w, where, one.value)
        w.line(f"{where} = {elements.value(w, one.value)}")
        return True

    def _part(self, w: Writer, where: str, item: Item) -> bool:
        """A number in it gets another one, or is changed by one."""
        found = elements.part(w, where, item)
        if found is None:
            return False
        text, type = found
        if type is bool or w.chance(0.3):
            w.line(f"{text} = {wanted(w, 1, type).text}")
            return True
        changes.changed(w, text, type, w.pick((_ATOMIC, _BITS)) if w.chance(0.7) else None)
        return True

    def ref_store(self, w: Writer) -> bool:
        """The same behind a name."""
        known = elements.refs(w)
        if not known:
            return False
        one = w.pick(known)
        return self._part(w, one.text, one.item)

    def update(self, w: Writer) -> bool:
        """`m[k] += v` where a missing key counts, or none is missing."""
        found = [one for one in self.maps if one.is_array or one.default]
        if not found:
            return False
        one = w.pick(found)
        return self._part(w, f"{one.text}[{self.key(w, one)}]", one.value)

    def add(self, w: Writer) -> bool:
        """`m.add(k, v)`."""
        found = [one for one in self.maps if one.value.storage is not None and (one.is_array or one.default)]
        if not found:
            return False
        one = w.pick(found)
        if one.kind == DIST:
            keyed = self.by_key if w.rng.random() < 0.5 else None
            text, first = ("dist", "") if keyed is None else (keyed.text, f"{self.key(w, keyed)}, ")
            w.line(f"{text}.add({first}{converted(number(w, 1), w.pick((*PLAIN[:4], u64))).text})")
            return True
        value, type = number(w, 1), one.value.storage
        assert type is not None, "maps of numbers were asked for"
        text = (
            value.text
            if not value.modular
            else f"int({value.text})"
            if kind_of(type) == "int"
            else converted(value, type).text
        )
        w.line(f"{one.text}.add({self.key(w, one)}, {text})")
        return True

    def delete(self, w: Writer) -> bool:
        """`del m[k]`, mostly of what is there; `m.pop(k)`."""
        found = [one for one in self.maps if not one.is_array]
        if not found:
            return False
        one = w.pick(found)
        key = self._named(w, one)
        inner = "" if w.chance(0.3) else "    "
        if inner:
            w.line(f"if {key} in {one.text}:")
        if one.value.storage is not None and w.chance(0.4):
            w.line(f"{inner}{w.fresh('z')} = {one.text}.pop({key})")
        else:
            w.line(f"{inner}del {one.text}[{key}]")
        return True

    def _named(self, w: Writer, one: Keyed) -> str:
        """A key in a name, so that the same is asked twice."""
        text = self.key(w, one)
        if text.isidentifier() or (w.chance(0.3) and ":=" not in text):
            return text
        if one.key.storage is None:
            if not one.key.text.startswith(("u8", "char")):
                name = w.fresh("y")
                w.line(f"{name} = {text}")
                return name
            return text
        name = w.fresh("k")
        w.line(f"{name} = {text}")
        return name

    def known(self, w: Writer) -> bool:
        """What stands under a key is used where that is known, or stored where nothing is."""
        if w.nested >= DEEPEST:
            return False
        one = self._pick(w)
        if one.kind == _TRIE:  # what is found there need not stand under the key itself
            return False
        key = self._named(w, one)
        present = w.chance(0.7)
        w.line(f"if {key} {'in' if present else 'not in'} {one.text}:")
        for there in (present, not present):
            with w.block():
                if there:
                    self._part(w, f"{one.text}[{key}]", one.value)
                    found = elements.part(w, f"{one.text}[{key}]", one.value)
                    if found is not None and w.chance(0.5):
                        to = w.pick(PLAIN)
                        w.line(f"{w.bind(w.fresh(), to).text} = {to.__name__}({found[0]})")
                else:
                    w.line(f"{one.text}[{key}] = {elements.value(w, one.value)}")
                w.left = min(w.left, 2)
                body(w)
            if there is present:
                if w.chance(0.4):
                    break
                w.line("else:")
        return True

    def name(self, w: Writer) -> bool:
        """`r = m[k]` of a struct or an array."""
        found = [one for one in self.maps if one.value.storage is None and one.value.of != "char"]
        if not found:
            return False
        one = w.pick(found)
        key, name = self._named(w, one), w.fresh("r")
        if one.is_array:
            text = f"{one.text}[{key}]"
        else:
            text = (
                f"{one.text}.setdefault({key}, {elements.value(w, one.value)})"
                if w.chance(0.6)
                else f"{one.text}[{key}]"
            )
        if w.chance(0.1) and one.value.struct is not None:
            text += ".copy()"
        w.line(f"{name} = {text}")
        w.held[name] = Ref(name, one.value)
        return True

    def maybe(self, w: Writer) -> bool:
        """`m.get(k)`, `m.pop(k, None)`, tested for None."""
        one = self._pick(w)
        key = self.key(w, one)
        text = f"{one.text}.get({key})" if one.is_array or w.chance(0.7) else f"{one.text}.pop({key}, None)"
        return changes.absent(w, text, one.value)

    def loop(self, w: Writer) -> bool:
        """`for i in a`, `a.items()`, `a.values()`."""
        arrays = [one for one in self.maps if one.is_array and one.count * w.turns <= TURNS]
        if not arrays or w.nested >= DEEPEST:
            return False
        one, choice = w.pick(arrays), w.rng.randrange(3)
        index, item = w.fresh("i"), w.fresh("r" if one.value.storage is None else "e")
        head = (index, f"{index}, {item}", item)[choice]
        w.line(f"for {head} in {one.text}{('', '.items()', '.values()')[choice]}:")
        with w.block("for", one.count):
            if choice < 2:
                w.bind(index, int, fixed=True, range=Interval(0, one.count - 1))
            if choice > 0:
                if one.value.storage is not None:
                    w.bind(item, one.value.storage, fixed=True)
                else:
                    w.held[item] = Ref(item, one.value)
            if choice == 0:
                self._part(w, f"{one.text}[{index}]", one.value)
            body(w)
        return True

    def walk(self, w: Writer) -> bool:
        """`for k, v in h.items()`: the kernel has an order of its own, so that what is done is the same in any."""
        hashes = [one for one in self.maps if one.kind in (_HASH, _COUNTER) and one.value.storage is not None]
        if not hashes or w.nested > 1 or w.loops:
            return False
        one, choice = w.pick(hashes), w.rng.randrange(3)
        key, item, total = w.fresh("k"), w.fresh("e"), w.fresh()
        numbers = [name for name, is_number in ((key, choice < 2 and one.key.storage is not None), (item, choice > 0))
                   if is_number]  # fmt: skip
        how = w.pick(("+", "^"))
        w.line(f"{total} = u64({w.rng.randrange(3)})")
        w.line(f"for {(key, f'{key}, {item}', item)[choice]} in {one.text}{('', '.items()', '.values()')[choice]}:")
        if numbers:
            number_of = w.pick(numbers)
            w.line(f"    if {number_of} {w.pick(('>', '!=', '<='))} {w.rng.choice((0, 1, 3, 200))}:")
            w.line(f"        {total} {how}= u64({w.pick(numbers)})")
            if choice < 2 and w.chance(0.3):
                w.line(f"        del {one.text}[{key}]")
        if not numbers or (how == "+" and w.chance(0.5)):  # sums in any order are the same, and sums of xors are not
            w.line(f"    {total} += {w.rng.randrange(1, 9)}")
        w.bind(total, u64)
        return True

    def nested_name(self, w: Writer) -> bool:
        """`t = tables.get(i)`, and what stands in that."""
        if not self.nested or w.nested >= DEEPEST:
            return False
        name, _, inner = w.pick(self.nested)
        found = w.fresh("j")
        w.line(f"{found} = {name}.get({number(w, 0).text} & 3)")
        w.line(f"if {found} is not None:")
        with w.block():
            where = f"{found}[{self.key(w, inner)}]"
            if not inner.is_array or not self._part(w, where, inner.value):
                w.line(f"{where} = {elements.value(w, inner.value)}")
        return True

    def put_back(self, w: Writer) -> bool:
        """What is taken from one place is stored at another."""
        same = [(one, other) for one in self.maps for other in self.maps
                if one.value == other.value and one.is_array]  # fmt: skip
        if not same:
            return False
        one, other = w.pick(same)
        w.line(f"{other.text}[{self.key(w, other)}] = {one.text}[{self.key(w, one)}]")
        return True

    def nested_store(self, w: Writer) -> bool:
        """Stores in a map that stands in another one, sometimes by a name."""
        if not self.nested:
            return False
        text, inner = self._inner(w)
        if w.chance(0.4):
            name = w.fresh("j")
            w.line(f"{name} = {text}")
            text = name
        where = f"{text}[{self.key(w, inner)}]"
        if inner.is_array:
            return self._part(w, where, inner.value)
        w.line(f"{where} = {elements.value(w, inner.value)}")
        return True
