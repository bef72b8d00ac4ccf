"""Helpers on storage that belongs to objects: sockets, inodes, tasks, cgroups.

An object is memory that another helper, or the context, gave the program; its address tells which one it is.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.operations import refusal
from bpfvm.emulator.maps.stacks import CgroupArray
from bpfvm.emulator.maps.storage import CgroupStorage, ObjectStorage

CREATE = 1  # BPF_LOCAL_STORAGE_GET_F_CREATE


def _storage(store: MapStore, helper: str) -> ObjectStorage:
    why = refusal(store.spec.type, helper)
    if not isinstance(store, ObjectStorage) or why:
        raise Stop("helper", f"map {store.spec.name}: {why}")
    return store


def _owner(caller: Caller, owner: Operand | Context, helper: str) -> int:
    """The address of an object, 0 for null."""
    if isinstance(owner, Context):
        raise Stop("helper", f"bpf_{helper} takes the context's socket, and the machine has none")
    if owner == 0:
        return 0
    if isinstance(owner, int) and caller.system.walks and caller.system.arena.find(owner) is None:
        return owner  # an object of the kernel's, whose memory the input may give
    pointer = caller.pointer(owner, f"argument 2 of bpf_{helper}")
    return pointer.region.base + pointer.offset


def _getter(helper: str) -> Function:
    def get(caller: Caller, store: MapStore, owner: Operand, value: bytes | None, flags: int) -> Operand:
        """The object's value, made where flags ask for it; 0 without one, for null and for unknown flags."""
        storage = _storage(store, helper)
        address = _owner(caller, owner, helper)
        if not address or flags & ~CREATE:
            return 0
        found = storage.value_of(address) or (storage.add(address, value) if flags else 0)
        return storage.element(found) if found else 0

    return get


def _deleter(helper: str) -> Function:
    def delete(caller: Caller, store: MapStore, owner: Operand) -> int:
        """0, -ENOENT for an object without a value, -EINVAL for null."""
        storage = _storage(store, helper)
        address = _owner(caller, owner, helper)
        return storage.remove(address) if address else -errno.EINVAL

    return delete


def get_local_storage(caller: Caller, store: MapStore, flags: int) -> Operand:
    """The storage of the cgroup that the program runs for; never null."""
    if not isinstance(store, CgroupStorage):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, 'get_local_storage')}")
    if flags:
        raise Stop("helper", f"argument 2 of bpf_get_local_storage#81 is {flags}, and must be 0")
    return store.element(store.local())


def skb_under_cgroup(caller: Caller, context: Context, store: MapStore, index: int) -> int:
    """-E2BIG past the end, -EAGAIN where no cgroup stands, which is everywhere."""
    return _under(store, index, "skb_under_cgroup")


def current_task_under_cgroup(caller: Caller, store: MapStore, index: int) -> int:
    """-E2BIG past the end, -EAGAIN where no cgroup stands, which is everywhere."""
    return _under(store, index, "current_task_under_cgroup")


def _under(store: MapStore, index: int, helper: str) -> int:
    if not isinstance(store, CgroupArray):
        raise Stop("helper", f"map {store.spec.name}: {refusal(store.spec.type, helper)}")
    return -errno.E2BIG if index & 0xFFFF_FFFF >= store.spec.max_entries else -errno.EAGAIN


_KINDS: Mapping[str, Callable[[str], Function]] = {"get": _getter, "delete": _deleter}

HELPERS: Mapping[str, Function] = {
    **{
        f"{one}_storage_{verb}": make(f"{one}_storage_{verb}")
        for one in ("sk", "inode", "task", "cgrp")
        for verb, make in _KINDS.items()
    },
    "get_local_storage": get_local_storage,
    "skb_under_cgroup": skb_under_cgroup,
    "current_task_under_cgroup": current_task_under_cgroup,
}
