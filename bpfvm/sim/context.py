"""The context object that a function gets in CPython: fields by name, as the program type's table has them."""

from __future__ import annotations

from bpfvm.lang.active import machine
from bpfvm.tables.ctx import Context as Layout


class Context:
    """Attributes are the fields of the context; pointers are not among them: the packet is `pkt`."""

    __slots__ = ("_layout",)

    def __init__(self, layout: Layout) -> None:
        self._layout = layout

    def __getattr__(self, name: str) -> int:
        one = self._layout.field(name)
        if one is None or one.pointer is not None:
            offered = ", ".join(field.name for field in self._layout.fields if not field.pointer)
            raise AttributeError(f"{self._layout.name} has no field {name!r} to read; it offers {offered}")
        return machine(f"ctx.{name}").field(one.offset, one.size)
