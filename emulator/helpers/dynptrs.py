"""Dynptrs: pointers to memory of a size known late, 16 bytes on the program's stack.

    u64 data      address of the memory, of the context where it is to the packet; 0 in a dynptr to nothing
    u32 size      bytes, below 1 << 24; from bit 28 what it points to, bit 31: it may only be read
    u32 offset    where the dynptr begins in the memory or the packet

The verifier keeps programs from writing there; here a dynptr whose bytes are not those that were made is a fault.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from bpfvm.core.bits import M32
from bpfvm.emulator.access import resolve
from bpfvm.emulator.arguments import DYNPTR_SIZE, Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.helpers.skb import skb_store_bytes
from bpfvm.emulator.helpers.xdp import xdp_store_bytes
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.ringbuf import RingBuffer
from bpfvm.emulator.memory import Pointer, Region
from bpfvm.tables.helpers import BY_NAME, call_name

LAYOUT = struct.Struct("<QII")
LARGEST = (1 << 24) - 1
LOCAL, RECORD, SKB, XDP = range(1, 5)  # enum bpf_dynptr_type
TYPE_SHIFT, TYPES, READ_ONLY = 28, 7, 1 << 31
NOTHING = bytes(DYNPTR_SIZE)


@dataclass(frozen=True, slots=True)
class Dynptr:
    """What the 16 bytes say. kind: 0 for one to nothing."""

    kind: int
    data: int
    size: int
    offset: int
    read_only: bool

    @property
    def is_packet(self) -> bool:
        """Whether it is to a packet, whose bytes may lie elsewhere tomorrow."""
        return self.kind in (SKB, XDP)


def make(
    caller: Caller, at: Pointer, kind: int, data: int, size: int, read_only: bool = False, offset: int = 0
) -> None:  # fmt: skip
    """Put a dynptr to `size` bytes at `data` into the 16 bytes at `at`. kind 0: to nothing."""
    word = size | kind << TYPE_SHIFT | (READ_ONLY if read_only else 0)
    words = LAYOUT.pack(data, word, offset) if kind else NOTHING
    caller.write(at, words, "the dynptr")
    caller.system.dynptrs[at.address] = words


def opened(caller: Caller, at: Pointer, what: str) -> Dynptr:
    """The dynptr at `at`. Stop for what was never made one; `what` names it."""
    words = caller.read(at, DYNPTR_SIZE, "the dynptr")
    if caller.system.dynptrs.get(at.address) != words:
        raise Stop("helper", f"{what} points to {at.region.name}+{at.offset}, where no dynptr was made")
    data, size, offset = LAYOUT.unpack(words)
    return Dynptr(size >> TYPE_SHIFT & TYPES, data, size & LARGEST, offset, bool(size & READ_ONLY))


def _argument(helper: str, number: int) -> str:
    return f"argument {number} of {call_name(BY_NAME[helper].id)}"


def within(size: int, offset: int, length: int) -> bool:
    """Whether `length` bytes from `offset` on are among the first `size`."""
    return length <= size and offset <= size - length


def frame_of(caller: Caller) -> Frame:
    """The packet of the run."""
    context = caller.context
    assert context is not None, "a program runs"
    assert context.frame is not None, "there is a dynptr to its packet"
    return context.frame


def read(caller: Caller, one: Dynptr, offset: int, length: int) -> bytes | int:
    """Bytes of a dynptr, or a negative errno: -E2BIG past the end, -EINVAL for one to nothing."""
    if not one.kind:
        return -errno.EINVAL
    if not within(one.size, offset, length):
        return -errno.E2BIG
    if not one.is_packet:
        return caller.system.arena.read(one.data + one.offset + offset, length)
    frame = frame_of(caller)
    if one.offset + offset + length > frame.size:  # which was longer when the dynptr was made
        return -errno.EFAULT if one.kind == SKB else -errno.EINVAL
    return frame.read(one.offset + offset, length)


def write(caller: Caller, one: Dynptr, offset: int, data: bytes, flags: int) -> int:
    """Store bytes by a dynptr. 0 or a negative errno, as read's. flags: those of skb_store_bytes, for an skb."""
    if not one.kind or one.read_only:
        return -errno.EINVAL
    if not within(one.size, offset, len(data)):
        return -errno.E2BIG
    if one.kind == SKB:
        assert caller.context is not None
        return skb_store_bytes(caller, caller.context, one.offset + offset, data, len(data), flags)
    if flags:
        return -errno.EINVAL
    if one.kind == XDP:
        assert caller.context is not None
        return xdp_store_bytes(caller, caller.context, one.offset + offset, data, len(data))
    caller.system.arena.write(one.data + one.offset + offset, data)
    return 0


def memory(caller: Caller, one: Dynptr, offset: int, length: int) -> Pointer:
    """Bytes of one that is to memory."""
    base = one.data + one.offset + offset
    view = caller.system.arena.view[base : base + length]
    return Pointer(Region("memory of a dynptr", base, length, "object", view), 0)


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
    """0 or a negative errno."""
    one = opened(caller, at, _argument("dynptr_read", 3))
    found = -errno.EINVAL if flags else read(caller, one, offset & M32, length)
    if isinstance(found, int):
        return found
    caller.write(to, found, _argument("dynptr_read", 1))
    return 0


def dynptr_write(caller: Caller, at: Pointer, offset: int, source: bytes, length: int, flags: int) -> int:
    """0 or a negative errno."""
    return write(caller, opened(caller, at, _argument("dynptr_write", 1)), offset & M32, source, flags)


def dynptr_data(caller: Caller, at: Pointer, offset: int, length: int) -> Operand:
    """A pointer to `length` bytes, 0 past the end, for one to nothing and for one to a packet."""
    one = opened(caller, at, _argument("dynptr_data", 1))
    offset, length = offset & M32, length & M32
    if not one.kind or one.read_only or one.is_packet or not within(one.size, offset, length):
        return 0
    return memory(caller, one, offset, length)


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
    one = opened(caller, at, _argument(helper, 1))
    if at.address not in caller.system.owned:
        raise Stop("helper", f"{_argument(helper, 1)} is no dynptr of a record that the program reserved")
    del caller.system.owned[at.address]
    if one.kind == RECORD:
        owner: RingBuffer = resolve(caller.system.arena, one.data).region.owner
        owner.commit(one.data, helper == "ringbuf_discard_dynptr")
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
