"""Helpers that make and take away room between an skb's headers: VLAN tags, other IP versions, encapsulation.

What they do to the packet's headers and fields was compared with BPF_PROG_TEST_RUN on 6.18, flag by flag.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32, signed
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.context import NOT_SUMMED
from bpfvm.emulator.helpers.checksums import ENOTSUPP, folded, partial
from bpfvm.emulator.helpers.skb import LARGEST, forget_hash, frame_of
from bpfvm.tables.ctx.ethernet import ETH, IP, IPV6, TAGS, VLAN, protocol, swapped

NET_IP, NET_IPV6 = swapped(IP), swapped(IPV6)
NET_TAGS = tuple(swapped(one) for one in TAGS)
HEADERS = {NET_IP: 20, NET_IPV6: 40}  # bytes of a header without options

# Flags of skb_adjust_room (include/uapi/linux/bpf.h)
FIXED_GSO, L3_IPV4, L3_IPV6, L4_GRE, L4_UDP, NO_CSUM_RESET, L2_ETH, OUT_IPV4, OUT_IPV6 = (1 << bit for bit in range(9))
L3, OUT = L3_IPV4 | L3_IPV6, OUT_IPV4 | OUT_IPV6
L2_SHIFT = 56  # the length of the inner MAC header
ROOM_FLAGS = FIXED_GSO | L3 | L4_GRE | L4_UDP | NO_CSUM_RESET | L2_ETH | OUT | 0xFF << L2_SHIFT
SHRINK_FLAGS = FIXED_GSO | OUT | NO_CSUM_RESET
MODE_NET, MODE_MAC = 0, 1
ENCAP_SEG6, ENCAP_IP = (0, 1), 2  # enum bpf_lwt_encap_mode
MOST_AROUND = 256  # bytes of a header around a packet of a route (measured on 6.18)
MOST_ROOM = 0xFFF


def skb_vlan_push(caller: Caller, context: Context, kind: int, tag: int) -> int:
    """A tag into the skb's own field; the one that was there goes into the packet."""
    frame, skb, kind = frame_of(context), context.skb, kind & 0xFFFF
    if kind not in NET_TAGS:
        kind = NET_TAGS[0]
    if context["vlan_present"]:
        own = context["vlan_proto"].to_bytes(2, "little") + context["vlan_tci"].to_bytes(2, "big")
        addresses = frame.read(0, ETH - 2)
        frame.resize(VLAN, 0, "bpf_skb_vlan_push")
        frame.write(0, addresses + own)
        context["protocol"] = context["vlan_proto"]
        skb.mac_size += VLAN
    context["vlan_present"], context["vlan_proto"], context["vlan_tci"] = 1, kind, tag & 0xFFFF
    context.refresh()
    return 0


def skb_vlan_pop(caller: Caller, context: Context) -> int:
    """The outermost tag away; the next one comes out of the packet into the skb's field."""
    if context["vlan_present"]:
        context["vlan_present"] = context["vlan_proto"] = context["vlan_tci"] = 0
    elif context["protocol"] not in NET_TAGS:
        return 0
    else:
        wrong, _ = _pop_tag(context)
        if wrong:
            return wrong
    kind = context["protocol"]
    if kind not in NET_TAGS:
        return 0
    wrong, tag = _pop_tag(context)
    if not wrong:
        context["vlan_present"], context["vlan_proto"], context["vlan_tci"] = 1, kind, tag
    return wrong


def _pop_tag(context: Context) -> tuple[int, int]:
    """Take the tag out of the packet: 0 or a negative errno, and its value."""
    frame, skb = frame_of(context), context.skb
    if frame.size < ETH + VLAN:
        return -errno.ENOMEM, 0
    tag = int.from_bytes(frame.read(ETH, 2), "big")
    frame.cut(ETH - 2, VLAN, "bpf_skb_vlan_pop")
    context["protocol"] = protocol(frame.read(0, min(frame.size, ETH + 2)))
    skb.network = max(skb.network - VLAN, ETH)
    skb.mac_size = skb.network - skb.mac
    context.refresh()
    return 0, tag


def skb_change_proto(caller: Caller, context: Context, kind: int, flags: int) -> int:
    """Room for the header of the other IP version. 0, -EINVAL for flags, -ENOTSUPP for any other change."""
    if flags:
        return -errno.EINVAL
    kind, at = kind & 0xFFFF, context.skb.network - context.skb.mac
    more = HEADERS[NET_IPV6] - HEADERS[NET_IP]
    match context["protocol"], kind:
        case (0x0008, 0xDD86):
            frame_of(context).open(at, more, "bpf_skb_change_proto")
        case (0xDD86, 0x0008):
            if frame_of(context).size < at + more:
                return -errno.ENOMEM
            frame_of(context).cut(at, more, "bpf_skb_change_proto")
        case _:
            return -ENOTSUPP
    context["protocol"] = kind
    forget_hash(context)
    context.refresh()
    return 0


