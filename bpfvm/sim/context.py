"""The context object that a function gets in CPython: fields by name, as the program type's table has them."""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.tables.ctx import Context as Layout


class Context:
    """Attributes are the fields of the context; pointers are not among them: the packet is `pkt`."""

    __slots__ = ("_layout", "_values")

    def __init__(self, layout: Layout, given: Mapping[str, int]) -> None:
        self._layout = layout
        self._values = {one.name: given.get(one.name, one.default) for one in layout.fields if not one.pointer}

    def __getattr__(self, name: str) -> int:
        try:
            return self._values[name]
        except KeyError:
            offered = ", ".join(self._values)
            raise AttributeError(f"{self._layout.name} has no field {name!r} to read; it offers {offered}") from None
