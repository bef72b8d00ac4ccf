"""Helpers that compiled code has in place: what is called for every packet must not go through Python.

An emitter writes the code of one helper and sets r0; it gives False for a call that Python has to make, for what it
does not know of the arguments or because a user's function stands for the helper.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from bpfvm.core.bits import M32, S32_MAX
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.ringbuf import DISCARD, LARGEST, RingBuffer
from bpfvm.emulator.native import checksums, memory
from bpfvm.emulator.native.maps import changes, lookups, tries
from bpfvm.emulator.portable.kinds import State
from bpfvm.emulator.system import CLOCK_STEP
from bpfvm.tables.helpers import BY_ID as HELPERS

if TYPE_CHECKING:
    from bpfvm.emulator.native.function import Function

Emitter = Callable[["Function", State], bool]


def _map_lookup_elem(f: Function, state: State) -> bool:
    """Of a map that is known, by a key on the stack; anywhere in mode `safe`."""
    if state.regs[1].tag != "map":
        return False
    name = state.regs[1].name
    store, key = f.unit.system.maps.get(name), state.regs[2]
    if store is None or not (lookups.is_native(store) or tries.is_native(store)):
        return False
    if not f.unit.safe and not (
        key.tag == "stack" and memory.is_sure(f.unit, key, 0, store.spec.key_size, write=False)
    ):
        return False
    number = f.unit.finders.setdefault(name, len(f.unit.finders))
    place = memory.host(f, key, f.read(2), 0, store.spec.key_size)
    f.write(0, f.emit(f"call i64 @find{number}(ptr %base, ptr %st, ptr {place})"))
    return True


def _map_update_elem(f: Function, state: State) -> bool:
    """Of a map that is known, key and value on the stack."""
    store = _changed(f, state, 3)
    if store is None:
        return False
    number = f.unit.changers.setdefault(state.regs[1].name, len(f.unit.changers))
    key, value = (memory.pointer(f, f.read(register)) for register in (2, 3))
    f.ask(f"call i64 @update{number}(ptr %base, ptr %st, ptr {key}, ptr {value}, i64 {f.read(4)})", changes.ASK)
    return True


def _map_delete_elem(f: Function, state: State) -> bool:
    """Of a map that is known, by a key on the stack."""
    store = _changed(f, state, 2)
    if store is None:
        return False
    number = f.unit.changers.setdefault(state.regs[1].name, len(f.unit.changers))
    key = memory.pointer(f, f.read(2))
    f.write(0, f.emit(f"call i64 @delete{number}(ptr %base, ptr %st, ptr {key})"))
    return True


def _changed(f: Function, state: State, last: int) -> MapStore | None:
    """The map that a call changes, if code can; arguments 2 to `last` are in the stack, and 4 is a number."""
    store = f.unit.system.maps.get(state.regs[1].name) if state.regs[1].tag == "map" else None
    if store is None or not changes.is_native(store):
        return None
    for register, size in ((2, store.spec.key_size), (3, store.spec.value_size))[: last - 1]:
        kind = state.regs[register]
        if kind.tag != "stack" or not memory.is_sure(f.unit, kind, 0, size, write=False):
            return None
    return store if last == 2 or state.regs[4].tag == "num" else None


def _ringbuf_output(f: Function, state: State) -> bool:
    """To a ring that is known, of so many bytes of the stack; not by threads, which ask Python for nothing."""
    ring, data, size = (state.regs[register] for register in (1, 2, 3))
    store = f.unit.system.maps.get(ring.name) if ring.tag == "map" else None
    if not isinstance(store, RingBuffer) or f.unit.threads or state.regs[4].tag != "num":
        return False
    if data.tag != "stack" or size.tag != "num" or not size.off:
        return False
    if not memory.is_sure(f.unit, data, 0, size.off, write=False):
        return False
    number = f.unit.rings.setdefault(ring.name, len(f.unit.rings))
    words = f"ptr {memory.host(f, data, f.read(2), 0, size.off)}, i64 {size.off}, i64 {f.read(4)}"
    f.ask(f"call i64 @output{number}(ptr %base, ptr %st, {words})", changes.ASK)
    return True


def _ringbuf_reserve(f: Function, state: State) -> bool:
    """In a ring that is known, of so many bytes; where all that is reserved on this machine are such records."""
    ring, size, flags = (state.regs[register] for register in (1, 2, 3))
    store = f.unit.system.maps.get(ring.name) if ring.tag == "map" else None
    if not isinstance(store, RingBuffer) or f.unit.threads or f.unit.dynptrs:
        return False
    if size.tag != "num" or not size.off or size.off > LARGEST or flags.tag != "num" or flags.off != 0:
        return False
    number = f.unit.rings.setdefault(ring.name, len(f.unit.rings))
    f.ask(f"call i64 @reserve{number}(ptr %base, ptr %st, i64 {size.off})", changes.ASK)
    return True


def _ringbuf_submit(f: Function, state: State, flag: int = 0) -> bool:
    """Of a record that surely is one, by its first byte. flag: of its header."""
    record = state.regs[1]
    if record.tag != "record" or record.off != 0 or f.unit.threads or f.unit.dynptrs:
        return False
    if state.regs[2].tag in ("none", "maybe") or record.name not in f.unit.system.maps:
        return False
    number = f.unit.rings.setdefault(record.name, len(f.unit.rings))
    f.line(f"call void @commit{number}(ptr %base, ptr %st, i64 {f.read(1)}, i32 {flag})")
    f.write(0, "0")
    return True


def _ringbuf_discard(f: Function, state: State) -> bool:
    return _ringbuf_submit(f, state, DISCARD)


def _skb_load_bytes(f: Function, state: State) -> bool:
    """Of so many bytes to the stack; all of an skb is in one piece."""
    context, offset, goal, size = (state.regs[register] for register in (1, 2, 3, 4))
    if context.tag != "ctx" or context.off != 0 or offset.tag != "num" or f.unit.program.type == "flow_dissector":
        return False
    if goal.tag != "stack" or size.tag != "num" or not size.off:
        return False
    if not memory.is_sure(f.unit, goal, 0, size.off, write=True):
        return False
    start, end = f.get("packet_start"), f.get("packet_end")
    at = f.emit(f"and i64 {f.read(2)}, {M32}")
    least = f.emit(f"icmp ule i64 {at}, {S32_MAX}")
    inside = f.emit(f"icmp ule i64 {f.emit(f'add i64 {at}, {size.off}')}, {f.emit(f'sub i64 {end}, {start}')}")
    is_there = f.emit(f"and i1 {least}, {inside}")
    here, absent, on = (f.new_label(name) for name in ("here", "absent", "on"))
    to = memory.host(f, goal, f.read(3), 0, size.off)
    f.line(f"br i1 {is_there}, label %{here}, label %{absent}, {memory.LIKELY}")
    f.begin(here)
    source = memory.pointer(f, f.emit(f"add i64 {start}, {at}"))
    f.line(f"call void @llvm.memmove.p0.p0.i64(ptr {to}, ptr {source}, i64 {size.off}, i1 false)")
    f.line(f"br label %{on}")
    f.begin(absent)
    f.line(f"call void @llvm.memset.p0.i64(ptr {to}, i8 0, i64 {size.off}, i1 false)")
    f.line(f"br label %{on}")
    f.begin(on)
    f.write(0, f.emit(f"phi i64 [ 0, %{here} ], [ {-errno.EFAULT}, %{absent} ]"))
    return True


def _ktime_get_ns(f: Function, state: State) -> bool:
    now = f.get("now")
    f.write(0, now)
    f.put("now", f.emit(f"add i64 {now}, {CLOCK_STEP}"))
    return True


def _get_smp_processor_id(f: Function, state: State) -> bool:
    f.write(0, f.get("cpu"))
    return True


EMITTERS: Mapping[str, Emitter] = {
    "map_lookup_elem": _map_lookup_elem,
    "map_update_elem": _map_update_elem,
    "map_delete_elem": _map_delete_elem,
    "ringbuf_output": _ringbuf_output,
    "ringbuf_reserve": _ringbuf_reserve,
    "ringbuf_submit": _ringbuf_submit,
    "ringbuf_discard": _ringbuf_discard,
    "skb_load_bytes": _skb_load_bytes,
    "csum_diff": checksums.csum_diff,
    "ktime_get_ns": _ktime_get_ns,
    "ktime_get_boot_ns": _ktime_get_ns,
    "ktime_get_tai_ns": _ktime_get_ns,
    "get_smp_processor_id": _get_smp_processor_id,
}


def in_place(f: Function, state: State, number: int) -> bool:
    """Write the code of a helper's call, where that can be."""
    row = HELPERS.get(number)
    emitter = EMITTERS.get(row.name) if row is not None and number in f.unit.in_place else None
    return emitter is not None and emitter(f, state)
