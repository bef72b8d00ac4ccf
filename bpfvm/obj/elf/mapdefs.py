"""Maps as section .maps declares them: a BTF struct whose members' types hold the map's attributes. See mapdecl.

    struct {
        int (*type)[2];             a number n is a pointer to an array of n
        u32 *key;  u64 *value;      a type is a pointer to it
        int (*max_entries)[256];
        enum { u = 1UL << 44 } map_extra;   a number of 64 bits is an enum of one value
        struct {…} *values[];       of a map of maps: what the inner maps look like; of a prog array: any function
    } hits;

(libbpf's __uint, __type, __array and __ulong macros, tools/lib/bpf/bpf_helpers.h.) The struct's own bytes in the
section stay 0, but for `values`: relocations say which maps or programs stand there at load.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import M32
from bpfvm.core.errors import LoadError
from bpfvm.obj.btf.table import POINTER_SIZE, Btf
from bpfvm.obj.btf.types import Array, DataSec, Enum, Enum64, FuncProto, Ptr, Struct, Type, Var
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import BY_NUMBER

SECTION, VALUES = ".maps", "values"
OF_MAPS, OF_PROGRAMS = frozenset({"array_of_maps", "hash_of_maps"}), "prog_array"
INNER_SIZE = 4  # bytes of the value of a map of maps or programs, as programs and the kernel see it
_NUMBERS = ("type", "key_size", "value_size", "max_entries", "map_flags", "numa_node", "pinning", "map_extra")
_TYPES = ("key", "value")
MAX_MAPS, MAX_MEMBERS = 1 << 12, 64  # far above any object; they bound the time that a damaged one takes
_PINNING: Mapping[int, str] = {0: "", 1: "by_name"}  # enum libbpf_pin_type


def read_maps(btf: Btf) -> dict[str, MapSpec]:
    """The maps that the BTF declares in section .maps, by name, in its order, without what they hold at load."""
    return {name: read_map(btf, var) for name, var in variables(btf).items()}


def variables(btf: Btf) -> dict[str, Var]:
    """The variables of section .maps by name, in the BTF's order."""
    number = btf.find(DataSec, SECTION)
    section = btf[number] if number is not None else None
    found: dict[str, Var] = {}
    if isinstance(section, DataSec) and len(section.vars) > MAX_MAPS:
        raise LoadError(f"{SECTION}: {len(section.vars)} maps in one object, and at most {MAX_MAPS} are read")
    for place in section.vars if isinstance(section, DataSec) else ():
        var = btf[place.type]
        if not isinstance(var, Var):
            raise LoadError(f"{SECTION}: BTF type {place.type} is {an(type(var).__name__)}, not a variable")
        if var.name in found:
            raise LoadError(f"{SECTION}: two maps are called {var.name}")
        found[var.name] = var
    return found


def read_map(btf: Btf, var: Var) -> MapSpec:
    """The map that `var` declares."""
    return _read(btf, var.name, btf.strip(var.type), is_inner=False)


