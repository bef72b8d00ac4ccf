"""Storage of the kernel's objects: one value for each task, inode, cgroup or socket, which goes when the object does.

A key is the object itself: `seen[current()]`, `marks[skb.sk]`. What stands under it is made by a store, as in a hash.
"""

from __future__ import annotations

from typing import Any, ClassVar

from bpfvm.core.articles import an
from bpfvm.core.errors import UsageError
from bpfvm.lang.active import Machine
from bpfvm.lang.contexts.sockets import bpf_sock, sock_common
from bpfvm.lang.maps.keyed import Hashed
from bpfvm.lang.types.kernel import KernelStruct
from bpfvm.lang.types.layout import View
from bpfvm.lang.types.pointers import Pointer
from bpfvm.lang.types.scalars import Storage, s32
from bpfvm.tables.maps import FLAGS

CREATE = 1  # BPF_LOCAL_STORAGE_GET_F_CREATE
_WORD = 8


class ObjectStorage(Hashed):
    """A map by object. default: of numbers, what an object without a value counts as.

    helpers: the word in the names of its helpers. owner: the kernel's struct of its objects.
    """

    flags = FLAGS["no_prealloc"]
    helpers: ClassVar[str]
    owner: ClassVar[str]
    example: ClassVar[str]

    def __init__(self, value: Any, name: str | None = None, *, default: int | None = None) -> None:
        super().__init__(s32, value, 1, name)
        self.max_entries, self.default = 0, default  # one for each object that gets a value
        if default is not None and not (isinstance(self.value, Storage) and isinstance(default, int)):
            raise UsageError(f"{type(self).__name__}: a default is a number, of a map of numbers")

    def no_room(self, name: str) -> str:
        return f"{name} has no value for this object, and there is no room for one"

    def is_owner(self, kind: Any) -> bool:
        """Whether pointers to a type of the kernel's are keys."""
        return isinstance(kind, KernelStruct) and kind.__name__ == self.owner and not kind.__is_union__

    def _key(self, key: Any) -> bytes:
        """The object's address."""
        if isinstance(key, Pointer) and type(key).__space__ == "kernel" and self.is_owner(type(key).__target__):
            return key._address.to_bytes(_WORD, "little")
        raise TypeError(f"a key of {self.called} is {self.example}, not {an(type(key).__name__)}")

    def _get(self, on: Machine, key: bytes, value: int, flags: int) -> int:
        return on.helper(f"{self.helpers}_get", self._handle(on), int.from_bytes(key, "little"), value, flags)

    def _lookup(self, on: Machine, key: bytes) -> int:
        return self._get(on, key, 0, 0)

    def _stored(self, on: Machine, key: bytes, value: bytes, flags: int) -> bool:
        address = self._get(on, key, on.place(value) if flags else 0, CREATE)
        if address and not flags:
            on.store(address, value)
        return bool(address)

    def _remove(self, on: Machine, key: bytes) -> bool:
        return bool(on.helper(f"{self.helpers}_delete", self._handle(on), int.from_bytes(key, "little")))


class TaskStorage(ObjectStorage):
    """BPF_MAP_TYPE_TASK_STORAGE: a value of each task, `seen[current()]`."""

    type = "task_storage"
    helpers, owner = "task_storage", "task_struct"
    usage = example = "current() or another task_struct of the kernel's"


class InodeStorage(ObjectStorage):
    """BPF_MAP_TYPE_INODE_STORAGE: a value of each inode, `marks[file.f_inode]`."""

    type = "inode_storage"
    helpers, owner = "inode_storage", "inode"
    usage = example = "an inode of the kernel's, such as file.f_inode of an LSM program"


class CgroupStorage(ObjectStorage):
    """BPF_MAP_TYPE_CGRP_STORAGE: a value of each cgroup, `sums[task.cgroups.dfl_cgrp]`."""

    type = "cgrp_storage"
    helpers, owner = "cgrp_storage", "cgroup"
    usage = example = "a cgroup of the kernel's, such as current().cgroups.dfl_cgrp"


class SkStorage(ObjectStorage):
    """BPF_MAP_TYPE_SK_STORAGE: a value of each full socket, `marks[skb.sk]`."""

    type = "sk_storage"
    helpers, owner = "sk_storage", "sock"
    usage = example = "a socket, such as skb.sk, or a sock of the kernel's"

    def _key(self, key: Any) -> bytes:
        if isinstance(key, View) and isinstance(key, bpf_sock | sock_common):
            return key._bpf[1].to_bytes(_WORD, "little")
        return super()._key(key)
