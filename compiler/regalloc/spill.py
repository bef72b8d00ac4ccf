"""Spilling: a virtual register lives on the stack, and in short-lived registers around each use.

Slots are 8 bytes and aligned, because only then does the kernel's verifier remember what was stored in them. What can
be computed anew in one instruction (a constant, an address) is, instead of being stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from bpfvm.compiler.lower.lir import R10, Lir, LirFunction, Reg

SPILLED = "spilled"  # the name of slots
REMADE = ("mov64_k", "mov32_k", "lddw", "lddw_map", "lddw_map_value")


def spill(function: LirFunction, webs: Iterable[Collection[Reg]]) -> set[Reg]:
    """Rewrite `function` so that none of the registers in `webs` occurs; the short-lived registers that take their
    places. Registers of one web are never live at once, and share a stack slot."""
    homes = _homes(function, webs)
    made: set[Reg] = set()
    for block in function.blocks:
        out: list[Lir] = []
        for one in block.insns:
            _around(function, one, homes, out, made)
        block.insns = out
    return made


@dataclass(frozen=True, slots=True)
class _Home:
    """Where a spilled register's value is: in a stack slot, or made anew by `recipe`."""

    slot: int
    recipe: Lir | None


def _homes(function: LirFunction, webs: Iterable[Collection[Reg]]) -> dict[Reg, _Home]:
    """What is made by one instruction, the only one, that needs nothing, is made anew; all else gets a slot."""
    webs = list(webs)
    registers = {register for web in webs for register in web}
    writers: dict[Reg, list[Lir]] = {register: [] for register in registers}
    for block in function.blocks:
        for one in block.insns:
            for register in one.defs() & registers:
                writers[register].append(one)
    homes = {}
    for web in webs:
        slot = 0
        for register in web:
            by = writers[register]
            recipe = by[0] if len(by) == 1 and by[0].op in REMADE else None
            slot = function.slot(8, SPILLED) if recipe is None and not slot else slot
            homes[register] = _Home(slot, recipe)
    return homes


def _around(function: LirFunction, one: Lir, homes: dict[Reg, _Home], out: list[Lir], made: set[Reg]) -> None:
    """Append `one` with short-lived registers for spilled ones, loaded before and stored behind as needed."""
    reads, writes = one.uses() & homes.keys(), one.defs() & homes.keys()
    if not reads and not writes:
        out.append(one)
        return
    if any(homes[register].recipe is not None for register in writes):
        return  # made where it is used
    stores = []
    for register in sorted(reads | writes):
        home, temp = homes[register], function.new()
        made.add(temp)
        function.stands_for[temp] = function.stands_for.get(register, register)
        if register in reads:
            load = Lir("ldx64", temp, R10, home.slot, spill=True)
            load = load if home.recipe is None else replace(home.recipe, dst=temp)
            load.span = one.span
            out.append(load)
        if one.dst == register:
            one.dst = temp
        if not one.is_call and one.src == register:
            one.src = temp
        if register in writes:
            stores.append(Lir("stx64", R10, temp, home.slot, span=one.span, spill=True))
    out.append(one)
    out += stores
