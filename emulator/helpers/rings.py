"""Helpers that send records to user space, or take messages from there: ring buffers and perf events."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import TypeVar

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.helpers.dynptrs import LOCAL, make
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.perf import PerfEventArray
from bpfvm.emulator.maps.ringbuf import BUSY, FORCE_WAKEUP, LARGEST, NO_WAKEUP, RingBuffer
from bpfvm.emulator.maps.userring import UserRing
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.helpers import BY_NAME, call_name
from bpfvm.tables.helpers.callbacks import MOST_MESSAGES

INDEX, CURRENT_CPU = M32, M32  # BPF_F_INDEX_MASK, BPF_F_CURRENT_CPU
PACKET_SHIFT, PACKET = 32, ((1 << 20) - 1) << 32  # BPF_F_CTXLEN_MASK

_Kind = TypeVar("_Kind")


def _store(store: MapStore, kind: type[_Kind], helper: str) -> _Kind:
    if isinstance(store, kind):
        return store
    raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, helper)}")


def ringbuf_output(caller: Caller, store: MapStore, data: bytes, size: int, flags: int) -> int:
    """0, -EINVAL for unknown flags, -EAGAIN where there is no room."""
    ring = _store(store, RingBuffer, "ringbuf_output")
    return -errno.EINVAL if flags & ~(NO_WAKEUP | FORCE_WAKEUP) else ring.output(data)


def ringbuf_reserve(caller: Caller, store: MapStore, size: int, flags: int) -> Operand:
    """The record, or 0 where there is no room and for any flag."""
    ring = _store(store, RingBuffer, "ringbuf_reserve")
    address = 0 if flags else ring.reserve(size)
    if not address:
        return 0
    caller.system.owned[address] = ring.owes(address)
    return Pointer(ring.record(address), 0)


def _commit(caller: Caller, record: Pointer, helper: str) -> None:
    region = record.region
    if region.kind != "record" or record.offset or not region.live or region.base not in caller.system.owned:
        place = f"{region.name}+{record.offset}" + ("" if region.live else f", which {region.ended}")
        what = f"argument 1 of {call_name(BY_NAME[helper].id)}"
        raise Stop("helper", f"{what} points to {place}, and must be the start of a record that the program reserved")
    ring: RingBuffer = region.owner
    del caller.system.owned[region.base]
    ring.commit(region.base, helper == "ringbuf_discard")


def ringbuf_submit(caller: Caller, record: Pointer, flags: int) -> None:
    """Give a record to the reader. Flags only say whether to wake it up."""
    _commit(caller, record, "ringbuf_submit")


def ringbuf_discard(caller: Caller, record: Pointer, flags: int) -> None:
    """Drop a record."""
    _commit(caller, record, "ringbuf_discard")


def ringbuf_query(caller: Caller, store: MapStore, flags: int) -> int:
    """A number about the ring; 0 for an unknown one."""
    return _store(store, RingBuffer, "ringbuf_query").query(flags)


def user_ringbuf_drain(caller: Caller, store: MapStore, function: int, context: Operand, flags: int) -> int:
    """How many messages the callback saw; it ends the loop by a result that is not 0. -EBUSY inside of itself."""
    ring = _store(store, UserRing, "user_ringbuf_drain")
    if flags & ~(NO_WAKEUP | FORCE_WAKEUP):
        return -errno.EINVAL
    if ring.busy:
        return -errno.EBUSY
    ring.busy, count, messages = True, 0, ring.messages()
    place = ring.dynptr()
    try:
        for address, size in messages:
            if size & BUSY or size > LARGEST:
                return -errno.EINVAL
            make(caller, place, LOCAL, address, size)
            count += 1
            try:
                is_over = caller.call(function, (place, context)) or count == MOST_MESSAGES
            except BaseException:  # a fault of CPython's: what compiled code calls ends the loop instead
                next(messages, None)
                raise
            if is_over:
                next(messages, None)
                break
    finally:
        ring.busy = False
        caller.system.dynptrs.pop(place.address, None)
    return count


def perf_event_output(caller: Caller, context: Context, store: MapStore, flags: int, data: bytes, size: int) -> int:
    """0 or a negative errno. Programs on packets may ask for bytes of the packet behind the data: flags from bit 32."""
    events = _store(store, PerfEventArray, "perf_event_output")
    frame = context.frame
    if flags & ~(INDEX if frame is None else INDEX | PACKET):
        return -errno.EINVAL
    length = (flags & PACKET) >> PACKET_SHIFT
    if frame is not None and length > frame.size:
        return -errno.EFAULT
    index = flags & INDEX
    result = events.chosen(caller.system.cpu if index == CURRENT_CPU else index)
    if result:
        return result
    return events.output(data + frame.read(0, length) if frame is not None and length else data)


def perf_event_read(caller: Caller, store: MapStore, flags: int) -> int:
    """0, what an event of samples counts, or a negative errno."""
    events = _store(store, PerfEventArray, "perf_event_read")
    if flags & ~INDEX:
        return -errno.EINVAL
    result = events.chosen(caller.system.cpu if flags == CURRENT_CPU else flags)
    return -errno.EINVAL if result == -errno.EOPNOTSUPP else result


def perf_event_read_value(caller: Caller, store: MapStore, flags: int, to: Pointer, size: int) -> int:
    """0 or a negative errno. The memory is zeros either way: an event of samples counts none, and time stands still."""
    caller.write(to, bytes(size), f"argument 3 of {call_name(BY_NAME['perf_event_read_value'].id)}")
    return -errno.EINVAL if size != 24 else perf_event_read(caller, store, flags)


HELPERS: Mapping[str, Function] = {
    "ringbuf_output": ringbuf_output,
    "ringbuf_reserve": ringbuf_reserve,
    "ringbuf_submit": ringbuf_submit,
    "ringbuf_discard": ringbuf_discard,
    "ringbuf_query": ringbuf_query,
    "user_ringbuf_drain": user_ringbuf_drain,
    "perf_event_output": perf_event_output,
    "perf_event_read": perf_event_read,
    "perf_event_read_value": perf_event_read_value,
}
