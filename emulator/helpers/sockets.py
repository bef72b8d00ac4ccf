"""Helpers that store the socket of a context in a map, and that give a looked-up one back. Errno and their order are
the kernel's, measured on 6.18."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.sockets import SockHash, SockMap
from bpfvm.tables.helpers import BY_NAME

# Events at which a socket is connected or listens: BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB, ..._PASSIVE_ESTABLISHED_CB,
# BPF_SOCK_OPS_TCP_LISTEN_CB; others are -EOPNOTSUPP
STORED_AT = (4, 5, 11)


def sock_map_update(caller: Caller, context: Context, store: MapStore, key: bytes, flags: int) -> int:
    """0, or a negative errno."""
    if not isinstance(store, SockMap):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'sock_map_update')}")
    return _stored(context, store, key, flags)


def sock_hash_update(caller: Caller, context: Context, store: MapStore, key: bytes, flags: int) -> int:
    """0, or a negative errno."""
    if not isinstance(store, SockHash):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'sock_hash_update')}")
    return _stored(context, store, key, flags)


def _stored(context: Context, store: SockMap | SockHash, key: bytes, flags: int) -> int:
    return store.keep(key, context.socket, flags) if context["op"] in STORED_AT else -errno.EOPNOTSUPP


def sk_release(caller: Caller, socket: Operand) -> int:
    """0. Stop for what the program did not get of a look-up, in a map or by a function that a user gave."""
    if not caller.system.disown(socket if isinstance(socket, int) else socket.address):
        raise Stop("helper", f"argument 1 of {BY_NAME['sk_release'].called} is no socket that the program looked up")
    return 0


HELPERS: Mapping[str, Function] = {
    "sock_map_update": sock_map_update,
    "sock_hash_update": sock_hash_update,
    "sk_release": sk_release,
}
