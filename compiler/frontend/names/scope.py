"""What a name outside the function's own means: closure cells, then globals, then builtins, captured by value."""

from __future__ import annotations

import enum
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bpfvm.compiler.frontend.types import (
    NOTHING,
    MapValue,
    Number,
    Range,
    Static,
    Tuple,
    Value,
    View,
    constant,
    kind_of,
)
from bpfvm.lang.functions.capture import Capture, snapshot
from bpfvm.lang.maps import Map, Nested
from bpfvm.lang.maps.data import Data
from bpfvm.lang.packets.packet import View as PacketView
from bpfvm.lang.types.operators import BINARY, UNARY
from bpfvm.lang.types.scalars import s64, u64

# The largest constant of any use: `x % 2**64` names it, and no register holds it.
LONG = 1 << 16  # items of a tuple that is taken apart; a longer one is an object like others
_LARGEST = 1 << 64
_METHODS = (
    *(f"__{row.name}__" for row in (*BINARY, *UNARY)), *(f"__r{row.name}__" for row in BINARY),
    "__abs__", "__pow__", "__divmod__", "__bool__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__",
)  # fmt: skip
_FLAG_METHODS = ("__and__", "__or__", "__xor__", "__rand__", "__ror__", "__rxor__", "__invert__")


class Unknown(LookupError):
    """A name that is bound nowhere, or a closure variable without a value. Its text says which."""


class Unfit(ValueError):
    """A constant that no BPF program can hold. Its text says why."""


@dataclass(slots=True)
class Scope:
    """The names around one function. `captured` grows with every constant that the program is compiled with."""

    local: frozenset[str]
    cells: Mapping[str, types.CellType]
    space: Mapping[str, Any]
    builtins: Mapping[str, Any]
    captured: dict[tuple[int, str], Capture] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)

    @classmethod
    def of(cls, function: types.FunctionType, caller: Scope | None = None) -> Scope:
        """The scope of `function`; what it takes from around is noted with what its caller took."""
        captured, maps = (caller.captured, caller.maps) if caller is not None else ({}, {})
        code = function.__code__
        cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
        builtins: Mapping[str, Any] = function.__getattribute__("__builtins__")  # newer than some type stubs
        local = frozenset((*code.co_varnames, *code.co_cellvars))
        return cls(local, cells, function.__globals__, builtins, captured, maps)

    def lookup(self, name: str) -> Any:
        """The object that `name`, which is not local, stands for now; noted as captured unless it is a builtin."""
        if name in self.cells:
            cell = self.cells[name]
            try:
                return self._captured(cell, name, cell.cell_contents, lambda: cell.cell_contents)
            except ValueError:
                raise Unknown(f"`{name}` of the enclosing function has no value yet") from None
        if name in self.space:
            space = self.space
            return self._captured(space, name, space[name], lambda: space[name])
        if name in self.builtins:
            return self.builtins[name]
        raise Unknown(f"`{name}` is not defined")

    def _captured(self, owner: Any, name: str, found: Any, now: Callable[[], Any]) -> Any:
        self.captured[id(owner), name] = Capture(name, snapshot(found), lambda: snapshot(now()))
        return found

    def attribute(self, owner: Any, name: str, path: str) -> Any:
        """`owner.name`, noted as captured under its dotted path. AttributeError where there is none."""
        return self._captured(owner, path, getattr(owner, name), lambda: getattr(owner, name))

    def value(self, found: Any, name: str) -> Value:
        """The compile-time value of a captured object that was found under `name`. Raises Unfit."""
        if found is None:
            return NOTHING
        if isinstance(found, int):
            return integer(found)
        if isinstance(found, Nested):
            for index, one in found.contents.items():
                one.name = self._map_name(one, one.name or f"{found.name or name}_{index}")
        if isinstance(found, Map):
            return MapValue(self._map_name(found, name), found)
        if isinstance(found, PacketView):
            return View(found._header, found._base)
        if type(found) is range:
            return Range(integer(found.start), integer(found.stop), found.step)
        if type(found) is tuple and len(found) <= LONG:
            return Tuple(tuple(self.value(one, f"{name}[{place}]") for place, one in enumerate(found)))
        return Static(found)

    def section(self, found: Data, variable: str) -> MapValue:
        """The map of global data that was found under a name. Raises Unfit."""
        declared = found._map
        return MapValue(self._map_name(declared, declared.named(variable.rpartition(".")[2])), declared)

    def _map_name(self, declared: Map, variable: str) -> str:
        for name, known in self.maps.items():
            if known is declared:
                return name
        name = declared.name or variable
        if name in self.maps:
            raise Unfit(f"two maps of this program are named `{name}`")
        self.maps[name] = declared
        return name


def integer(found: int) -> Number:
    """A constant for an integer object. Raises Unfit for one past 64 bits or of a class with its own operators."""
    if not _computes_as_int(found):
        raise Unfit(f"the class {type(found).__name__} computes with operators of its own")
    if not -_LARGEST <= int(found) <= _LARGEST:
        raise Unfit(f"it needs {int(found).bit_length()} bits, and a register has 64")
    member = found if isinstance(found, enum.Enum) else None
    return replace(constant(int(found), frozenset({kind_of(found)})), member=member)


def _computes_as_int(found: int) -> bool:
    cls = type(found)
    if cls in (int, bool, u64, s64):
        return True
    own = _FLAG_METHODS if isinstance(found, enum.IntFlag) and found._boundary_ is enum.KEEP else ()  # type: ignore[attr-defined]
    return all(getattr(cls, name) is getattr(enum.IntFlag if name in own else int, name) for name in _METHODS)
