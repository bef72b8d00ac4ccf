"""Objects on the stack: structs and arrays, made, read, stored, copied, passed on.

A field of a struct in a name is a name of its own to the writer, "p1.f0": what assigns to names assigns to fields.
"""

from __future__ import annotations

from bpfvm.fuzz.python.expressions import number, wanted
from bpfvm.fuzz.python.numbers import inside
from bpfvm.fuzz.python.term import PLAIN, converted, kind_of, range_of
from bpfvm.fuzz.python.writer import Module, Row, Struct, Table, Writer
from bpfvm.lang.types.scalars import SCALARS, u8

_FIELDS: tuple[type, ...] = (*SCALARS, bool)
_MOST = 3  # objects in one function: a stack has 512 bytes


def declare(module: Module) -> None:
    """A class of structs with a method that reads and one that stores."""
    rng = module.rng
    fields = tuple((f"f{place}", rng.choice(_FIELDS)) for place in range(rng.randint(1, 4)))
    name = f"S{len(module.structs)}"
    module.structs.append(Struct(name, fields))
    lines = [f"@struct{rng.choice(('', '', '(packed=True)'))}", f"class {name}:"]
    for field, type in fields:
        default = f" = {inside(rng, range_of(type)) if type is not bool else True}" if rng.random() < 0.3 else ""
        lines.append(f"    {field}: {type.__name__}{default}")
    first, type = fields[0]
    lines += [f"    def total(self):\n        return {' ^ '.join(f'int(self.{field})' for field, _ in fields)}",
              f"    def put(self, to):\n        self.{first} = to\n        return self"]  # fmt: skip
    module.lines.append("\n".join(lines))


def _room(w: Writer) -> bool:
    return len(w.objects) + len(w.tables) < _MOST + len(w.module.tables) and w.nested < 2


def _struct(w: Writer) -> bool:
    """A new object in a name."""
    if not w.module.structs or not _room(w):
        return False
    made = w.pick(w.module.structs)
    given = [f"{field}={wanted(w, 1, type).text}" for field, type in made.fields if w.chance(0.6)]
    name = w.fresh("o")
    others = [one for one, kind in w.objects.items() if kind is made]
    if others and w.chance(0.5):
        w.line(f"{name} = copy({w.pick(others)})")
    else:
        w.line(f"{name} = {made.name}({', '.join(given)})")
    w.object(name, made)
    return True


def _stored(w: Writer) -> bool:
    """A field gets a number, cut to its bits."""
    if not w.objects:
        return False
    name = w.pick(sorted(w.objects))
    field, type = w.pick(w.objects[name].fields)
    value = wanted(w, 2, type) if w.chance(0.6) or type is bool else number(w, 2, exact=False)
    how = (
        "=" if w.chance(0.6) or type is bool or kind_of(type) != "int" or value.modular else w.pick(("+=", "^=", "-="))
    )
    w.line(f"{name}.{field} {how} {value.text}")
    return True


def _method(w: Writer) -> bool:
    """Methods of an object, and an object passed on by one."""
    if not w.objects:
        return False
    name = w.pick(sorted(w.objects))
    field, type = w.objects[name].fields[0]
    if w.chance(0.5):
        w.line(f"{name}.put({wanted(w, 1, type).text})")
        return True
    to = w.pick(PLAIN)
    w.line(f"{w.bind(w.fresh(), to).text} = {to.__name__}({name}.total() + {name}.{field})")
    return True


def _equal(w: Writer) -> bool:
    """Two objects compared, one matched by its fields."""
    if not w.objects:
        return False
    name = w.pick(sorted(w.objects))
    made = w.objects[name]
    others = [one for one, kind in w.objects.items() if kind is made and one != name]
    if others and w.chance(0.6):
        w.line(f"{w.bind(w.fresh(), bool).text} = {name} {w.pick(('==', '!='))} {w.pick(others)}")
        return True
    field, type = made.fields[0]
    to, result = w.pick(PLAIN), w.fresh()
    w.line(f"match {name}:")
    w.line(f"    case {made.name}({field}={inside(w.rng, range_of(type)) if type is not bool else True}):")
    w.line(f"        {result} = {wanted(w, 1, to).text}")
    w.line(f"    case {made.name}({field}=c):")
    w.line(f"        {result} = {to.__name__}(c)")
    w.line("    case _:")
    w.line(f"        {result} = {to.__name__}(0)")
    w.bind(result, to)
    return True


def _array(w: Writer) -> bool:
    """A new array, of zeros or of items."""
    if not _room(w):
        return False
    type, count, name = u8 if w.chance(0.4) else w.pick(PLAIN), w.pick((1, 2, 4, 8)), w.fresh("b")
    w.line(f"{name} = {type.__name__}[{count}]()")
    if w.chance(0.6):
        place = w.fresh("i")
        w.line(f"for {place} in range({count}):")
        w.line(f"    {name}[{place}] = {converted(number(w, 1, exact=False), type).text}")
    w.tables = [*w.tables, Table(name, type, count, is_map=False)]
    return True


def _over_array(w: Writer) -> bool:
    """What reads all items: loops, reducers, slices of bytes."""
    arrays = [one for one in w.tables if not one.is_map]
    if not arrays:
        return False
    array, to = w.pick(arrays), w.pick(PLAIN)
    item = w.fresh("e")
    choices = [
        f"{to.__name__}(sum(int({array.text}[{item}]) & 0xffff for {item} in range({array.count})))",
        f"{to.__name__}(len({array.text}) + {array.text}[-1])",
        f"{to.__name__}(int({wanted(w, 1, array.type).text} in {array.text}))",
    ]  # fmt: skip
    if array.type is u8 and array.count > 1:
        data = bytes(w.rng.choice((0, 1, 65)) for _ in range(array.count - 1))
        start = w.rng.randrange(array.count - 1)
        order = w.pick(("big", "little"))
        choices += [
            f"{to.__name__}(int({array.text}[:{array.count - 1}] == {data!r}))",
            f"{to.__name__}(int({array.text}[{start}:{start + 1}] {w.pick(('==', '!='))} {array.text}[-1:]))",
            f"{to.__name__}(int.from_bytes({array.text}[{start}:{array.count}], {order!r}))",
            f"{to.__name__}(int({array.text}[{start}:{start + 2}] in ({data[:2]!r}, b'AA')))",
        ] * 4
    w.line(f"{w.bind(w.fresh(), to).text} = {w.pick(choices)}")
    return True


OBJECTS = (
    Row("struct", 7, _struct), Row("field", 5, _stored), Row("method", 3, _method), Row("equal", 5, _equal),
    Row("array", 6, _array), Row("over array", 8, _over_array),
)  # fmt: skip
