"""The context object that a function gets in CPython: fields by name, as the program type's table has them."""

from __future__ import annotations

from typing import Any

from bpfvm.core.articles import an
from bpfvm.lang.active import machine
from bpfvm.lang.contexts.sockets import POINTERS
from bpfvm.lang.hooks import Hook
from bpfvm.lang.maps.base import Memory
from bpfvm.lang.types.layout import view
from bpfvm.lang.types.scalars import u64
from bpfvm.tables.ctx import CONTEXTS, CtxField


class Context:
    """Attributes are the fields of the context; pointers are not among them: the packet is `pkt`."""

    __bpf_context__ = True
    __slots__ = ("_hook", "_inside")

    def __init__(self, hook: Hook, inside: str = "") -> None:
        object.__setattr__(self, "_hook", hook)
        object.__setattr__(self, "_inside", inside)

    def __getattr__(self, name: str) -> Any:
        inside = f"{self._inside}{name}."
        layout = CONTEXTS.get(self._hook.program_type.context or "")
        if layout is not None and any(one.name.startswith(inside) for one in layout.fields):
            return Context(self._hook, inside)
        if layout is not None:
            socket = layout.open(self._inside + name, False, self._hook.type, self._hook.attach_type)
            if socket is not None and socket.pointer in POINTERS:
                return _socket(socket)
        field = self._field(name, write=False)
        return Elements(self, field) if field.count > 1 else _read(field, 0)

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name, write=True)
        if field.count > 1:
            raise AttributeError(f"{name} is an array, whose elements are stored to")
        _write(field, 0, value)

    def _field(self, name: str, write: bool) -> CtxField:
        """A field of numbers that the program may read, or write. AttributeError for any other name."""
        hook = self._hook
        layout = CONTEXTS.get(hook.program_type.context or "")
        if layout is None:
            raise AttributeError(f"the context of {an(hook.type)} program has no fields, so no {name!r}")
        one = layout.open(self._inside + name, write, hook.type, hook.attach_type)
        if one is None or one.pointer is not None:
            what, offered = ("write", "writing") if write else ("read", "reading")
            names = ", ".join(layout.offered(write, hook.type, hook.attach_type))
            raise AttributeError(f"{layout.name} has no field {name!r} to {what}; for {offered} it offers {names}")
        return one


class Elements:
    """A field of the context that is an array."""

    __slots__ = ("_field", "_owner")

    def __init__(self, owner: Context, field: CtxField) -> None:
        self._owner, self._field = owner, field

    def __len__(self) -> int:
        return self._field.count

    def __getitem__(self, index: int) -> int:
        return _read(self._field, self._at(index))

    def __setitem__(self, index: int, value: Any) -> None:
        _write(self._owner._field(self._field.name, write=True), self._at(index), value)

    def _at(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"the index is outside of {self._field.name} ({len(self)} elements)")
        return index % len(self)


def _socket(field: CtxField) -> Any:
    """What a pointer of the context points to, None where that is null."""
    on = machine(f"ctx.{field.name}")
    address = on.field(field.offset, field.size)
    return view(POINTERS[field.pointer or ""][0], Memory(on), address, fixed=True) if address else None


def _read(field: CtxField, index: int) -> int:
    value = machine(f"ctx.{field.name}").field(field.offset + index * field.size, field.size)
    return u64(value) if field.size == 8 else value


def _write(field: CtxField, index: int, value: Any) -> None:
    if not isinstance(value, int):
        raise TypeError(f"{field.name} of the context holds a number, not {an(type(value).__name__)}")
    machine(f"ctx.{field.name}").set_field(field.offset + index * field.size, field.size, int(value))
