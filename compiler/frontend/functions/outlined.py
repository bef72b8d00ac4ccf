"""The subprograms of a program that is translated: what was made of them, shared by the translations of all."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from bpfvm.compiler.frontend.state import Diags
from bpfvm.compiler.frontend.types import Value
from bpfvm.compiler.ir.function import FaultExit, Function

Key: TypeAlias = "tuple[object, ...]"


@dataclass(frozen=True, slots=True)
class Subprogram:
    """One that was translated. value: what it returns, in its own register; None where it never does.

    passed: the parameters that a call passes. needs_context: its context is passed behind them. size: values in it and
    in what it calls, as the verifier walks them at each call. moves_packet: views of its callers are stale behind it.
    """

    function: Function
    passed: tuple[str, ...]
    value: Value | None
    needs_context: bool
    size: int
    moves_packet: bool = False


@dataclass(slots=True)
class Outlined:
    """made: by what a call's copy depends on; None after an error. Nothing of it is rolled back: a subprogram is the
    same whatever is known of its caller. later: what timers call, also while it is translated; None after an error."""

    made: dict[Key, Subprogram | None] = field(default_factory=dict)
    later: dict[Key, Function | None] = field(default_factory=dict)
    diags: Diags = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def number_sites(self, program: Function) -> None:
        """Count the fault sites of subprograms on behind those of their program, which knows all."""
        for one in self.made.values():
            if one is None:
                continue
            for block in one.function.blocks:
                end = block.terminator
                if isinstance(end, FaultExit) and end.site >= 0:
                    end.site += len(program.fault_sites)
            program.fault_sites += one.function.fault_sites
            one.function.fault_sites = program.fault_sites