def values_offset(btf: Btf, var: Var) -> int | None:
    """Where `values` begins in the bytes of the map that `var` declares, or None."""
    kind = btf.strip(var.type)
    struct = btf[kind] if kind else None
    members = struct.members if isinstance(struct, Struct) else ()
    return next((one.offset // 8 for one in members if one.name == VALUES), None)


def _read(btf: Btf, name: str, kind: int, *, is_inner: bool) -> MapSpec:
    struct = btf[kind] if kind else None
    if not isinstance(struct, Struct):
        raise LoadError(f"map {name}: its BTF type is {btf.name_of(kind)}, not a struct")
    numbers, types, values = _attributes(btf, name, struct)
    row = BY_NUMBER.get(numbers["type"])
    if row is None:
        raise LoadError(f"map {name}: map type {numbers['type']} is not known to this version")
    if numbers["pinning"] not in _PINNING or (is_inner and numbers["pinning"]):
        known = "an inner map cannot be pinned" if is_inner else "known are 0 (none) and 1 (by name)"
        raise LoadError(f"map {name}: pinning is {numbers['pinning']}; {known}")
    spec = MapSpec(
        name=name,
        type=row.name,
        key_size=_size(btf, name, "key", types["key"], numbers["key_size"]),
        value_size=_size(btf, name, "value", types["value"], numbers["value_size"]),
        max_entries=numbers["max_entries"],
        flags=numbers["map_flags"],
        key_type=types["key"],
        value_type=types["value"],
        extra=numbers["map_extra"],
        numa_node=numbers["numa_node"],
        pin=_PINNING[numbers["pinning"]],
    )
    return spec if values is None else _with_values(btf, spec, values, is_inner)


def _with_values(btf: Btf, spec: MapSpec, values: int, is_inner: bool) -> MapSpec:
    """`spec` with what its `values`, of type `values`, says of maps or programs in it."""
    where = f"map {spec.name}: {VALUES}"
    if is_inner or not (spec.type in OF_MAPS or spec.type == OF_PROGRAMS):
        what = f"an inner {spec.type}" if is_inner else spec.type
        raise LoadError(f"{where}: {what} maps hold neither maps nor programs")
    if spec.value_size not in (0, INNER_SIZE):
        raise LoadError(f"{where}: value_size is {spec.value_size}, and maps and programs in maps take {INNER_SIZE}")
    array = _stripped(btf, values)
    pointer = _stripped(btf, array.type) if isinstance(array, Array) else None
    target = btf.strip(pointer.type) if isinstance(pointer, Ptr) else 0
    wanted: type[Type] = FuncProto if spec.type == OF_PROGRAMS else Struct
    if not target or not isinstance(btf[target], wanted):
        is_of = "functions" if spec.type == OF_PROGRAMS else "map definitions"
        raise LoadError(f"{where} is {btf.name_of(values)}, not an array of pointers to {is_of}")
    spec = replace(spec, value_size=INNER_SIZE)
    if spec.type == OF_PROGRAMS:
        return spec
    return replace(spec, inner=_read(btf, f"{spec.name}.inner", target, is_inner=True))


def _stripped(btf: Btf, number: int) -> Type | None:
    number = btf.strip(number)
    return btf[number] if number else None


def _attributes(btf: Btf, name: str, definition: Struct) -> tuple[dict[str, int], dict[str, int], int | None]:
    """Numbers and types by attribute, and the type of `values`."""
    numbers, types = dict.fromkeys(_NUMBERS, 0), dict.fromkeys(_TYPES, 0)
    values = None
    if len(definition.members) > MAX_MEMBERS:
        raise LoadError(f"map {name}: {len(definition.members)} attributes, and there are fewer than {MAX_MEMBERS}")
    for member in definition.members:
        if member.name in numbers:
            numbers[member.name] = _number(btf, name, member.name, member.type)
        elif member.name in types:
            target = _stripped(btf, member.type)
            if not isinstance(target, Ptr):
                raise LoadError(f"map {name}: member {member.name!r} is {btf.name_of(member.type)}, not a pointer")
            types[member.name] = target.type
        elif member.name == VALUES:
            values = member.type
        else:
            raise LoadError(f"map {name}: attribute {member.name!r} is not known to this version")
    return numbers, types, values


def _number(btf: Btf, name: str, attribute: str, kind: int) -> int:
    """The number that a member's type tells: the length of an array behind a pointer, or an enum's one value."""
    one = _stripped(btf, kind)
    if isinstance(one, Ptr):
        array = _stripped(btf, one.type)
        if not isinstance(array, Array):
            raise LoadError(f"map {name}: {attribute} points to {btf.name_of(one.type)}, not to an array")
        return array.count
    if isinstance(one, Enum | Enum64) and len(one.values) == 1:
        number = one.values[0][1] & (1 << 64) - 1
        if attribute != "map_extra" and number > M32:
            raise LoadError(f"map {name}: {attribute} is {number}, and holds 32 bits")
        return number
    raise LoadError(f"map {name}: member {attribute!r} is {btf.name_of(kind)}, not a pointer to an array")


def _size(btf: Btf, name: str, role: str, kind: int, given: int) -> int:
    """Bytes of the key or value, told by its type, by a number, or by both when they agree."""
    if not kind:
        return given
    size = btf.size_of(kind)
    if size > M32:
        raise LoadError(f"map {name}: {an(role)} of {octets(size)} is more than the kernel can be told ({M32})")
    if given not in (0, size):
        raise LoadError(f"map {name}: {role}_size is {given}, and {btf.name_of(kind)} has {octets(size)}")
    return size


def entry_of(offset: int, begins: int, name: str) -> int:
    """The index in `values`, which begins at byte `begins` of map `name`, of the pointer at byte `offset`."""
    index, rest = divmod(offset - begins, POINTER_SIZE)
    if index < 0 or rest:
        raise LoadError(f"map {name}: a relocation at byte {offset:#x} of its definition, where no value is")
    return index
