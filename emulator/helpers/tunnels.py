"""The tunnel of an skb: its key and options, as a program sets them for the device that sends the packet on.

    struct bpf_tunnel_key   u32 id, remote address of 4 or 16 bytes, u8 tos, u8 ttl, u16 flags, u32 label, local
                            address of 4 or 16 bytes: 44 bytes; older layouts end where one of these begins

A packet comes in through no tunnel. What a program set it can ask for; addresses change places then, as in the kernel.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.helpers import BY_NAME

WHOLE, OLD_SIZES, OLDEST = 44, (28, 24, 22, 8), 8
IPV6, ZERO_CSUM, DONT_FRAGMENT, SEQUENCE, NO_KEY = (1 << bit for bit in range(5))  # BPF_F_* of skb_set_tunnel_key
WITH_FLAGS = 1 << 4  # BPF_F_TUNINFO_FLAGS of skb_get_tunnel_key
LABEL = 0xFFFF0F00  # IPV6_FLOWLABEL_MASK, of a number in network order as a little-endian machine reads it
MOST_OPTIONS = 255  # IP_TUNNEL_OPTS_MAX
# Flags of a tunnel (TUNNEL_* of linux/if_tunnel.h), and those that say whose options there are
_CSUM, _KEY, _SEQ, _DONT_FRAGMENT, _NOCACHE, _ANY_OPTIONS = 0x01, 0x04, 0x08, 0x0100, 0x2000, 0xD800
_ADDRESS = struct.Struct("<4s12x")


@dataclass(frozen=True, slots=True)
class Tunnel:
    """What a program set. remote, local: 4 or 16 bytes, in the program's order. flags: TUNNEL_*. options: or None."""

    id: int
    remote: bytes
    local: bytes
    tos: int
    ttl: int
    label: int
    flags: int
    options: bytes | None = None

    @property
    def is_ipv6(self) -> bool:
        return len(self.remote) == 16


def skb_set_tunnel_key(caller: Caller, context: Context, key: bytes, size: int, flags: int) -> int:
    """0; -EINVAL for unknown flags, a size that no layout has, a label without IPv6, flags in the key."""
    if flags & ~(IPV6 | ZERO_CSUM | DONT_FRAGMENT | SEQUENCE | NO_KEY) or size not in (WHOLE, *OLD_SIZES):
        return -errno.EINVAL
    number, remote, tos, ttl, extra, label, local = struct.unpack("<I16sBBHI16s", key.ljust(WHOLE, b"\0"))
    if extra or (label and not flags & IPV6):
        return -errno.EINVAL
    told = _NOCACHE | (_CSUM * (not flags & ZERO_CSUM)) | (_KEY * (not flags & NO_KEY))
    told |= _DONT_FRAGMENT * bool(flags & DONT_FRAGMENT) | _SEQ * bool(flags & SEQUENCE)
    width = 16 if flags & IPV6 else 4
    context.skb.tunnel = Tunnel(number, remote[:width], local[:width], tos, ttl, label & LABEL, told)
    return 0


def skb_get_tunnel_key(caller: Caller, context: Context, to: Pointer, size: int, flags: int) -> int:
    """0; -EINVAL without a tunnel, for unknown flags and sizes, -EPROTO for the other protocol: zeros then."""
    found = _key(context.skb.tunnel, size, flags)
    data = bytes(size) if isinstance(found, int) else found[:size]
    caller.write(to, data, f"argument 2 of {BY_NAME['skb_get_tunnel_key'].called}")
    return found if isinstance(found, int) else 0


def _key(tunnel: Tunnel | None, size: int, flags: int) -> bytes | int:
    if tunnel is None or flags & ~(IPV6 | WITH_FLAGS):
        return -errno.EINVAL
    if tunnel.is_ipv6 != bool(flags & IPV6):
        return -errno.EPROTO
    if size not in (WHOLE, *OLD_SIZES) or (size == OLDEST and tunnel.is_ipv6):
        return -errno.EINVAL
    remote, local = tunnel.local.ljust(16, b"\0"), tunnel.remote.ljust(16, b"\0")
    told = struct.pack(">H", tunnel.flags) if flags & WITH_FLAGS else bytes(2)
    head = struct.pack("<I16sBB2s", tunnel.id, remote, tunnel.tos, tunnel.ttl, told)
    return head + struct.pack("<I16s", tunnel.label, local)


def skb_set_tunnel_opt(caller: Caller, context: Context, options: bytes, size: int) -> int:
    """0; -EINVAL where no key was set and for a size that is no multiple of 4, -ENOMEM past 255 bytes."""
    tunnel = context.skb.tunnel
    if tunnel is None or size % 4:
        return -errno.EINVAL
    if size > MOST_OPTIONS:
        return -errno.ENOMEM
    context.skb.tunnel = replace(tunnel, options=options, flags=tunnel.flags | _ANY_OPTIONS)
    return 0


def skb_get_tunnel_opt(caller: Caller, context: Context, to: Pointer, size: int) -> int:
    """How many bytes; -ENOENT where there are none, -ENOMEM where there is no room, and zeros then."""
    tunnel = context.skb.tunnel
    options = tunnel.options if tunnel is not None else None
    has_room = options is not None and len(options) <= size
    data = (options or b"") if has_room else b""
    caller.write(to, data.ljust(size, b"\0"), f"argument 2 of {BY_NAME['skb_get_tunnel_opt'].called}")
    return -errno.ENOENT if options is None else len(options) if has_room else -errno.ENOMEM


HELPERS: Mapping[str, Function] = {
    "skb_set_tunnel_key": skb_set_tunnel_key,
    "skb_get_tunnel_key": skb_get_tunnel_key,
    "skb_set_tunnel_opt": skb_set_tunnel_opt,
    "skb_get_tunnel_opt": skb_get_tunnel_opt,
}