def skb_adjust_room(caller: Caller, context: Context, difference: int, mode: int, flags: int) -> int:
    """Room behind the MAC header, or behind the network header, or less of it. 0 or a negative errno."""
    by = signed(difference & M32, 32)
    if context.access is not None and context.access.program_type == "sk_skb":
        return _room_of_stream(context, by, mode & M32, flags)
    if flags & ~ROOM_FLAGS:
        return -errno.EINVAL
    if abs(by) > MOST_ROOM:
        return -errno.EFAULT
    least = HEADERS.get(context["protocol"])
    if least is None:
        return -ENOTSUPP
    frame, skb, mode = frame_of(context), context.skb, mode & M32
    at = skb.network - skb.mac + (least if mode == MODE_NET else 0)
    if mode not in (MODE_NET, MODE_MAC):
        return -ENOTSUPP
    if flags & OUT:
        if by >= 0 or flags & OUT == OUT:
            return -errno.EINVAL
        least = HEADERS[NET_IP if flags & OUT_IPV4 else NET_IPV6]
    behind = frame.size - skb.network
    if by < 0 and (-by >= behind or behind + by < least):
        return -ENOTSUPP
    if by >= 0 and frame.size + by > LARGEST and not context["gso_size"]:
        return -ENOTSUPP
    wrong = _shrink(context, at, -by, flags) if by < 0 else _grow(context, at, by, flags)
    if not wrong and not flags & NO_CSUM_RESET:
        skb.summed = NOT_SUMMED
    context.refresh()
    return wrong


def _room_of_stream(context: Context, by: int, mode: int, flags: int) -> int:
    """The same helper in sk_skb programs: room before everything."""
    if flags or mode:
        return -errno.EINVAL
    if abs(by) > MOST_ROOM:
        return -errno.EFAULT
    if -by > frame_of(context).size:
        return -errno.ENOMEM
    frame_of(context).resize(by, 0, "bpf_skb_adjust_room")
    context.refresh()
    return 0


def _shrink(context: Context, at: int, size: int, flags: int) -> int:
    if flags & ~SHRINK_FLAGS:
        return -errno.EINVAL
    if context["gso_size"]:
        return -ENOTSUPP  # segments that are not of TCP
    frame = frame_of(context)
    if frame.size < at + size:
        return -errno.ENOMEM
    frame.cut(at, size, "bpf_skb_adjust_room")
    if context["protocol"] == NET_IP and flags & OUT_IPV6:
        context["protocol"] = NET_IPV6
    elif context["protocol"] == NET_IPV6 and flags & OUT_IPV4:
        context["protocol"] = NET_IP
    return 0


def _grow(context: Context, at: int, size: int, flags: int) -> int:
    if context["gso_size"]:
        return -ENOTSUPP  # segments that are not of TCP
    skb, inner = context.skb, flags >> L2_SHIFT
    if flags & L3:
        is_twice = flags & L3 == L3 or flags & (L4_GRE | L4_UDP) == L4_GRE | L4_UDP
        if is_twice or (flags & L2_ETH and inner < ETH):
            return -errno.EINVAL
        if skb.encapsulated:
            return -errno.EALREADY
        if inner > size:
            return -errno.EINVAL
    frame_of(context).open(at, size, "bpf_skb_adjust_room")
    if flags & L3:
        skb.encapsulated = True
        context["protocol"] = NET_IPV6 if flags & L3_IPV6 else NET_IP
    return 0


def lwt_push_encap(caller: Caller, context: Context, kind: int, header: bytes, size: int) -> int:
    """A whole IP header before the packet, IPv4's checksum filled in where it is 0. 0, or -EINVAL for another header.

    Stop for segment routing, which asks a host's routes.
    """
    kind &= M32
    if kind != ENCAP_IP:
        if kind in ENCAP_SEG6 and context.access is not None and context.access.program_type == "lwt_in":
            raise Stop(
                "helper", f"bpf_lwt_push_encap of type {kind} (segment routing) asks a host's routes: none are here"
            )
        return -errno.EINVAL
    version, words = header[0] >> 4, header[0] & 15
    least = {4: max(HEADERS[NET_IP], 4 * words), 6: HEADERS[NET_IPV6]}.get(version)
    if least is None or not least <= size <= MOST_AROUND:
        return -errno.EINVAL
    frame, skb = frame_of(context), context.skb
    if version == 4 and header[10:12] == bytes(2):
        is_whole = words >= 5  # else x86's ip_fast_csum gives the first two bytes (measured)
        summed = folded(partial(header[: 4 * words], 0)).to_bytes(2, "little") if is_whole else header[:2]
        header = header[:10] + summed + header[12:]
    frame.resize(size, 0, "bpf_lwt_push_encap")
    frame.write(0, header)
    skb.network, skb.encapsulated = 0, True
    context["protocol"] = NET_IP if version == 4 else NET_IPV6
    forget_hash(context)
    context.refresh()
    return 0


HELPERS: Mapping[str, Function] = {
    "skb_vlan_push": skb_vlan_push,
    "skb_vlan_pop": skb_vlan_pop,
    "skb_change_proto": skb_change_proto,
    "skb_adjust_room": skb_adjust_room,
    "lwt_push_encap": lwt_push_encap,
}
