"""The model's arithmetic on a narrow machine, so that all of it can be tried: the same source, every width divided.

`narrow(8)` has words of 8 bits, halves of 4 and bytes of 1: what the source says of 64, 32 and 8 bits. Only constants
that are widths are changed, and what modules take from `bpfvm.core.bits` and from one another.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_MODULES = ("tnum", "regs", "scalar", "compare")
_WORD = 64


@dataclass(frozen=True, slots=True)
class Machine:
    """word: its bits. tnum, regs, scalar, compare: the modules of the model, on words of so many."""

    word: int
    tnum: Any
    regs: Any
    scalar: Any
    compare: Any

    @property
    def half(self) -> int:
        return self.word // 2

    @property
    def top(self) -> int:
        """The greatest unsigned word."""
        return (1 << self.word) - 1

    def signed(self, value: int, bits: int) -> int:
        return _signed(value, bits)

    def tnums(self) -> Iterator[tuple[int, int]]:
        """Every tnum of a word."""
        for mask in range(self.top + 1):
            value = rest = ~mask & self.top
            while True:
                yield value, mask
                if not value:
                    break
                value = value - 1 & rest

    def reg(self, known: tuple[int, int] | None = None, unsigned: tuple[int, int] | None = None,
            signed: tuple[int, int] | None = None, half: tuple[int, int] | None = None,
            signed_half: tuple[int, int] | None = None) -> Any:  # fmt: skip
        """A scalar of which so much is known, as it stands in a state."""
        reg = self.regs.unknown()
        if known is not None:
            reg.v, reg.m = known
        if unsigned is not None:
            reg.umin, reg.umax = unsigned
        if signed is not None:
            reg.smin, reg.smax = signed
        if half is not None:
            reg.umin32, reg.umax32 = half
        if signed_half is not None:
            reg.smin32, reg.smax32 = signed_half
        self.scalar.sync(reg)
        return reg

    def members(self, reg: Any) -> list[int]:
        """The words that the state allows in each of its five views."""
        return [value for value in range(self.top + 1) if self.holds(reg, value)]

    def holds(self, reg: Any, value: int) -> bool:
        low = value & (1 << self.half) - 1
        return bool(
            value & ~reg.m == reg.v and reg.umin <= value <= reg.umax
            and reg.smin <= _signed(value, self.word) <= reg.smax and reg.umin32 <= low <= reg.umax32
            and reg.smin32 <= _signed(low, self.half) <= reg.smax32
        )  # fmt: skip


def narrow(word: int) -> Machine:
    """The machine of `word` bits, 4 or 8."""
    bits = ModuleType("bits")
    half = word // 2
    vars(bits).update(
        M64=(1 << word) - 1, M32=(1 << half) - 1, S64_MIN=-(1 << word - 1), S64_MAX=(1 << word - 1) - 1,
        S32_MIN=-(1 << half - 1), S32_MAX=(1 << half - 1) - 1, signed=_signed,
        swapped=lambda value, width: _swapped(value, width, max(word // 8, 1)),
    )  # fmt: skip
    made: dict[str, Any] = {}
    for name in _MODULES:
        made[name] = _module(name, word, bits, made)
    return Machine(word, **made)


def _module(name: str, word: int, bits: ModuleType, made: dict[str, Any]) -> ModuleType:
    source = importlib.import_module(f"bpfvm.verifier.domain.{name}")
    tree = _Widths(_WORD // word).visit(ast.parse(inspect.getsource(source)))
    module = ModuleType(f"tests.narrow.{word}.{name}")
    module.__dict__["__builtins__"] = {**vars(__import__("builtins")), "__import__": _importer(bits, made)}
    import sys

    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(compile(ast.fix_missing_locations(tree), f"<{name} of {word} bits>", "exec"), module.__dict__)
    return module


def _importer(bits: ModuleType, made: dict[str, Any]) -> Any:
    """Imports of the model's own modules lead to the narrow ones."""

    def load(name: str, given: Any = None, scope: Any = None, wanted: Any = (), level: int = 0) -> Any:
        if name == "bpfvm.core.bits":
            return bits
        if name == "bpfvm.verifier.domain":
            package = ModuleType(name)
            vars(package).update(made)
            return package
        if name.startswith("bpfvm.verifier.domain.") and name.rpartition(".")[2] in made:
            return made[name.rpartition(".")[2]]
        return __import__(name, given, scope, wanted, level)

    return load


class _Widths(ast.NodeTransformer):
    """Numbers that are widths, or widths less one, become those of the narrow machine."""

    def __init__(self, by: int) -> None:
        self._of = {64: 64 // by, 63: 64 // by - 1, 32: 32 // by, 31: 32 // by - 1, 8: max(8 // by, 1)}

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        return ast.Constant(self._of.get(node.value, node.value)) if type(node.value) is int else node


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def _swapped(value: int, width: int, byte: int) -> int:
    cut, out = (1 << byte) - 1, 0
    for at in range(0, width, byte):
        out = out << byte | value >> at & cut
    return out
