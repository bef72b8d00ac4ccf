"""Global data: one struct in a data section of its own, which programs and user space see.

    state = bpf.data(State)          # .bss.state, or .data.state where it does not begin with zeros
    limits = bpf.const(Limits(most=10))      # .rodata.limits: programs may only read it

What is stored in it outside of a run is what a run begins with, until a program is compiled with it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang import userspace
from bpfvm.lang.active import active
from bpfvm.lang.maps.base import Map, Memory
from bpfvm.lang.types.layout import Layout, View, image_of, size_of, view
from bpfvm.lang.types.scalars import u32
from bpfvm.lang.userspace.machine import UserSide, value_of
from bpfvm.obj.elf.datasec import BSS, DATA, RODATA
from bpfvm.obj.model import MapSpec
from bpfvm.tables.maps import FLAGS

_OWN = ("_map", "_initial")


class Section(Map):
    """The map of one section. initial: the value that a run begins with. is_fixed: programs may only read it."""

    type = "array"

    def __init__(self, initial: Any, is_fixed: bool, name: str | None = None) -> None:
        super().__init__(1, None)
        kind: Any = type(initial)
        self.key, self.value = u32, kind
        self.initial, self.is_fixed, self.is_compiled = initial, is_fixed, False
        self.variable = name

    def named(self, variable: str) -> str:
        """The section's name, that of the variable behind its kind."""
        self.variable = self.variable or variable
        kind = RODATA if self.is_fixed else DATA if any(bytes(self.initial)) else BSS
        return self.name or f"{kind}.{self.variable}"

    def spec(self, name: str) -> MapSpec:
        self.is_compiled = True
        flags = FLAGS["mmapable"] | (FLAGS["rdonly_prog"] if self.is_fixed else 0)
        made = MapSpec(name, self.type, 4, size_of(self.value), 1, flags, initial=bytes(self.initial))
        return replace(made, section=name)


class Data:
    """A struct in a section of its own: its fields are those of the struct."""

    __slots__ = _OWN
    _map: Section

    def __init__(self, section: Section) -> None:
        object.__setattr__(self, "_map", section)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._value(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        section = self._map
        if active() is None and section.is_compiled and userspace.live(section) is None:
            raise UsageError(
                f"{section.called}.{name}: a program was compiled with it; store before that, or give it to a run: "
                f"maps={{'{section.called}': {{'{section.variable}': ...}}}}"
            )
        setattr(self._value(), name, value)

    def __getitem__(self, index: Any) -> Any:
        return self._value()[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._value()[index] = value

    def __bytes__(self) -> bytes:
        return bytes(self._value())

    def __eq__(self, other: object) -> bool:
        return bool(self._value() == (other._value() if isinstance(other, Data) else other))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"bpf.{'const' if self._map.is_fixed else 'data'}({self._map.initial!r})"

    def _value(self) -> Any:
        """The struct: of the machine that runs, else the one that a run begins with."""
        section, on = self._map, active()
        kind: Any = section.value
        if on is None:
            store = userspace.store_of(section)
            if store is None:
                return section.initial
            side = UserSide(store, section.called)
            return value_of(kind, side, side.helper("map_lookup_elem", 0, side.place(bytes(4))), section.is_fixed)
        address = on.helper("map_lookup_elem", on.handle(section), on.place(bytes(4)))
        return view(kind, Memory(on), address, section.is_fixed)


def data(kind: Any, *, name: str | None = None) -> Any:
    """A struct of this type, or like this one, that programs share with user space."""
    return Data(Section(_initial("data", kind), False, name))


def const(value: Any, *, name: str | None = None) -> Any:
    """A struct that programs only read, and that is set until they are compiled."""
    return Data(Section(_initial("const", value), True, name))


def _initial(called: str, given: Any) -> View:
    if isinstance(given, Layout):
        kind: Any = given
        return view(kind, bytearray(image_of(kind)))  # type: ignore[no-any-return]
    if isinstance(given, View):
        return given.copy()  # type: ignore[no-any-return]
    raise UsageError(f"bpf.{called} takes a struct, or the type of one, not {given!r:.60}")
