"""The Internet checksum of known numbers of bytes as LLVM IR, in the arithmetic of emulator.helpers.checksums.

A sum is kept in 64 bits while words of 32 are added to it, and its carries are added to it in the end: ones'
complement, in which a sum is 0 only where all that was added is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.bits import M32
from bpfvm.emulator.native import memory
from bpfvm.emulator.portable.kinds import State

if TYPE_CHECKING:
    from bpfvm.emulator.native.function import Function

LARGEST = 512  # bytes that are added by code of their own
ASK = 1 << 32  # no checksum: Python finds the words of the fault
_THERE = ("stack", "packet", "value", "record")  # pointers that are never NULL


def csum_diff(f: Function, state: State) -> bool:
    """Of known numbers of bytes. Where an access may be none of its object, it is compared with bounds first."""
    pairs = [_bytes(f, state, register) for register in (1, 3)]
    if state.regs[5].tag != "num" or None in pairs:
        return False
    sizes = [state.regs[register + 1].off or 0 for register in (1, 3)]
    tests = [one for one in pairs if one not in (None, memory.SURE)]
    if tests and f.unit.threads:  # which ask Python for nothing
        return False
    inside, here = "true", f.label
    for one in tests:
        inside = f.emit(f"and i1 {inside}, {one}")
    summed, on = f.new_label("sum"), f.new_label("on")
    f.line(f"br i1 {inside}, label %{summed}, label %{on}, {memory.LIKELY}")
    f.begin(summed)
    total = _folded(f, _difference(f, sizes[0], sizes[1], f.emit(f"and i64 {f.read(5)}, {M32}")))
    f.line(f"br label %{on}")
    f.begin(on)
    found = f.emit(f"phi i64 [ {total}, %{summed} ], [ {ASK}, %{here} ]")
    if tests:
        f.ask(f"add i64 {found}, 0", ASK)
    else:
        f.write(0, found)
    return True


def _bytes(f: Function, state: State, register: int) -> str | None:
    """Whether the bytes behind a pointer are there: SURE, or the i1 that tells; None where code does not know."""
    base, size = state.regs[register], state.regs[register + 1]
    if size.tag != "num" or size.off is None or size.off % 4 or size.off > LARGEST:
        return None
    if not size.off:
        return memory.SURE if base.tag == "num" and base.off == 0 else None
    if base.tag not in _THERE:
        return None
    inside = memory.inside(f, base, register, size.off)
    return None if inside == memory.NEVER else inside


def _difference(f: Function, old: int, new: int, seed: str) -> str:
    """The 32-bit sum. old, new: numbers of bytes. seed: a number of 32 bits."""
    if old and new:
        before = f.emit(f"xor i64 {_partial(f, 1, old, '0')}, {M32}")
        return _carried(f, f.emit(f"add i64 {_partial(f, 3, new, seed)}, {before}"))
    if new:
        return _partial(f, 3, new, seed)
    if old:
        return f.emit(f"xor i64 {_partial(f, 1, old, f.emit(f'xor i64 {seed}, {M32}'))}, {M32}")
    return seed


def _partial(f: Function, register: int, size: int, start: str) -> str:
    """The 32-bit sum of bytes behind a register, on top of `start`."""
    place, total = memory.pointer(f, f.read(register)), start
    for at in range(0, size, 4):
        word = f.emit(f"load i32, ptr {f.emit(f'getelementptr i8, ptr {place}, i64 {at}')}, align 1")
        total = f.emit(f"add i64 {total}, {f.widen(word, 32)}")
    return _carried(f, _carried(f, total))


def _carried(f: Function, total: str) -> str:
    """What is above 32 bits, added below."""
    return f.emit(f"add i64 {f.emit(f'and i64 {total}, {M32}')}, {f.emit(f'lshr i64 {total}, 32')}")


def _folded(f: Function, total: str) -> str:
    """The 16 bits that a 32-bit sum makes."""
    high = f.emit(f"and i64 {f.emit(f'shl i64 {total}, 16')}, {M32}")
    turned = f.emit(f"or i64 {f.emit(f'lshr i64 {total}, 16')}, {high}")
    both = f.emit(f"and i64 {f.emit(f'add i64 {total}, {turned}')}, {M32}")
    return f.emit(f"lshr i64 {both}, 16")
