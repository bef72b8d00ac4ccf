"""Spilling: a virtual register lives on the stack, and in short-lived registers around each use.

Slots are 8 bytes and aligned, because only then does the kernel's verifier remember what was stored in them. What can
be computed anew in one instruction (a constant, an address) is, instead of being stored.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bpfvm.compiler.lower.lir import R10, Lir, LirFunction, Reg

REMADE = ("mov64_k", "mov32_k", "lddw", "lddw_map", "lddw_map_value")


def spill(function: LirFunction, registers: Iterable[Reg]) -> set[Reg]:
    """Rewrite `function` so that none of `registers` occurs; the short-lived registers that take their places."""
    made: set[Reg] = set()
    for register in registers:
        recipe = _recipe(function, register)
        slot = function.slot(8) if recipe is None else 0
        for block in function.blocks:
            out: list[Lir] = []
            for one in block.insns:
                out += _around(function, one, register, slot, recipe, made)
            block.insns = out
    return made


def _recipe(function: LirFunction, register: Reg) -> Lir | None:
    """The one instruction that makes `register`, where it is the only one and needs nothing."""
    writers = [one for block in function.blocks for one in block.insns if register in one.defs()]
    return writers[0] if len(writers) == 1 and writers[0].op in REMADE else None


def _around(function: LirFunction, one: Lir, register: Reg, slot: int, recipe: Lir | None, made: set[Reg]) -> list[Lir]:
    """`one` with `register` in a short-lived register, loaded before and stored behind as needed."""
    reads, writes = register in one.uses(), register in one.defs()
    if not reads and not writes:
        return [one]
    if recipe is not None and writes:
        return []  # made where it is used
    temp = function.new()
    made.add(temp)
    function.stands_for[temp] = function.stands_for.get(register, register)
    out = []
    if reads:
        load = Lir("ldx64", temp, R10, slot, spill=True) if recipe is None else replace(recipe, dst=temp)
        load.span = one.span
        out.append(load)
    if one.dst == register:
        one.dst = temp
    if not one.is_call and one.src == register:
        one.src = temp
    out.append(one)
    if writes:
        out.append(Lir("stx64", R10, temp, slot, span=one.span, spill=True))
    return out
