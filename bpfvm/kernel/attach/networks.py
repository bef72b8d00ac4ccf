"""Programs of a network namespace: socket lookup, flow dissector, netfilter hooks."""

from __future__ import annotations

import errno
import os

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.kernel.attach import calls
from bpfvm.kernel.attach.calls import failure
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import Fd, error_name
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES

_NEEDS = ("CAP_NET_ADMIN", "CAP_BPF")
_OWN = "/proc/thread-self/ns/net"
FAMILIES = {"ipv4": 2, "ipv6": 10}  # NFPROTO_… of linux/netfilter.h
HOOKS = {
    name: number for number, name in enumerate(("pre_routing", "local_in", "forward", "local_out", "post_routing"))
}
_DEFRAG = 1  # BPF_F_NETFILTER_IP_DEFRAG


def namespace(place: Place, target: str | None) -> Link:
    """A network namespace by a path such as /run/netns/NAME; without one, that of the calling thread."""
    path = target or _OWN
    name = "flow_dissector" if place.type == "flow_dissector" else "sk_lookup"
    where = f"{name} of {target or 'this network namespace'}"
    try:
        opened = Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        raise LoadError(
            f"{place.name}: network namespace {path}: {error.strerror} ({error_name(error.errno or 0)})"
        ) from None
    with opened:
        try:
            made = calls.link(place.program.number, opened.number, ATTACH_TYPES[name].number)
        except OSError as error:
            told = {errno.EINVAL: f"{path} is no network namespace, or this kernel makes no such links (since 5.8)"}
            raise failure(f"{place.name}: attaching to {where}", error, _NEEDS, told) from None
    return Link(place.name, [where], [made])


def netfilter(place: Place, target: str, *, hook: str, priority: int, defragment: bool) -> Link:
    """A hook of netfilter in this thread's network namespace. target: ipv4 or ipv6. priority: lower ones come first."""
    if target not in FAMILIES:
        raise UsageError(f"{place.name}: {target!r} is no family of netfilter; there are {', '.join(FAMILIES)}")
    if hook not in HOOKS:
        raise UsageError(f"{place.name}: hook={hook!r}: there are {', '.join(HOOKS)}")
    where = f"netfilter {target} {hook}, priority {priority}"
    try:
        made = calls.link(
            place.program.number, 0, ATTACH_TYPES["netfilter"].number, 0, "IIiI", FAMILIES[target], HOOKS[hook],
            priority, _DEFRAG if defragment else 0,
        )  # fmt: skip
    except OSError as error:
        told = {
            errno.EINVAL: "the lowest and the highest priority are the kernel's own, and links are since 6.4",
            errno.EAFNOSUPPORT: "this kernel has no netfilter of that family",
        }
        raise failure(f"{place.name}: attaching to {where}", error, _NEEDS, told) from None
    return Link(place.name, [where], [made])
