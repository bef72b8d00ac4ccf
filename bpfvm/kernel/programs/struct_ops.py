"""Tables of functions (struct_ops) in the kernel: a map of one value, which begins as a struct of the kernel's lays it
out, and programs that are loaded for members of that struct.

A table is matched with the kernel's struct of its name member by member, as libbpf does: what the kernel does not have
must be zero. Making the map registers nothing; that is done by storing its value, and of tables of section
.struct_ops.link by a link besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.amounts import octets
from bpfvm.core.errors import LoadError, Unavailable
from bpfvm.kernel.host import privilege
from bpfvm.kernel.host.modules import Modules
from bpfvm.kernel.host.sizes import BYTE_ORDER
from bpfvm.kernel.maps.map import kernel_name
from bpfvm.kernel.sys import MAP_CREATE, MapCreate, bpf, error_name, error_text
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Member, Struct
from bpfvm.obj.btf.view import TypeView, essential_name
from bpfvm.obj.model import MapSpec, ObjectSpec, TableSpec
from bpfvm.obj.reader.struct_ops import LINKED
from bpfvm.tables.maps import BY_NAME, FLAGS

_VALUE, _DATA = "bpf_struct_ops_", "data"  # the map's value: a head, and the struct as its member
_POINTER = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """A table as this kernel has it. table, value: ids of the struct and of the map's value. at: of the struct in it.

    module: whose types they are, "" of the kernel itself.
    """

    types: TypeView
    struct: Struct
    table: int
    value: int
    size: int
    at: int
    module: str = ""


def layout(spec: ObjectSpec, name: str, types: TypeView, modules: Modules) -> Layout:
    """LoadError for a struct that this kernel has no tables of."""
    wanted = essential_name(_struct(spec, spec.tables[name]).name)
    found = _layout(types, wanted, "")
    for module, own in modules() if found is None else ():
        found = found or _layout(own, wanted, module)
    if found is None:
        raise LoadError(
            f"table {name}: this kernel has no tables of struct {wanted} (its BTF has no {_VALUE}{wanted}); "
            "`bpfvm doctor --all` shows what it has"
        )
    return found


def _layout(types: TypeView, wanted: str, module: str) -> Layout | None:
    table, value = types.find(Struct, wanted), types.find(Struct, _VALUE + wanted)
    struct, whole = types[table] if table else None, types[value] if value else None
    if not table or not value or not isinstance(struct, Struct) or not isinstance(whole, Struct):
        return None
    at = next((one.offset // 8 for one in whole.members if one.name == _DATA), None)
    return None if at is None else Layout(types, struct, table, value, whole.size, at, module)


def member_of(spec: ObjectSpec, program: str) -> tuple[str, int]:
    """The table that `program` stands in, and where. LoadError where it stands in none, or as different members."""
    places = [(name, at) for name, one in spec.tables.items() for at, inside in one.programs if inside == program]
    if not places:
        raise LoadError(
            f"{program}: a struct_ops program is loaded for a member of a table, and stands in none; name it in a "
            "variable of section .struct_ops, or choose the other programs by name"
        )
    kinds = {(_struct(spec, spec.tables[name]).name, _member(spec, name, at).name) for name, at in places}
    if len(kinds) > 1:
        listed = " and ".join(sorted(f"{struct}.{member}" for struct, member in kinds))
        raise LoadError(f"{program}: it stands in tables as {listed}, and a program is loaded for one of them")
    return places[0]


def index_of(spec: ObjectSpec, name: str, at: int, there: Layout) -> int:
    """The number of the kernel's member for what stands at byte `at` of the table: programs are loaded for it."""
    wanted = essential_name(_member(spec, name, at).name)
    for index, one in enumerate(there.struct.members):
        if one.name == wanted:
            return index
    raise LoadError(f"table {name}: this kernel's struct {there.struct.name} has no member {wanted}")


def create(spec: ObjectSpec, name: str, there: Layout, btf: int, module: int) -> tuple[int, MapSpec]:
    """The map's descriptor, and what it is. btf: descriptor of the object's types. module: of the table's, or 0."""
    table = spec.tables[name]
    flags = (FLAGS["link"] if table.section == LINKED else 0) | (FLAGS["vtype_btf_obj_fd"] if module else 0)
    made = MapSpec(name, "struct_ops", 4, there.size, 1, flags, section=table.section)
    attr = MapCreate(
        map_type=BY_NAME["struct_ops"].number, key_size=4, value_size=there.size, max_entries=1, map_flags=flags,
        map_name=kernel_name(name), btf_fd=btf, btf_vmlinux_value_type_id=there.value, value_type_btf_obj_fd=module,
    )  # fmt: skip
    try:
        return bpf(MAP_CREATE, attr), made
    except PermissionError:
        raise privilege.refusal(f"creating the table {name}", (*privilege.MAP_NEEDS, "CAP_PERFMON")) from None
    except OSError as error:
        number = error.errno or 0
        raise Unavailable(
            f"table {name}: this kernel takes no table of struct {there.struct.name}: {error_text(number)} "
            f"({error_name(number)}); those of section {LINKED} are since 6.4, others since 5.6"
        ) from None


def value(spec: ObjectSpec, name: str, there: Layout, programs: Mapping[str, int]) -> bytes:
    """What registers the table when it is stored. programs: name -> descriptor; others are left out of the table.

    LoadError for a member that the kernel does not have, or in another form, and that is not zero.
    """
    table, out = spec.tables[name], bytearray(there.size)
    inside, known = dict(table.programs), {one.name: one for one in there.struct.members}
    own = _types(spec)
    for one in _struct(spec, table).members:
        at, size = one.offset // 8, _size(own, one)
        data = table.contents[at : at + size]
        target = known.get(essential_name(one.name))
        if at in inside:
            index = index_of(spec, name, at, there)
            to = there.at + there.struct.members[index].offset // 8
            if inside[at] in programs:
                out[to : to + _POINTER] = programs[inside[at]].to_bytes(_POINTER, BYTE_ORDER)
        elif target is not None and not one.bits and not target.bits and _size(there.types, target) == size:
            to = there.at + target.offset // 8
            out[to : to + size] = data
        elif any(data):
            raise LoadError(
                f"table {name}: member {one.name} of {octets(size)} is not zero, and this kernel's struct "
                f"{there.struct.name} has {'it in another form' if target is not None else 'no such member'}"
            )
    return bytes(out)


def _size(types: TypeView, one: Member) -> int:
    """Bytes of a member; of a bit-field those of its type."""
    return types.size_of(one.type)


def _types(spec: ObjectSpec) -> Btf:
    assert spec.btf is not None, "tables are read by BTF"
    return spec.btf


def _struct(spec: ObjectSpec, table: TableSpec) -> Struct:
    struct = _types(spec)[table.type]
    assert isinstance(struct, Struct), "a table's type is a struct"
    return struct


def _member(spec: ObjectSpec, name: str, at: int) -> Member:
    for one in _struct(spec, spec.tables[name]).members:
        if one.offset == 8 * at and not one.bits:
            return one
    raise LoadError(f"table {name}: a program stands at byte {at:#x}, where its struct has no member")
