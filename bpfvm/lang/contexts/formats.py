"""The fields of tracepoints: where each lies in the context of a program on one.

They are taken from the kernel's BTF (struct trace_event_raw_NAME) or, where the event shares the structure of others,
from its format file in tracefs; where that cannot be read, from the structure that the event shares in Linux 6.18
(tables.linux).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bpfvm.core.errors import Unavailable
from bpfvm.lang.types.arrays import ArrayType, array_of
from bpfvm.lang.types.described import struct_of
from bpfvm.lang.types.kernel import KernelArray, KernelStruct, Opaque
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.lang.types.pointers import pointer_to
from bpfvm.lang.types.scalars import Storage, bool8, char, s8, s16, s32, s64, u8, u16, u32, u64
from bpfvm.obj.btf.types import Struct
from bpfvm.tables import syscalls
from bpfvm.tables.linux import CLASSES

TRACEFS = ("/sys/kernel/tracing", "/sys/kernel/debug/tracing")
COMMON = 8  # bytes of struct trace_entry, which all events begin with
_HEAD, _LOCATED = "ent", "__data_loc_"
_NUMBERS = {(one.size, one.is_signed): one for one in (u8, u16, u32, u64, s8, s16, s32, s64)}
_ROW = re.compile(r"field:(.*?)\s*\b(\w+)(\[\w*\])?;\s*offset:(\d+);\s*size:(\d+);\s*signed:(\d+);")


@dataclass(frozen=True, slots=True)
class EventField:
    """offset: bytes from the context's start. type: a storage type, a pointer type or an array of numbers. located: it
    is a text that lies behind the fields, at the low 16 bits of the u32 that stands here."""

    name: str
    offset: int
    type: Any
    located: bool = False


def of_event(category: str, name: str) -> Mapping[str, EventField]:
    """The fields of an event by name. Unavailable where nothing tells them."""
    if category == "syscalls":
        found = of_syscall(name)
        if found is not None:
            return found
    texts = [Path(root, "events", category, name, "format") for root in TRACEFS]
    number = KERNEL.types.find(Struct, f"trace_event_raw_{name}")
    if number is not None:
        return of_struct(struct_of(KERNEL.types, number))
    for path in () if KERNEL.are_shipped else texts:
        try:
            return of_text(path.read_text())
        except OSError:
            continue
    shared = CLASSES.get(f"{category}:{name}")
    number = KERNEL.types.find(Struct, f"trace_event_raw_{shared}") if shared is not None else None
    if number is not None:
        return of_struct(struct_of(KERNEL.types, number))
    raise Unavailable(
        f"nothing tells the fields of the tracepoint {category}:{name}: the kernel's BTF has no struct "
        f"trace_event_raw_{name}, and {texts[0]} cannot be read; declare them: def f(args: T), with a struct T"
    )


def of_syscall(name: str) -> Mapping[str, EventField] | None:
    """The arguments or the result of a system call: "sys_enter_openat", "sys_exit_openat". None for an unknown one."""
    way, _, call = name.removeprefix("sys_").partition("_")
    number = {"__syscall_nr": EventField("__syscall_nr", syscalls.NUMBER, s32)}
    if way == "exit":
        return {**number, "ret": EventField("ret", syscalls.FIRST, s64)}
    if way != "enter" or call not in syscalls.ARGUMENTS:
        return None
    fields = enumerate(syscalls.ARGUMENTS[call])
    return {**number, **{one: EventField(one, syscalls.FIRST + syscalls.WORD * at, u64) for at, one in fields}}


def of_struct(kind: KernelStruct) -> Mapping[str, EventField]:
    """The fields that BTF tells, without what all events begin with."""
    found = {}
    for name, one in kind.fields.items():
        if name == _HEAD or isinstance(one.type, Opaque | KernelArray | KernelStruct):
            continue
        located = name.startswith(_LOCATED)
        plain = name.removeprefix(_LOCATED)
        found[plain] = EventField(plain, one.offset, one.type, located)
    return found


def of_text(text: str) -> Mapping[str, EventField]:
    """The fields of a format file."""
    found = {}
    for kind, name, array, at, size, signed in _ROW.findall(text):
        if int(at) < COMMON:
            continue
        located = kind.startswith("__data_loc")
        type = u32 if located else _type(kind, array, int(size), signed == "1")
        if type is not None:
            found[name] = EventField(name, int(at), type, located)
    return found


def _type(kind: str, array: str, size: int, signed: bool) -> Storage | ArrayType | Any:
    """The type of a field of a format file; None for one that is no number, pointer or array of numbers."""
    if array:
        count = array.strip("[]")
        if not count.isdigit() or not int(count) or size % int(count):
            return None
        one = char if kind in ("char", "const char") else _NUMBERS.get((size // int(count), signed))
        return array_of(one, int(count)) if one is not None else None
    if "*" in kind and size == 8:
        return pointer_to("kernel", char if re.search(r"\bchar\b", kind) else None)
    return bool8 if kind == "bool" else _NUMBERS.get((size, signed))
