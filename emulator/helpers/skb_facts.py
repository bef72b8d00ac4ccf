"""Helpers that ask what is known of an skb beside its bytes: socket, cgroup, route, flow, time.

A packet offline has the socket that BPF_PROG_TEST_RUN gives it: of user 0, in the root cgroup, with no route. What
depends on more than that is not emulated, and says so. Sockets that are looked up are bytes that users' functions give.
"""

from __future__ import annotations

import errno
import zlib
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.contexts.frame import Frame
from bpfvm.emulator.helpers.skb import frame_of
from bpfvm.emulator.helpers.skb_room import HEADERS, NET_IP, NET_IPV6, NET_TAGS
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.ctx.ethernet import ETH, VLAN

ROOT_CGROUP = 1
NETNS_COOKIE = 1  # of the one network namespace
REALTIME, MONOTONIC, TAI = range(3)  # enum of skb_set_tstamp
DEEPEST = 8  # tags, VLAN_MAX_DEPTH
CE = 3  # both bits of ECN: congestion experienced (RFC 3168)
_KINDS = ("tcp", "tcp6", "tcp_timewait", "tcp_request", "udp6", "unix", "mptcp")
WITH_PORTS = (6, 17, 132)  # TCP, UDP, SCTP


def none(caller: Caller, context: Context) -> int:
    """0: the packet has none of it."""
    return 0


def skb_cgroup_id(caller: Caller, context: Context) -> int:
    """The root cgroup."""
    return ROOT_CGROUP


def skb_ancestor_cgroup_id(caller: Caller, context: Context, level: int) -> int:
    """The root cgroup is its own ancestor at level 0, and has no other."""
    return 0 if level & M32 else ROOT_CGROUP


def get_socket_cookie(caller: Caller, context: Context) -> int:
    """A number that is the socket's own."""
    return context.socket


def get_netns_cookie(caller: Caller, context: Context | None) -> int:
    """A number that is the network namespace's own."""
    return NETNS_COOKIE


def skb_get_xfrm_state(caller: Caller, context: Context, index: int, to: Pointer, size: int, flags: int) -> int:
    """-EINVAL, and zeros: the packet came through no IPsec."""
    caller.write(to, bytes(size), "argument 3 of bpf_skb_get_xfrm_state")
    return -errno.EINVAL


def skb_set_tstamp(caller: Caller, context: Context, time: int, kind: int) -> int:
    """0; -EOPNOTSUPP for packets that are not IP, -EINVAL for an unknown clock or no time on one that needs it."""
    if context["protocol"] not in HEADERS:
        return -errno.EOPNOTSUPP
    kind &= M32
    if kind > TAI or (kind != REALTIME and not time):
        return -errno.EINVAL
    context["tstamp"], context["tstamp_type"] = time, kind
    return 0


def skb_ecn_set_ce(caller: Caller, context: Context) -> int:
    """1 where the packet says that it met congestion, which it is made to where its sender understands it; else 0."""
    frame, at, kind = frame_of(context), context.skb.network, _inner_protocol(context)
    size = HEADERS.get(kind)
    if size is None or frame.size < at + size:
        return 0
    return _mark_ipv6(frame, at) if kind == NET_IPV6 else _mark_ip(frame, at)


def _inner_protocol(context: Context) -> int:
    """The protocol behind VLAN tags that stand in the packet; 0 where they do not end."""
    frame, kind = frame_of(context), context["protocol"]
    at = context.skb.mac_size - VLAN if context.skb.mac_size else ETH
    for _ in range(DEEPEST):
        if kind not in NET_TAGS:
            return kind
        if frame.size < at + VLAN:
            return 0
        kind, at = int.from_bytes(frame.read(at + 2, 2), "little"), at + VLAN
    return 0


def _mark_ip(frame: Frame, at: int) -> int:
    (tos,) = frame.read(at + 1, 1)
    if tos & CE in (0, CE):
        return int(tos & CE == CE)
    total = int.from_bytes(frame.read(at + 10, 2), "big") + 0xFFFB + (tos + 1 & CE)
    frame.write(at + 10, ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big"))
    frame.write(at + 1, bytes([tos | CE]))
    return 1


def _mark_ipv6(frame: Frame, at: int) -> int:
    (second,) = frame.read(at + 1, 1)
    if not second >> 4 & CE:
        return 0
    frame.write(at + 1, bytes([second | CE << 4]))
    return 1


def get_hash_recalc(caller: Caller, context: Context) -> int:
    """The flow's hash, the same both ways. The kernel's is keyed by a secret of each boot; this one is CRC-32."""
    if not context.skb.hashed:
        context["hash"], context.skb.hashed = _flow_hash(frame_of(context), context), True
    return context["hash"]


def _flow_hash(frame: Frame, context: Context) -> int:
    at, data = context.skb.network, frame.read(0, frame.size)
    if context["protocol"] == NET_IP and len(data) >= at + 20:
        first, second, kind = data[at + 12 : at + 16], data[at + 16 : at + 20], data[at + 9]
        behind = at + 4 * (data[at] & 15)
    elif context["protocol"] == NET_IPV6 and len(data) >= at + 40:
        first, second, kind, behind = data[at + 8 : at + 24], data[at + 24 : at + 40], data[at + 6], at + 40
    else:
        return zlib.crc32(data[max(at - 14, 0) : at]) or 1
    if kind in WITH_PORTS:
        first, second = first + data[behind : behind + 2], second + data[behind + 2 : behind + 4]
    return zlib.crc32(min(first, second) + max(first, second) + bytes([kind])) or 1


def sk_fullsock(caller: Caller, socket: Operand) -> Operand:
    """The socket itself."""
    return socket


def not_a_tcp_socket(caller: Caller, socket: Operand) -> int:
    """Null: the packet's socket is none of TCP."""
    return 0


def not_such_a_socket(caller: Caller, socket: Operand) -> int:
    """Null: the packet's socket is of no protocol, and one that users gave is bytes."""
    return 0


HELPERS: Mapping[str, Function] = {
    "get_cgroup_classid": none,
    "skb_cgroup_classid": none,
    "get_route_realm": none,
    "get_socket_uid": none,
    "skb_cgroup_id": skb_cgroup_id,
    "skb_ancestor_cgroup_id": skb_ancestor_cgroup_id,
    "get_socket_cookie": get_socket_cookie,
    "get_netns_cookie": get_netns_cookie,
    "skb_get_xfrm_state": skb_get_xfrm_state,
    "skb_set_tstamp": skb_set_tstamp,
    "skb_ecn_set_ce": skb_ecn_set_ce,
    "get_hash_recalc": get_hash_recalc,
    "sk_fullsock": sk_fullsock,
    "tcp_sock": not_a_tcp_socket,
    "get_listener_sock": not_a_tcp_socket,
    **{f"skc_to_{kind}_sock": not_such_a_socket for kind in _KINDS},
}
