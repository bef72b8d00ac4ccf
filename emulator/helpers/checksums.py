"""Checksum helpers: the Internet checksum (RFC 1071, RFC 1624), in the arithmetic and the byte order of the kernel."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.context import NOT_SUMMED
from bpfvm.emulator.contexts.frame import Frame

M16 = 0xFFFF
ENOTSUPP = 524  # include/linux/errno.h, which user space has no name for
LARGEST_OFFSET = 0xFFFF
LEVELS = 3  # SKB_MAX_CSUM_LEVEL

# Flags of l3_csum_replace and l4_csum_replace (include/uapi/linux/bpf.h): the field's size in the low bits
SIZE, PSEUDO_HEADER, MANGLED_0, ENFORCE, IPV6 = 0xF, 0x10, 0x20, 0x40, 0x80


def add32(a: int, b: int) -> int:
    """a + b in ones' complement, 32 bits."""
    total = a + b
    return (total & M32) + (total >> 32)


def folded(total: int) -> int:
    """The checksum that a 32-bit sum makes: its 16-bit complement."""
    total = (total & M16) + (total >> 16)
    total = (total & M16) + (total >> 16)
    return ~total & M16


def partial(data: bytes, start: int) -> int:
    """The 32-bit sum of bytes in words as they lie, on top of `start`; 0 only where all of it is 0."""
    total = sum(struct.unpack(f"<{len(data) // 4}I", data)) + start
    return (total - 1) % M32 + 1 if total else 0


def csum_diff(caller: Caller, old: bytes | None, old_size: int, new: bytes | None, new_size: int, seed: int) -> int:
    """What changes in a sum when `old` gives way to `new`, 16 bits; -EINVAL for sizes that 4 does not divide."""
    before, after = old or b"", new or b""
    if (len(before) | len(after)) % 4:
        return -errno.EINVAL
    total = seed & M32
    if before and after:
        total = add32(partial(after, total), ~partial(before, 0) & M32)
    elif after:
        total = partial(after, total)
    elif before:
        total = ~partial(before, ~total & M32) & M32
    return (total + ((total >> 16) | (total << 16 & M32)) & M32) >> 16


def _frame(context: Context) -> Frame:
    assert context.frame is not None, "the helper is for types with an skb"
    return context.frame


def _place(context: Context, offset: int) -> int:
    """0 where a checksum can stand at an offset, else a negative errno."""
    if offset > LARGEST_OFFSET or offset & 1 or offset + 2 > _frame(context).size:
        return -errno.EFAULT
    return 0


def _replaced4(old: int, before: int, after: int) -> int:
    return folded(add32(add32(~old & M32, ~before & M32), after))


def _replaced_by(old: int, difference: int) -> int:
    return folded(add32(difference, ~old & M32))


def _add16(a: int, b: int) -> int:
    total = a + b
    return (total & M16) + (total >> 16)


def _replaced2(old: int, before: int, after: int) -> int:
    return ~_add16(_add16(~old & M16, ~before & M16), after) & M16


def _replaced(old: int, before: int, after: int, size: int, of_two: Callable[[int, int, int], int]) -> int:
    """A checksum after a field of so many bytes changed, or -EINVAL. of_two: how fields of two bytes are replaced."""
    match size:
        case 0 if not before:
            return _replaced_by(old, after & M32)
        case 2:
            return of_two(old, before & M16, after & M16)
        case 4:
            return _replaced4(old, before & M32, after & M32)
        case _:
            return -errno.EINVAL


def l3_csum_replace(caller: Caller, context: Context, offset: int, before: int, after: int, flags: int) -> int:
    """0; -EINVAL for flags or sizes that do not go together, -EFAULT for a place outside of the packet."""
    if flags & ~SIZE:
        return -errno.EINVAL
    offset &= M32
    wrong = _place(context, offset)
    if wrong:
        return wrong
    frame = _frame(context)
    old = int.from_bytes(frame.read(offset, 2), "little")
    new = _replaced(old, before, after, flags & SIZE, _replaced2)
    if new < 0:
        return new
    frame.write(offset, new.to_bytes(2, "little"))
    return 0


def l4_csum_replace(caller: Caller, context: Context, offset: int, before: int, after: int, flags: int) -> int:
    """As l3_csum_replace. The packet's sum is never half made here, so a pseudo header's field is like any other."""
    if flags & ~(SIZE | PSEUDO_HEADER | MANGLED_0 | ENFORCE | IPV6):
        return -errno.EINVAL
    offset &= M32
    wrong = _place(context, offset)
    if wrong:
        return wrong
    frame = _frame(context)
    old = int.from_bytes(frame.read(offset, 2), "little")
    if flags & MANGLED_0 and not flags & ENFORCE and not old:
        return 0
    new = _replaced(old, before, after, flags & SIZE, _replaced4)
    if new < 0:
        return new
    if flags & MANGLED_0 and not new:
        new = M16
    frame.write(offset, new.to_bytes(2, "little"))
    return 0


def csum_update(caller: Caller, context: Context, difference: int) -> int:
    """-ENOTSUPP: no device summed the whole packet."""
    return -ENOTSUPP


def csum_level(caller: Caller, context: Context, what: int) -> int:
    """How many checksums are known to be good, less one: 0 asks (-EACCES for none), 1 adds, 2 takes away, 3 forgets."""
    skb = context.skb
    match what:
        case 0:
            return -errno.EACCES if skb.summed == NOT_SUMMED else skb.summed
        case 1:
            skb.summed = min(skb.summed + 1, LEVELS)
        case 2:
            skb.summed = max(skb.summed - 1, NOT_SUMMED)
        case 3:
            skb.summed = NOT_SUMMED
        case _:
            return -errno.EINVAL
    return 0


HELPERS: Mapping[str, Function] = {
    "csum_diff": csum_diff,
    "l3_csum_replace": l3_csum_replace,
    "l4_csum_replace": l4_csum_replace,
    "csum_update": csum_update,
    "csum_level": csum_level,
}
