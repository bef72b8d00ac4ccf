"""Helpers that move the ends of an XDP frame, or copy its bytes wherever they lie.

Limits are those of BPF_PROG_TEST_RUN, measured on 6.18 with 4 KiB pages: of the 256 bytes before a frame the kernel
keeps 40, the first page holds 3520 bytes of it, and each page behind that 4096.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32, signed
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.ctx.ethernet import ETH
from bpfvm.tables.ctx.packets import FIRST_PAGE, FRAG, XDP_META

LARGEST_OFFSET = 0xFFFF
LEAST = -(1 << 31)


def _frame(context: Context) -> Frame:
    assert context.frame is not None, "an xdp program has a packet"
    return context.frame


def _first(frame: Frame) -> int:
    """The first byte of headroom that a program may have."""
    return frame.head - XDP_META


def xdp_adjust_head(caller: Caller, context: Context, delta: int) -> int:
    """0, or -EINVAL where the frame would begin in what the kernel keeps, or have under 14 bytes in its first page."""
    frame, by = _frame(context), signed(delta & M32, 32)
    start, size = frame.start + by, frame.start - frame.meta
    if start < _first(frame) + size or start > frame.linear - ETH:
        return -errno.EINVAL
    frame.shift(frame.meta, size, start - size)
    frame.move(start, start - size, frame.linear, frame.end, "bpf_xdp_adjust_head")
    context.refresh()
    return 0


def xdp_adjust_meta(caller: Caller, context: Context, delta: int) -> int:
    """0, -EINVAL for metadata that would begin before the headroom or in the frame, -EACCES for no multiple of 4."""
    frame = _frame(context)
    meta = frame.meta + signed(delta & M32, 32)
    if meta < _first(frame) or meta > frame.start:
        return -errno.EINVAL
    if (frame.start - meta) % 4:
        return -errno.EACCES
    frame.move(frame.start, meta, frame.linear, frame.end, "bpf_xdp_adjust_meta")
    context.refresh()
    return 0


def xdp_adjust_tail(caller: Caller, context: Context, delta: int) -> int:
    """0, or -EINVAL where its page has no room, or under 14 bytes would be left. New bytes are zero."""
    frame, by = _frame(context), signed(delta & M32, 32)
    end = frame.end + by
    if frame.linear < frame.end and by == LEAST:
        return 0  # its absolute value is negative again, and nothing is done
    if frame.linear < frame.end and by >= 0:
        used = (frame.end - frame.linear - 1) % FRAG + 1
        if by > FRAG - used:
            return -errno.EINVAL
    elif end < frame.start + ETH or (frame.linear == frame.end and end > frame.head + FIRST_PAGE):
        return -errno.EINVAL
    if by > 0:
        frame.fill(frame.end, by)
    linear = end if frame.linear == frame.end else min(frame.linear, end)
    frame.move(frame.start, frame.meta, linear, end, "bpf_xdp_adjust_tail")
    context.refresh()
    return 0


def xdp_get_buff_len(caller: Caller, context: Context) -> int:
    """Bytes of the frame, in all its pages."""
    return _frame(context).size


def _outside(frame: Frame, offset: int, size: int) -> int:
    if offset & M32 > LARGEST_OFFSET:
        return -errno.EFAULT
    return -errno.EINVAL if (offset & M32) + size > frame.size else 0


def xdp_load_bytes(caller: Caller, context: Context, offset: int, to: Pointer, size: int) -> int:
    """0, -EFAULT for an offset over 65535, -EINVAL for bytes behind the frame; then nothing is written."""
    frame = _frame(context)
    wrong = _outside(frame, offset, size)
    if not wrong:
        caller.write(to, frame.read(offset & M32, size), "argument 3 of bpf_xdp_load_bytes")
    return wrong


def xdp_store_bytes(caller: Caller, context: Context, offset: int, data: bytes, size: int) -> int:
    """As xdp_load_bytes, the other way."""
    frame = _frame(context)
    wrong = _outside(frame, offset, size)
    if not wrong:
        frame.write(offset & M32, data)
    return wrong


HELPERS: Mapping[str, Function] = {
    "xdp_adjust_head": xdp_adjust_head,
    "xdp_adjust_meta": xdp_adjust_meta,
    "xdp_adjust_tail": xdp_adjust_tail,
    "xdp_get_buff_len": xdp_get_buff_len,
    "xdp_load_bytes": xdp_load_bytes,
    "xdp_store_bytes": xdp_store_bytes,
}
