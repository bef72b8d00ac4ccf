"""Objects of the kernel in memory, as BTF lays them out: `new("task_struct", pid=7, comm="bash", real_parent=other)`.

An object is read and changed by its fields: numbers and bit-fields are numbers, texts are texts; a field that is a
struct, a union or an array of them takes a mapping or a list and gives a part of the object; a struct path takes a
text, `new("file", f_path="/etc/passwd")`, and leads there. A pointer takes another object, a text, an address or None,
and what it leads to is laid out with the object wherever a program runs on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bpfvm.core.amounts import octets
from bpfvm.core.articles import an
from bpfvm.core.bits import signed
from bpfvm.core.errors import UsageError, alike
from bpfvm.lang.traced import values
from bpfvm.lang.traced.memory import Block, lasting
from bpfvm.lang.types.arrays import ArrayType, is_bytes
from bpfvm.lang.types.described import of_name
from bpfvm.lang.types.kernel import Field, KernelArray, KernelStruct
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.layout import View, size_of
from bpfvm.lang.types.pointers import PointerType
from bpfvm.lang.types.scalars import Storage, char

_WORD = 8


class KernelObject:
    """A struct or a union of the kernel's in memory, or a part of one. int(object) is its address."""

    __slots__ = ("__bpf_block__", "__weakref__", "_kind", "_start")
    __bpf_block__: Block
    _kind: KernelStruct
    _start: int

    def __init__(self, kind: KernelStruct, block: Block, start: int = 0) -> None:
        for name, value in (("_kind", kind), ("__bpf_block__", block), ("_start", start)):
            object.__setattr__(self, name, value)

    def __index__(self) -> int:
        return int(self.__bpf_block__.address + self._start)

    __int__ = __index__

    def __repr__(self) -> str:
        return f"<{self._kind.__name__} at {int(self):#x}>"

    def __bytes__(self) -> bytes:
        return bytes(self.__bpf_block__.data[self._start : self._start + self._kind.__size__])

    def __getattr__(self, name: str) -> Any:
        if name == "addr" and name not in self._kind.fields:
            return int(self)
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        """A field; `o["name"]` is `o.name`, for names that Python mangles."""
        field = self._field(name, AttributeError)
        return _read(self.__bpf_block__, self._start + field.offset, field.type, field)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        """Store to a field. UsageError for what does not fit it."""
        field = self._field(name, UsageError)
        what = f"{self._kind.__name__}.{name}"
        if field.bits:
            _store_bits(self.__bpf_block__, self._start + field.offset, field, value, what)
        else:
            _store(self.__bpf_block__, self._start + field.offset, field.type, value, what)

    def set(self, **fields: Any) -> KernelObject:
        """Store to several fields. The object."""
        for name, value in fields.items():
            self[name] = value
        return self

    def _field(self, name: str, error: type[Exception]) -> Field:
        field = self._kind.fields.get(name)
        if field is None:
            near = alike(f"{name}", self._kind.fields)
            raise error(f"{self._kind!r} has no field {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
        return field


def new(kind: str | KernelStruct, /, **fields: Any) -> KernelObject:
    """An object of zeros but for `fields`. kind: a struct of the kernel's, or its name. UsageError for what is none."""
    if isinstance(kind, str) and not kind.isidentifier():
        raise UsageError(f"{kind!r:.60} is no name of a struct")
    try:
        made: Any = of_name(KERNEL.types, kind) if isinstance(kind, str) else kind
    except UsageError as error:
        raise UsageError(f"{error}{KERNEL.hint}") from None
    if not isinstance(made, KernelStruct) or not made.__whole__:
        shown = getattr(made, "__name__", repr(kind))
        if isinstance(made, KernelStruct):
            raise UsageError(f"the kernel's types name {shown} and do not have its members{KERNEL.hint}")
        raise UsageError(f"{shown} is no struct of the kernel's, so no object of it can be made")
    return KernelObject(made, lasting("kernel", bytes(made.__size__))).set(**fields)


def _read(block: Block, at: int, kind: Any, field: Field | None = None) -> Any:
    if isinstance(kind, KernelStruct):
        return KernelObject(kind, block, at)
    if isinstance(kind, PointerType):
        found = block.points.get(at)
        target = kind.__target__
        address = int.from_bytes(block.data[at : at + _WORD], "little")
        if found is not None and isinstance(target, KernelStruct) and target.__whole__:
            return KernelObject(target, found, address - found.address)
        return address
    if isinstance(kind, Storage):
        stored = bytes(block.data[at : at + kind.size])
        if field is not None and field.bits:
            return field.part(int.from_bytes(stored, "little"))
        number = int.from_bytes(stored, "big" if kind.is_big else "little")
        return signed(number, 8 * kind.size) if kind.is_signed else number
    if is_bytes(kind) and kind.__element__ is char:
        return bytes(block.data[at : at + size_of(kind)]).partition(b"\0")[0].decode(errors="replace")
    if isinstance(kind, ArrayType | KernelArray):
        size = size_of(kind.__element__)
        return [_read(block, at + size * index, kind.__element__) for index in range(kind.__length__)]
    return bytes(block.data[at : at + size_of(kind)])


def _store_bits(block: Block, at: int, field: Field, value: Any, what: str) -> None:
    if not isinstance(value, int):
        raise UsageError(f"{what}: a bit-field takes a number, not {value!r:.60}")
    least = -(1 << field.bits - 1)
    if not least <= int(value) < 1 << field.bits:
        raise UsageError(f"{what}: {int(value)} does not fit its {field.bits} bits")
    size = field.type.size
    mask = (1 << field.bits) - 1
    stored = int.from_bytes(block.data[at : at + size], "little") & ~(mask << field.shift)
    block.write(at, (stored | (int(value) & mask) << field.shift).to_bytes(size, "little"))


def _store(block: Block, at: int, kind: Any, value: Any, what: str) -> None:
    match kind:
        case KernelStruct():
            _store_struct(block, at, kind, value, what)
        case PointerType():
            address, to = values.pointed(value, kind.__target__, kind.__space__, lasting, what)
            block.write(at, address.to_bytes(_WORD, "little"))
            if to is not None:
                block.points[at] = to
        case Storage():
            block.write(at, values.number(value, kind, what))
        case ArrayType() | KernelArray():
            _store_array(block, at, kind, value, what)
        case _:
            data = bytes(value) if isinstance(value, bytes | bytearray | View) else b""
            if len(data) != size_of(kind):
                raise UsageError(f"{what} is stored from {octets(size_of(kind))}, not from {value!r:.60}")
            block.write(at, data)


def _store_struct(block: Block, at: int, kind: KernelStruct, value: Any, what: str) -> None:
    if isinstance(value, Mapping):
        inner = KernelObject(kind, block, at)
        for name, one in value.items():
            inner[name] = one
    elif isinstance(value, str) and kind.__name__ == "path":
        _store_struct(block, at, kind, _entries(value, what), what)
        block.paths[at] = values.encoded(value, what)
    elif isinstance(value, KernelObject) and value._kind is kind:
        block.write(at, bytes(value))
        inside = value.__bpf_block__.points.items()
        block.points.update({at + one - value._start: to for one, to in inside
                             if value._start <= one < value._start + kind.__size__})  # fmt: skip
    else:
        raise UsageError(f"{what} is {an(kind.__name__)}: it takes a mapping of its fields, not {value!r:.60}")


def _entries(path: str, what: str) -> dict[str, Any]:
    """The fields of a struct path that leads somewhere on one file system: an entry for each name, up to the root's."""
    if not path.startswith("/") or (path != "/" and path.endswith("/")) or "//" in path:
        raise UsageError(f"{what} takes a path from the root, such as /etc/passwd, not {path!r:.60}")
    root = here = new("dentry", d_name={"name": "/", "len": 1})
    root["d_parent"] = root
    for name in path.split("/")[1:] if path != "/" else ():
        here = new("dentry", d_name={"name": name, "len": len(name.encode())}, d_parent=here)
    return {"dentry": here, "mnt": new("vfsmount", mnt_root=root)}


def _store_array(block: Block, at: int, kind: Any, value: Any, what: str) -> None:
    element, length = kind.__element__, kind.__length__
    if isinstance(value, str | bytes | bytearray) and isinstance(element, Storage) and element.size == 1:
        block.write(at, values.text(value, length, what))
        return
    if not isinstance(value, list | tuple) or len(value) > length:
        raise UsageError(f"{what} takes a list of up to {length} values, not {value!r:.60}")
    size = size_of(element)
    for index, one in enumerate(value):
        _store(block, at + size * index, element, one, f"{what}[{index}]")


__all__ = ["KernelObject", "new"]
