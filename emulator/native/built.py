"""Code of a program on the native tier, which is compiled as well as it is worth."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field

from bpfvm.emulator.native.code.engine import QUICK, Compiled, Level, level
from bpfvm.emulator.native.translate import Module

ENTRY = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p, *[ctypes.c_uint64] * 6)

Run = Callable[..., int]


@dataclass(slots=True)
class Built:
    """A program's code, compiled when it is called first, at level `first`. worked: instructions that it executed.

    walkers: loops over captures with the program in them, by format and whether CPUs take turns. asked: callbacks that
    there are. called: helpers that Python is called for. sees_socket: whether the program may load the pointer to its
    context's socket.
    """

    module: Module
    size: int
    first: Level = QUICK
    worked: int = 0
    hot: bool = False
    walkers: dict[tuple[str, bool], Compiled] = field(default_factory=dict)
    asked: frozenset[str] = frozenset()
    called: frozenset[str] = frozenset()
    sees_socket: bool = False
    _compiled: Compiled | None = None
    _functions: dict[int, Run] = field(default_factory=dict)

    @property
    def functions(self) -> dict[int, Run]:
        """By slot."""
        if self._compiled is None:
            self._compile(self.first)
        return self._functions

    def optimise(self) -> None:
        """Compile again, with more care."""
        self.hot = True
        self._compile(level(self.size))

    def _compile(self, level: Level) -> None:
        self._compiled = Compiled(self.module.text, self.module.names, level)
        self._functions = {slot: ENTRY(self._compiled.addresses[f"run{slot}"]) for slot in self.module.entries}
