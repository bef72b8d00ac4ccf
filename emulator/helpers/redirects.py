"""Helpers that say where a packet goes. Nothing goes anywhere: the target is kept in words in `System.redirect`.

Errno and results are the kernel's (measured on 6.18 with BPF_PROG_TEST_RUN). Whether a device exists is not asked. The
target counts when the program then returns what means it (`emulator.destination`).
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.core.bits import M32
from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.destination import SK_PASS, TC_REDIRECT, XDP_REDIRECT
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.sockets import ReuseportSockArray, SockHash, SockMap
from bpfvm.emulator.maps.targets import DevMapHash, Targets
from bpfvm.emulator.memory import Pointer

XDP_ABORTED, TC_SHOT, SK_DROP = 0, 2, 0
INGRESS = 1  # BPF_F_INGRESS
ACTIONS = 3  # flags of redirect_map: what is returned where no target stands
BROADCAST, EXCLUDE_INGRESS = 8, 16
NEIGHBOUR = 20  # bytes of struct bpf_redir_neigh


def redirect(caller: Caller, ifindex: int, flags: int) -> int:
    """XDP_REDIRECT or TC_ACT_REDIRECT, XDP_ABORTED or TC_ACT_SHOT for unknown flags."""
    if _type(caller) == "xdp":
        if flags:
            return XDP_ABORTED
        caller.system.redirect = f"ifindex {ifindex & M32}"
        return XDP_REDIRECT
    if flags & ~INGRESS:
        return TC_SHOT
    caller.system.redirect = f"ifindex {ifindex & M32}" + (" ingress" if flags & INGRESS else "")
    return TC_REDIRECT


def clone_redirect(caller: Caller, context: Context, ifindex: int, flags: int) -> int:
    """0, or -EINVAL for unknown flags. Pointers into the packet are not good any more."""
    if flags & ~INGRESS:
        return -errno.EINVAL
    frame = context.frame
    assert frame is not None, "a program that may call it has a packet"
    frame.move(frame.start, frame.meta, frame.linear, frame.end, "bpf_clone_redirect")
    caller.system.clones.append(f"ifindex {ifindex & M32}" + (" ingress" if flags & INGRESS else ""))
    return 0


def redirect_neigh(caller: Caller, ifindex: int, params: bytes | None, size: int, flags: int) -> int:
    """TC_ACT_REDIRECT, or TC_ACT_SHOT for flags and parameters that are too short."""
    if flags or (0 < size < NEIGHBOUR):
        return TC_SHOT
    caller.system.redirect = f"neighbour on ifindex {ifindex & M32}"
    return TC_REDIRECT


def redirect_peer(caller: Caller, ifindex: int, flags: int) -> int:
    """TC_ACT_REDIRECT, or TC_ACT_SHOT for flags."""
    if flags:
        return TC_SHOT
    caller.system.redirect = f"peer of ifindex {ifindex & M32}"
    return TC_REDIRECT


def redirect_map(caller: Caller, store: MapStore, key: int, flags: int) -> int:
    """XDP_REDIRECT; where no target stands the action in the flags' low bits, for unknown flags XDP_ABORTED."""
    if not isinstance(store, Targets | DevMapHash):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'redirect_map')}")
    devices = store.spec.type in ("devmap", "devmap_hash")
    if flags & ~(ACTIONS | (BROADCAST | EXCLUDE_INGRESS if devices else 0)):
        return XDP_ABORTED
    name = f"{store.spec.type} {store.spec.name}"
    if flags & BROADCAST:
        caller.system.redirect = f"{name}[*]" + (" but the ingress" if flags & EXCLUDE_INGRESS else "")
    elif store.target(key & M32):
        caller.system.redirect = f"{name}[{key & M32}]"
    else:
        caller.system.redirect = None
        return flags & ACTIONS
    return XDP_REDIRECT


def sk_redirect_map(caller: Caller, context: Context, store: MapStore, key: int, flags: int) -> int:
    """SK_PASS, or SK_DROP for unknown flags and where no socket stands."""
    return _to_socket(caller, store, (key & M32).to_bytes(4, "little"), f"{key & M32}", flags, "sk_redirect_map")


def msg_redirect_map(caller: Caller, context: Context, store: MapStore, key: int, flags: int) -> int:
    """SK_PASS, or SK_DROP for unknown flags and where no socket stands."""
    return _to_socket(caller, store, (key & M32).to_bytes(4, "little"), f"{key & M32}", flags, "msg_redirect_map")


def sk_redirect_hash(caller: Caller, context: Context, store: MapStore, key: bytes, flags: int) -> int:
    """SK_PASS, or SK_DROP for unknown flags and where no socket stands."""
    return _to_socket(caller, store, key, key.hex(), flags, "sk_redirect_hash")


def msg_redirect_hash(caller: Caller, context: Context, store: MapStore, key: bytes, flags: int) -> int:
    """SK_PASS, or SK_DROP for unknown flags and where no socket stands."""
    return _to_socket(caller, store, key, key.hex(), flags, "msg_redirect_hash")


def _to_socket(caller: Caller, store: MapStore, key: bytes, place: str, flags: int, helper: str) -> int:
    if not isinstance(store, SockHash if helper.endswith("hash") else SockMap):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, helper)}")
    assert isinstance(store, SockHash | SockMap), "one of them"
    if flags & ~INGRESS or not store.socket(key):
        return SK_DROP
    side = " ingress" if flags & INGRESS else ""
    caller.system.redirect = f"{store.spec.type} {store.spec.name}[{place}]{side}"
    return SK_PASS


def sk_select_reuseport(caller: Caller, context: Context, store: MapStore, key: bytes, flags: int) -> int:
    """0, -EINVAL for any flag, -ENOENT where no socket stands."""
    if not isinstance(store, SockHash | SockMap | ReuseportSockArray):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'sk_select_reuseport')}")
    if flags:
        return -errno.EINVAL
    if not store.socket(key):
        return -errno.ENOENT
    place = key.hex() if isinstance(store, SockHash) else str(int.from_bytes(key, "little"))
    caller.system.redirect = f"{store.spec.type} {store.spec.name}[{place}]"
    return 0


def sk_assign(caller: Caller, context: Context, sock: Operand, flags: int) -> int:
    """0 or -EINVAL for unknown flags. A null socket takes the choice back."""
    if flags & ~(3 if _type(caller) == "sk_lookup" else 0):
        return -errno.EINVAL
    if isinstance(sock, int) and sock:
        sock = caller.pointer(sock, "argument 2 of bpf_sk_assign#124")
    name = sock.region.name if isinstance(sock, Pointer) else ""
    caller.system.redirect = (name if name.startswith("socket") else f"socket {name}") if name else None
    return 0


def _type(caller: Caller) -> str:
    assert caller.code is not None, "a program runs"
    return caller.code.program.type


HELPERS: Mapping[str, Function] = {
    "clone_redirect": clone_redirect,
    "redirect": redirect,
    "redirect_map": redirect_map,
    "redirect_neigh": redirect_neigh,
    "redirect_peer": redirect_peer,
    "sk_redirect_map": sk_redirect_map,
    "sk_redirect_hash": sk_redirect_hash,
    "msg_redirect_map": msg_redirect_map,
    "msg_redirect_hash": msg_redirect_hash,
    "sk_select_reuseport": sk_select_reuseport,
    "sk_assign": sk_assign,
}
