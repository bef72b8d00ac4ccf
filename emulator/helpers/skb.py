"""Helpers that read and write an skb's bytes and move its ends. Results are those of BPF_PROG_TEST_RUN on 6.18."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32, S32_MAX, signed
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.helpers.checksums import ENOTSUPP
from bpfvm.emulator.memory import Pointer

LARGEST = 16064  # BPF_SKB_MAX_LEN: four pages less skb_shared_info
LARGEST_OFFSET = 0xFFFF
RECOMPUTE_CSUM, INVALIDATE_HASH = 1, 2  # flags of skb_store_bytes
START_MAC, START_NET = 0, 1  # enum bpf_hdr_start_off


def frame_of(context: Context) -> Frame:
    """The packet of a context that has an skb."""
    assert context.frame is not None, "the helper is for types with an skb"
    return context.frame


def moved(context: Context, by: str) -> None:
    """The kernel may have copied the packet: what pointed into it is no good any more."""
    frame = frame_of(context)
    frame.move(frame.start, frame.meta, frame.linear, frame.end, by)
    context.refresh()


def skb_load_bytes(caller: Caller, context: Context, offset: int, to: Pointer, size: int) -> int:
    """0; -EFAULT, and zeros, for bytes that the packet does not have."""
    frame, offset = frame_of(context), offset & M32
    most = LARGEST_OFFSET if context.access is not None and context.access.program_type == "flow_dissector" else S32_MAX
    return _load(caller, frame, offset if offset <= most else frame.size + 1, to, size, "skb_load_bytes")


def skb_load_bytes_relative(caller: Caller, context: Context, offset: int, to: Pointer, size: int, header: int) -> int:
    """As skb_load_bytes, from the start of the MAC (0) or the network header (1); offsets are at most 65535."""
    frame, offset, header = frame_of(context), offset & M32, header & M32
    start = {START_MAC: context.skb.mac, START_NET: context.skb.network}.get(header)
    if offset > LARGEST_OFFSET or start is None:
        start, offset = 0, frame.size + 1
    return _load(caller, frame, start + offset, to, size, "skb_load_bytes_relative")


def _load(caller: Caller, frame: Frame, at: int, to: Pointer, size: int, name: str) -> int:
    is_there = at + size <= frame.size
    caller.write(to, frame.read(at, size) if is_there else bytes(size), f"argument 3 of bpf_{name}")
    return 0 if is_there else -errno.EFAULT


def skb_store_bytes(caller: Caller, context: Context, offset: int, data: bytes, size: int, flags: int) -> int:
    """0; -EFAULT for a place that the packet does not have, -EINVAL for unknown flags."""
    frame, offset = frame_of(context), offset & M32
    if flags & ~(RECOMPUTE_CSUM | INVALIDATE_HASH):
        return -errno.EINVAL
    if offset > S32_MAX or offset + size > frame.size:
        return -errno.EFAULT
    frame.write(offset, data)
    if flags & INVALIDATE_HASH:
        forget_hash(context)
    moved(context, "bpf_skb_store_bytes")
    return 0


def skb_pull_data(caller: Caller, context: Context, size: int) -> int:
    """0, or -ENOMEM for more bytes than the packet has. All of it is linear as it is."""
    if size & M32 > frame_of(context).size:
        return -errno.ENOMEM
    moved(context, "bpf_skb_pull_data")
    return 0


def skb_change_tail(caller: Caller, context: Context, size: int, flags: int) -> int:
    """0, or -EINVAL for a size that is too large, or too small for the headers. New bytes are zero.

    -ENOTSUPP for a packet that a header was put around.
    """
    frame, size = frame_of(context), size & M32
    if flags or size > LARGEST or size < context.skb.network:
        return -errno.EINVAL
    if context.skb.encapsulated:
        return -ENOTSUPP
    frame.resize(0, size - frame.size, "bpf_skb_change_tail")
    _forget_segments(context)
    context.refresh()
    return 0


def skb_change_head(caller: Caller, context: Context, room: int, flags: int) -> int:
    """Zero bytes before the packet, for a new MAC header. 0, or -EINVAL."""
    frame, room = frame_of(context), signed(room & M32, 32)
    too_long = not context["gso_size"] and frame.size + room > LARGEST
    if flags or room < 0 or too_long:
        return -errno.EINVAL
    frame.resize(room, 0, "bpf_skb_change_head")
    skb = context.skb
    skb.mac, skb.network = 0, skb.network + room
    skb.mac_size = skb.network
    context.refresh()
    return 0


def skb_change_type(caller: Caller, context: Context, kind: int) -> int:
    """0, or -EINVAL for a type that is not the host's, broadcast, multicast or another host's."""
    kind &= M32
    if kind > 3 or context["pkt_type"] > 3:
        return -errno.EINVAL
    context["pkt_type"] = kind
    return 0


def forget_hash(context: Context) -> None:
    """The flow's hash is not known any more."""
    context["hash"], context.skb.hashed = 0, False


def _forget_segments(context: Context) -> None:
    context["gso_size"] = context["gso_segs"] = 0


def set_hash_invalid(caller: Caller, context: Context) -> int:
    """Forget the hash."""
    forget_hash(context)
    return 0


def set_hash(caller: Caller, context: Context, value: int) -> int:
    """Set the hash."""
    context["hash"], context.skb.hashed = value & M32, True
    return 0


HELPERS: Mapping[str, Function] = {
    "skb_load_bytes": skb_load_bytes,
    "skb_load_bytes_relative": skb_load_bytes_relative,
    "skb_store_bytes": skb_store_bytes,
    "skb_pull_data": skb_pull_data,
    "skb_change_tail": skb_change_tail,
    "skb_change_head": skb_change_head,
    "skb_change_type": skb_change_type,
    "set_hash_invalid": set_hash_invalid,
    "set_hash": set_hash,
}
