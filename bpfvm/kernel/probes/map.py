"""Probes that make a map or load types; both are gone when the probe returns."""

from __future__ import annotations

import ctypes
import errno
import mmap
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from bpfvm.core.errors import BpfvmError
from bpfvm.kernel.probes.answers import YES, Answer, absent, refused, running, unknown
from bpfvm.kernel.sys import (
    BTF_LOAD,
    MAP_CREATE,
    MAP_FREEZE,
    MAP_LOOKUP_AND_DELETE,
    MAP_LOOKUP_BATCH,
    MAP_UPDATE_ELEM,
    BtfLoad,
    Fd,
    MapBatch,
    MapCreate,
    MapElement,
    address,
    bpf,
)
from bpfvm.obj.btf.codec import encode
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import GLOBAL, Enum64, SecVar, Struct
from bpfvm.obj.cursor import StringTable
from bpfvm.tables.features import Feature
from bpfvm.tables.maps import BY_NAME, FLAGS

FIRST_FUNCTION = 5  # the id of the first function in btf_of_functions
_STATIC = 0
_STRUCT_OPS = "bpf_struct_ops_tcp_congestion_ops"


def create(type: str, flags: int = 0, entries: int | None = None, **fields: int | bytes) -> int:
    """A descriptor of a map of `type`, as small as the type allows. fields: more of MapCreate. Raises OSError."""
    row = BY_NAME[type]
    sizes = {"any": 1, "one": 1, "cpus": 1, "none": 0, "pages": mmap.PAGESIZE}
    key = 4 if row.key_size is None else row.key_size
    if type == "lpm_trie" or (row.owner == "cgroup" and not row.btf):  # a length and an address; a cgroup's number
        key = 8
    value = row.value_size if row.value_size is not None else 8 if type == "stack_trace" else 4
    if type == "arena":
        entries, flags = entries or 1, flags | FLAGS["mmapable"]
    return bpf(MAP_CREATE, MapCreate(
        map_type=row.number, key_size=fields.pop("key_size", key), value_size=fields.pop("value_size", value),
        max_entries=sizes[row.entries] if entries is None else entries, map_flags=flags | row.required_flags, **fields,
    ))  # fmt: skip


def map_type(feature: Feature, type: str) -> Answer:
    """Maps of a type; those that need types or an inner map get them."""
    row = BY_NAME[type]
    try:
        with ExitStack() as opened:
            fields: dict[str, Any] = {}
            if type == "struct_ops":
                return _struct_ops(feature, 0)
            if row.inner:
                fields["inner_map_fd"] = opened.enter_context(Fd(create("array"))).number
            if row.btf:
                types = opened.enter_context(Fd(load_types(_integer())))
                fields.update(btf_fd=types.number, btf_key_type_id=1, btf_value_type_id=1)
            Fd(create(type, **fields)).close()
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    return YES


def _struct_ops(feature: Feature, flags: int) -> Answer:
    """A table of functions with none in it: registered only when it is written to."""
    try:
        types = running().types
        number = types.find(Struct, _STRUCT_OPS)
        table = types[number] if number else None
    except BpfvmError as error:
        return unknown(f"its layout cannot be named: {error}")
    if not number or not isinstance(table, Struct):
        return absent(f"the kernel's BTF has no {_STRUCT_OPS}", feature.config)
    with Fd(load_types(_integer())) as own:
        try:
            made = create("struct_ops", flags, value_size=table.size, btf_fd=own.number,
                          btf_vmlinux_value_type_id=number)  # fmt: skip
        except OSError as error:
            return refused(error, feature.config, feature.needs)
    Fd(made).close()
    return YES


def form(feature: Feature, name: str) -> Answer:
    """What may be done with a map, by its row in _FORMS."""
    try:
        if name == "struct_ops_link":
            return _struct_ops(feature, FLAGS["link"])
        _FORMS[name]()
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    return YES


def _named() -> None:
    Fd(create("array", map_name=b"bpfvm_probe")).close()


def _typed() -> None:
    with Fd(load_types(_integer())) as types:
        Fd(create("array", btf_fd=types.number, btf_key_type_id=1, btf_value_type_id=1)).close()


def _frozen() -> None:
    with Fd(create("array")) as array:
        bpf(MAP_FREEZE, MapElement(map_fd=array.number))


def _mapped() -> None:
    with Fd(create("array", FLAGS["mmapable"])) as array:
        mmap.mmap(array.number, mmap.PAGESIZE).close()


def _batch() -> None:
    place, keys, values = (ctypes.create_string_buffer(8) for _ in range(3))
    with Fd(create("array")) as array:
        attr = MapBatch(map_fd=array.number, out_batch=address(place), keys=address(keys), values=address(values))
        attr.count = 1
        try:
            bpf(MAP_LOOKUP_BATCH, attr)
        except OSError as error:
            if error.errno != errno.ENOENT:  # which says that it was the last
                raise


def _popped() -> None:
    key, value = (ctypes.create_string_buffer(4) for _ in range(2))
    with Fd(create("hash")) as table:
        attr = MapElement(map_fd=table.number, key=address(key), value=address(value))
        bpf(MAP_UPDATE_ELEM, attr)
        bpf(MAP_LOOKUP_AND_DELETE, attr)


_FORMS: Mapping[str, Callable[[], None]] = {
    "name": _named,
    "btf": _typed,
    "freeze": _frozen,
    "mmapable": _mapped,
    "batch": _batch,
    "pop": _popped,
}


def load_types(types: Btf) -> int:
    """A descriptor of `types` in the kernel. Raises OSError."""
    data = encode(types, StringTable(), sys.byteorder)
    return bpf(BTF_LOAD, BtfLoad(btf=address(data), btf_size=len(data)))


def _integer() -> Btf:
    types = Btf()
    types.add_int("int", 4, is_signed=True)
    return types


def btf_of_functions(linkages: tuple[int, ...], context: str = "__sk_buff") -> int:
    """A descriptor of the types of functions `int probe0(struct __sk_buff *ctx)`, … by FIRST_FUNCTION and on."""
    types = _integer()
    pointer = types.add_ptr(types.add_struct(context, 4, [("first", 1, 0)]))
    proto = types.add_func_proto(1, [("ctx", pointer)])
    for number, linkage in enumerate(linkages):
        assert types.add_func(f"probe{number}", proto, linkage) == FIRST_FUNCTION + number
    return load_types(types)


def kinds(feature: Feature, kind: str) -> Answer:
    """A kind of BTF, by its row in _KINDS."""
    types = _integer()
    _KINDS[kind](types)
    try:
        Fd(load_types(types)).close()
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    return YES


def _variable(types: Btf) -> int:
    return types.add_var("v", 1)


_KINDS: Mapping[str, Callable[[Btf], object]] = {
    "int": lambda types: None,
    "func": lambda types: types.add_func("f", types.add_func_proto(1), _STATIC),
    "datasec": lambda types: types.add_datasec(".data", 4, [SecVar(_variable(types), 0, 4)]),
    "global_func": lambda types: types.add_func("f", types.add_func_proto(1), GLOBAL),
    "float": lambda types: types.add_float("float", 4),
    "decl_tag": lambda types: types.add_decl_tag("tag", _variable(types)),
    "type_tag": lambda types: types.add_ptr(types.add_type_tag("tag", 1)),
    "enum64": lambda types: types.add(Enum64("e", 8, (("ONE", 1),))),
}
