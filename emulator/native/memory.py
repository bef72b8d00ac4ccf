"""Loads, stores and atomic operations as LLVM IR: masked into the arena, and held to their objects where that is asked.

In mode `safe` an access is masked and nothing more: whatever the program does stays in the arena, and a program that a
verifier accepted reads and writes what it means. In mode `checked` each access is inside of its object as the analysis
of the portable tier proves it, or is compared with bounds, or goes to Python, which finds the object or the words of
the fault. Accesses of the context that do not simply read the bytes there go to Python in both modes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bpfvm.core.bits import M32
from bpfvm.emulator.contexts.context import FROM_MAC, FROM_NETWORK
from bpfvm.emulator.interp import STACK
from bpfvm.emulator.maps.array import ArrayMap
from bpfvm.emulator.memory import GUARD
from bpfvm.emulator.native.words import VALUES, constant, swapped
from bpfvm.emulator.portable import sure
from bpfvm.emulator.portable.kinds import NUMBER, Kind
from bpfvm.isa.insn import Insn
from bpfvm.tables.ctx.ethernet import ETH

if TYPE_CHECKING:
    from bpfvm.emulator.native.function import Function
    from bpfvm.emulator.native.translate import Unit

BOUNDS = ("packet_start", "packet_end", "context_start", "context_end")
PAGE_BITS = 16  # of an address, below the number of its page: regions lie further apart
ENTRY = "[4 x i32]"  # of the table of pages: lowest address, end for reads, end for writes, unused
LIKELY = "!prof !1"  # of a branch whose first way is nearly always taken


def host(f: Function, base: Kind, word: str, off: int, size: int) -> str:
    """The host pointer of an access at a guest address and a constant distance, which cannot leave the arena's memory.

    The address is masked, unless it is known to be small enough; the distance reaches no further than the guards before
    and behind the arena.
    """
    if base.top + max(off, 0) + size > f.unit.arena + GUARD:
        word = f.emit(f"and i64 {word}, {f.unit.arena - 1}")
    place = f.emit(f"getelementptr i8, ptr %base, i64 {word}")
    return f.emit(f"getelementptr i8, ptr {place}, i64 {off}") if off else place


def pointer(f: Function, address: str) -> str:
    """The host pointer of any guest address."""
    return host(f, NUMBER, address, 0, 8)


def load(f: Function, base: Kind, insn: Insn) -> str:
    """The i64 that a load finds, zero-extended."""
    size = insn.op.bits // 8
    address = _moved(f, insn.src, insn.off)
    inside = _inside(f, base, insn.src, insn.off, size, address, write=False)
    if inside == SURE:
        return _raw_load(f, host(f, base, f.read(insn.src), insn.off, size), size)
    place = _object(f, base, insn.src, insn.off)
    if inside == NEVER:
        return f.callback("load", *place, str(size))
    fast, slow, join = f.new_label("fast"), f.new_label("slow"), f.new_label("join")
    f.line(f"br i1 {inside}, label %{fast}, label %{slow}, {LIKELY}")
    f.begin(fast)
    found = _raw_load(f, pointer(f, address), size)
    f.line(f"br label %{join}")
    f.begin(slow)
    told = f.callback("load", *place, str(size))
    behind = f.label
    f.line(f"br label %{join}")
    f.begin(join)
    return f.emit(f"phi i64 [ {found}, %{fast} ], [ {told}, %{behind} ]")


def store(f: Function, base: Kind, insn: Insn, word: str) -> None:
    """Store the low bytes of an i64."""
    size = insn.op.bits // 8
    address = _moved(f, insn.dst, insn.off)
    inside = _inside(f, base, insn.dst, insn.off, size, address, write=True)
    if inside == SURE:
        _raw_store(f, host(f, base, f.read(insn.dst), insn.off, size), size, word)
        return
    place = _object(f, base, insn.dst, insn.off)
    cut = word if size == 8 else f.emit(f"and i64 {word}, {(1 << 8 * size) - 1}")
    if inside == NEVER:
        f.callback("store", *place, str(size), cut)
        return
    fast, slow, join = f.new_label("fast"), f.new_label("slow"), f.new_label("join")
    f.line(f"br i1 {inside}, label %{fast}, label %{slow}, {LIKELY}")
    f.begin(fast)
    _raw_store(f, pointer(f, address), size, word)
    f.line(f"br label %{join}")
    f.begin(slow)
    f.callback("store", *place, str(size), cut)
    f.line(f"br label %{join}")
    f.begin(join)


def legacy(f: Function, at: str, bits: int) -> str:
    """What a legacy packet load finds, Context.legacy: all ones outside of the packet. at: the place, an i64, which is
    negative where headers stay only."""
    at = f.emit(f"and i64 {at}, {M32}")
    network, mac = (f.emit(f"sub i64 {at}, {M32 + 1 + one}") for one in (FROM_NETWORK - ETH, FROM_MAC))
    place = f.emit(f"select i1 {f.emit(f'icmp uge i64 {at}, {M32 + 1 + FROM_NETWORK}')}, i64 {network}, i64 {mac}")
    headed = f.emit(f"icmp uge i64 {at}, {M32 + 1 + FROM_MAC}")  # all other large places are far behind the packet
    at = f.emit(f"select i1 {headed}, i64 {place}, i64 {at}")
    start, end = f.get("packet_start"), f.get("packet_end")
    size = f.emit(f"sub i64 {end}, {start}")
    inside = f.emit(f"icmp ule i64 {f.emit(f'add i64 {at}, {bits // 8}')}, {size}")
    there = f.emit(f"select i1 {inside}, i64 {f.emit(f'add i64 {start}, {at}')}, i64 0")
    word = _raw_load(f, pointer(f, there), bits // 8)
    value = word if bits == 8 else swapped(f.emit, word, bits, True)
    return f.emit(f"select i1 {inside}, i64 {value}, i64 -1")


def atomic(f: Function, base: Kind, insn: Insn) -> None:
    """One atomic operation. Where one thread runs programs, plain loads and stores are atomic."""
    bits = insn.op.bits
    size = bits // 8
    aligned = base.off is not None and (base.off + insn.off) % size == 0
    asked = not (aligned and is_sure(f.unit, base, insn.off, size, write=True)) and not f.unit.safe
    if asked:
        address = _checked(f, base, insn, size)
    else:
        address = _moved(f, insn.dst, insn.off)
    source = f.cut(f.read(insn.src), bits)
    stem = insn.op.name.removeprefix("atomic_").removeprefix("fetch_").rstrip("0123456789")
    if f.unit.threads:
        old = _of_threads(f, stem, f.emit(f"and i64 {address}, {-size}"), source, bits)
    else:
        place = pointer(f, address) if asked else host(f, base, f.read(insn.dst), insn.off, size)
        old = _alone(f, stem, place, source, bits)
    if stem == "cmpxchg":
        f.write(0, f.widen(old, bits))
    elif insn.op.fetches:
        f.write(insn.src, f.widen(old, bits))


def _checked(f: Function, base: Kind, insn: Insn, size: int) -> str:
    """The address of an atomic access, which Python checks unless it is seen to be aligned and inside of a value."""
    address, place = _moved(f, insn.dst, insn.off), _object(f, base, insn.dst, insn.off)
    inside = _inside(f, base, insn.dst, insn.off, size, address, write=True) if base.tag == "value" else NEVER
    if inside in (SURE, NEVER):
        return f.callback("atomic", *place, str(size))
    aligned = f.emit(f"icmp eq i64 {f.emit(f'and i64 {address}, {size - 1}')}, 0")
    here, slow, join = f.label, f.new_label("slow"), f.new_label("join")
    f.line(f"br i1 {f.emit(f'and i1 {inside}, {aligned}')}, label %{join}, label %{slow}, {LIKELY}")
    f.begin(slow)
    told = f.callback("atomic", *place, str(size))
    behind = f.label
    f.line(f"br label %{join}")
    f.begin(join)
    return f.emit(f"phi i64 [ {address}, %{here} ], [ {told}, %{behind} ]")


def _of_threads(f: Function, stem: str, address: str, source: str, bits: int) -> str:
    """What was there before. address: a multiple of the size."""
    place, aligned = pointer(f, address), f"seq_cst, align {bits // 8}"
    if stem != "cmpxchg":
        return f.emit(f"atomicrmw {stem} ptr {place}, i{bits} {source} {aligned}")
    want = f.cut(f.read(0), bits)
    pair = f.emit(f"cmpxchg ptr {place}, i{bits} {want}, i{bits} {source} seq_cst {aligned}")
    return f.emit(f"extractvalue {{ i{bits}, i1 }} {pair}, 0")


def _alone(f: Function, stem: str, place: str, source: str, bits: int) -> str:
    """What was there before."""
    old = f.emit(f"load i{bits}, ptr {place}, align 1")
    if stem == "cmpxchg":
        equal = f.emit(f"icmp eq i{bits} {old}, {f.cut(f.read(0), bits)}")
        new = f.emit(f"select i1 {equal}, i{bits} {source}, i{bits} {old}")
    else:
        new = source if stem == "xchg" else VALUES[stem](f.emit, old, source, bits)
    f.line(f"store i{bits} {new}, ptr {place}, align 1")
    return old


def is_sure(unit: Unit, base: Kind, off: int, size: int, write: bool) -> bool:
    """Whether an access is inside of its object on every run, and allowed there."""
    return sure.is_sure(unit.system.maps, unit.rules, base, off, size, write)


SURE, NEVER = "sure", "never"


def inside(f: Function, base: Kind, register: int, size: int) -> str:
    """The i1 that tells whether bytes behind a register may be read in place; SURE, or NEVER where Python has to."""
    return _inside(f, base, register, 0, size, f.read(register), write=False)


def _inside(f: Function, base: Kind, register: int, off: int, size: int, address: str, write: bool) -> str:
    """The i1 that tells whether an access may be made in place; SURE, or NEVER where Python has to make it."""
    if is_sure(f.unit, base, off, size, write):
        return SURE
    if base.tag == "ctx":
        return NEVER if f.unit.context_size is not None or write else _between(f, address, size, *BOUNDS[2:])
    if base.tag == "packet":
        if base.name:  # metadata, which ends before the packet
            return SURE if f.unit.safe else NEVER
        return SURE if f.unit.safe else _between(f, address, size, *BOUNDS[:2])
    if f.unit.safe:
        return _beside_context(f, base, address, size, write)
    if base.tag == "value" and base.off is None and sure.plain_values(f.unit.system.maps, base.name, write):
        known = f.unit.system.maps[base.name]
        if isinstance(known, ArrayMap) and known.spec.value_size >= size:
            return _in_element(f, known, register, off, size)
    if base.tag == "stack" and base.off is None:
        return _within(f, address, size, f.emit(f"sub i64 %r10, {STACK}"), "%r10")
    return NEVER if base.is_pointer else _in_page(f, address, size, write)


def _beside_context(f: Function, base: Kind, address: str, size: int, write: bool) -> str:
    """Whether an access of mode `safe` is none to a context of which more than its bytes is asked.

    A function may get the context by a parameter; then nothing is known of it here but its place.
    """
    rules = f.unit.rules
    if base.tag != "num" or rules is None or not (rules.writes if write else rules.odd):
        return SURE
    return f.emit(f"xor i1 {_between(f, address, size, *BOUNDS[2:])}, true")


def _between(f: Function, address: str, size: int, low: str, high: str) -> str:
    """low, high: variables with the first byte of an object and its end."""
    start, end = f.emit(f"load i64, ptr %{low}"), f.emit(f"load i64, ptr %{high}")
    return _within(f, address, size, start, end)


def _within(f: Function, address: str, size: int, start: str, end: str) -> str:
    above = f.emit(f"icmp uge i64 {address}, {start}")
    below = f.emit(f"icmp ult i64 {address}, {end}")  # else the sum may wrap
    last = f.emit(f"icmp ule i64 {f.emit(f'add i64 {address}, {size}')}, {end}")
    return f.emit(f"and i1 {f.emit(f'and i1 {above}, {below}')}, {last}")


def _in_page(f: Function, address: str, size: int, write: bool) -> str:
    """By the table of pages, which Python fills: a page has bytes of one region at most."""
    number = f.emit(f"and i64 {f.emit(f'lshr i64 {address}, {PAGE_BITS}')}, {(f.unit.arena >> PAGE_BITS) - 1}")
    row = f.emit(f"getelementptr {ENTRY}, ptr %pages, i64 {number}")
    end = f.emit(f"getelementptr i32, ptr {row}, i64 {2 if write else 1}")
    start, limit = (f.widen(f.emit(f"load i32, ptr {one}"), 32) for one in (row, end))
    return _within(f, address, size, start, limit)


def _in_element(f: Function, known: ArrayMap, register: int, off: int, size: int) -> str:
    """Whether an access stays in the array's element that its register points into."""
    spec, base = known.spec, known.values.base
    rest = f.emit(f"sub i64 {f.read(register)}, {base}")
    inside = f.emit(f"icmp ult i64 {rest}, {known.stride * spec.max_entries}")
    at = f.emit(f"add i64 {f.emit(f'urem i64 {rest}, {known.stride}')}, {off}")
    fits = f.emit(f"icmp ule i64 {at}, {spec.value_size - size}")
    return f.emit(f"and i1 {inside}, {fits}")


def _object(f: Function, base: Kind, register: int, off: int) -> tuple[str, str]:
    """The place of an access that is looked up: one in its object, where that is known, and the distance."""
    if base.off is not None and base.is_pointer:
        return _moved(f, register, -base.off), constant(base.off + off, 64)
    if base.tag not in ("packet", "ctx", "stack"):
        return f.read(register), constant(off, 64)
    word = {"packet": "%packet_start", "ctx": "%context_start"}.get(base.tag)
    start = f.emit(f"load i64, ptr {word}") if word else "%r10"
    if base.name:  # metadata, which ends before the packet
        start = f.emit(f"add i64 {start}, -1")
    return start, f.emit(f"sub i64 {_moved(f, register, off)}, {start}")


def _moved(f: Function, register: int, off: int) -> str:
    word = f.read(register)
    return f.emit(f"add i64 {word}, {off}") if off else word


def _raw_load(f: Function, place: str, size: int) -> str:
    return f.widen(f.emit(f"load i{8 * size}, ptr {place}, align 1"), 8 * size)


def _raw_store(f: Function, place: str, size: int, word: str) -> None:
    f.line(f"store i{8 * size} {f.cut(word, 8 * size)}, ptr {place}, align 1")
