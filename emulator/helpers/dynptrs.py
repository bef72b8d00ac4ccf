"""Dynptrs: pointers to memory of a size known late, 16 bytes on the program's stack.

    u64 data      address of the memory, 0 in a dynptr to nothing
    u32 size      bytes, below 1 << 24; from bit 28 what it points to, bit 31: it may only be read
    u32 offset    0: where the dynptr begins in the memory

The verifier keeps programs from writing there; here a dynptr whose bytes are not those that were made is a fault.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.access import resolve
from bpfvm.emulator.arguments import DYNPTR_SIZE, Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.tables.helpers import BY_NAME, call_name

LAYOUT = struct.Struct("<QII")
LARGEST = (1 << 24) - 1
LOCAL, RECORD = 1, 2  # enum bpf_dynptr_type
TYPE_SHIFT, READ_ONLY = 28, 1 << 31
NOTHING = bytes(DYNPTR_SIZE)


def make(caller: Caller, at: Pointer, kind: int, data: int, size: int) -> None:
    """Put a dynptr to `size` bytes at address `data` into the 16 bytes at `at`. kind 0: to nothing."""
    words = LAYOUT.pack(data, size | kind << TYPE_SHIFT, 0) if kind else NOTHING
    caller.write(at, words, "the dynptr")
    caller.system.dynptrs[at.address] = words


def opened(caller: Caller, at: Pointer, helper: str, argument: int) -> tuple[int, int, int]:
    """(address, size, type) of a dynptr, all 0 for one to nothing. Stop for what was never made one."""
    words = caller.read(at, DYNPTR_SIZE, "the dynptr")
    if caller.system.dynptrs.get(at.address) != words:
        what = f"argument {argument} of {call_name(BY_NAME[helper].id)}"
        raise Stop("helper", f"{what} points to {at.region.name}+{at.offset}, where no dynptr was made")
    data, size, offset = LAYOUT.unpack(words)
    return data + offset, size & LARGEST, size >> TYPE_SHIFT


def _within(size: int, offset: int, length: int) -> bool:
    return length <= size and offset <= size - length


def dynptr_from_mem(caller: Caller, data: Pointer, size: int, flags: int, at: Pointer) -> int:
    """0; -E2BIG, -EINVAL make it one to nothing."""
    if data.region.kind != "map value":
        raise Stop(
            "helper", f"argument 1 of bpf_dynptr_from_mem#197 points to {data.region.name}, which is no map value"
        )
    result = -errno.E2BIG if size > LARGEST else -errno.EINVAL if flags else 0
    make(caller, at, 0 if result else LOCAL, data.address, size)
    return result


def dynptr_read(caller: Caller, to: Pointer, length: int, at: Pointer, offset: int, flags: int) -> int:
    """0, -E2BIG past the end, -EINVAL for one to nothing."""
    data, size, kind = opened(caller, at, "dynptr_read", 3)
    if not kind or flags:
        return -errno.EINVAL
    if not _within(size, offset & M32, length):
        return -errno.E2BIG
    caller.write(to, caller.system.arena.read(data + (offset & M32), length), "argument 1 of bpf_dynptr_read#201")
    return 0


def dynptr_write(caller: Caller, at: Pointer, offset: int, source: bytes, length: int, flags: int) -> int:
    """0, -E2BIG past the end, -EINVAL for one to nothing."""
    data, size, kind = opened(caller, at, "dynptr_write", 1)
    if not kind or kind << TYPE_SHIFT & READ_ONLY:
        return -errno.EINVAL
    if not _within(size, offset & M32, length):
        return -errno.E2BIG
    if flags:
        return -errno.EINVAL
    caller.system.arena.write(data + (offset & M32), source)
    return 0


def dynptr_data(caller: Caller, at: Pointer, offset: int, length: int) -> Operand:
    """A pointer to `length` bytes, 0 past the end and for one to nothing."""
    data, size, kind = opened(caller, at, "dynptr_data", 1)
    offset, length = offset & M32, length & M32
    if not kind or kind << TYPE_SHIFT & READ_ONLY or not _within(size, offset, length):
        return 0
    base = data + offset
    view = caller.system.arena.view[base : base + length]
    return Pointer(Region("memory of a dynptr", base, length, "object", view), 0)


def ringbuf_reserve_dynptr(caller: Caller, store: MapStore, size: int, flags: int, at: Pointer) -> int:
    """0; -E2BIG, -EINVAL make it one to nothing, which is to be given back all the same."""
    if not isinstance(store, RingBuffer):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'ringbuf_reserve_dynptr')}")
    size &= M32
    result = -errno.EINVAL if flags else -errno.E2BIG if size > LARGEST else 0
    address = store.reserve(size) if not result else 0
    make(caller, at, RECORD if address else 0, address, size)
    caller.system.owned[at.address] = f"a dynptr of ring buffer {store.spec.name}, never submitted or discarded"
    if address:
        store.record(address)
    return result if address or result else -errno.EINVAL


def _commit(caller: Caller, at: Pointer, helper: str) -> None:
    data, _, kind = opened(caller, at, helper, 1)
    if at.address not in caller.system.owned:
        what = f"argument 1 of {call_name(BY_NAME[helper].id)}"
        raise Stop("helper", f"{what} is no dynptr of a record that the program reserved")
    del caller.system.owned[at.address]
    if kind == RECORD:
        owner: RingBuffer = resolve(caller.system.arena, data).region.owner
        owner.commit(data, helper == "ringbuf_discard_dynptr")
    caller.write(at, NOTHING, "the dynptr")
    del caller.system.dynptrs[at.address]


def ringbuf_submit_dynptr(caller: Caller, at: Pointer, flags: int) -> None:
    """Give the record to the reader. Flags only say whether to wake it up."""
    _commit(caller, at, "ringbuf_submit_dynptr")


def ringbuf_discard_dynptr(caller: Caller, at: Pointer, flags: int) -> None:
    """Drop the record."""
    _commit(caller, at, "ringbuf_discard_dynptr")


HELPERS: Mapping[str, Function] = {
    "ringbuf_reserve_dynptr": ringbuf_reserve_dynptr,
    "ringbuf_submit_dynptr": ringbuf_submit_dynptr,
    "ringbuf_discard_dynptr": ringbuf_discard_dynptr,
    "dynptr_from_mem": dynptr_from_mem,
    "dynptr_read": dynptr_read,
    "dynptr_write": dynptr_write,
    "dynptr_data": dynptr_data,
}
