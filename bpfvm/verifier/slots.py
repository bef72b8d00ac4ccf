"""Dynptrs and iterators: objects of the kernel's on the program's stack."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bpfvm.verifier.regs import Reg
from bpfvm.verifier.walk import Walk

if TYPE_CHECKING:
    from bpfvm.tables.kernel_functions import Parameter
    from bpfvm.verifier.kfunc_arguments import Given


@dataclass(frozen=True, slots=True)
class Special:
    """kind: what it is. id: tells it from others. ref: what it holds."""

    kind: str
    id: int = 0
    ref: int = 0


def dynptr_argument(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    """A dynptr as an argument."""
    walk.undecided("dynptrs")


def iterator_argument(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    """An iterator as an argument."""
    walk.undecided("iterators")


def slice_result(walk: Walk, given: Given) -> Reg:
    """A pointer to a dynptr's bytes."""
    walk.undecided("dynptrs")


def result(walk: Walk, given: Given, new: Reg) -> None:
    """What the result belongs to."""


def behind(walk: Walk, given: Given) -> int:
    """The slot to go on at."""
    return walk.at + 1
