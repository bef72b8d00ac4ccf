"""Objects that helpers take and give: which structure, as their prototypes and what is known besides say."""

from __future__ import annotations

import re
from collections.abc import Mapping

from bpfvm.obj.btf.types import Struct
from bpfvm.tables.helpers import Arg, Helper
from bpfvm.verifier.domain.regs import Reg
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.structures.types import TypeRef, begins_with

_POINTED = re.compile(r"(?:const )?(?:struct )?(\w+) ?\*")
# What prototypes call void, or by another name
_STRUCTURES: Mapping[str, str] = {
    "tcp_send_ack": "tcp_sock", "inode_storage_get": "inode", "inode_storage_delete": "inode",
    "sk_storage_get": "sock_common", "sk_storage_delete": "sock_common", "skb_output": "sk_buff",
    "xdp_output": "xdp_buff", "xdp_get_buff_len": "xdp_buff", "get_socket_cookie": "sock_common",
    "sock_from_file": "file", "skc_to_tcp6_sock": "sock_common", "skc_to_tcp_sock": "sock_common",
    "skc_to_tcp_timewait_sock": "sock_common", "skc_to_tcp_request_sock": "sock_common",
    "skc_to_udp6_sock": "sock_common", "skc_to_unix_sock": "sock_common", "skc_to_mptcp_sock": "sock_common",
    "setsockopt": "sock_common", "getsockopt": "sock_common", "sk_release": "sock_common",
}  # fmt: skip

_RESULTS: Mapping[str, str] = {"task_pt_regs": "pt_regs"}


def check_object(walk: Walk, row: Helper, at: int, kind: Arg, reg: Reg) -> None:
    """An object as an argument: its structure is the one that is wanted, or begins with it."""
    if kind in (Arg.LOCK, Arg.KPTR):
        return
    wanted, found = wanted_by(walk, row, at), reg.type
    assert found is not None
    number = found.view.find(Struct, wanted)
    good, words = False, ""
    if found.kernel and number is not None:
        good, words = begins_with(found.view, found.number, max(reg.off, 0), number)
    if not good:
        if words:
            walk.say(words)
        walk.refuse(f"R{at} is of type {found.name} but {wanted} is expected")


def wanted_by(walk: Walk, row: Helper, at: int) -> str:
    """The structure that argument `at` of a helper is."""
    name = _STRUCTURES.get(row.name)
    if name is None:
        inner = row.prototype.partition("(")[2].removesuffix(")").split(",")[at - 1].strip()
        found = _POINTED.match(inner)
        name = found[1] if found is not None else ""
    if name in ("", "void"):
        walk.undecided(f"objects for bpf_{row.name}")
    return name


def returned(walk: Walk, row: Helper) -> TypeRef:
    """What a helper's result points to."""
    types = walk.setting.types
    if types is None:
        walk.undecided("objects of the kernel (BTF)")
    pointed = _POINTED.match(row.prototype)
    name = _RESULTS[row.name] if row.name in _RESULTS else pointed[1] if pointed is not None else ""
    number = types.find(Struct, name)
    if number is None:
        walk.undecided(f"struct {name}, which these types do not have")
    return TypeRef(types, number, kernel=True)
