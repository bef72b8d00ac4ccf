"""XDP, tc and netkit programs on network interfaces of the calling thread's network namespace."""

from __future__ import annotations

import errno
import itertools
import os

from bpfvm.core.errors import BpfvmError, LoadError, UsageError
from bpfvm.kernel.attach import calls, netlink
from bpfvm.kernel.attach.calls import failure
from bpfvm.kernel.attach.guard import Guard
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import error_name
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES

MODES = {"auto": 0, "generic": 2, "native": 4, "offload": 8}  # XDP_FLAGS_…_MODE of linux/if_link.h
_NEEDS = ("CAP_NET_ADMIN", "CAP_BPF")
_MADE = itertools.count(1)
DIRECTIONS = {"ingress": netlink.INGRESS, "egress": netlink.EGRESS}


def xdp(place: Place, target: str | int, *, mode: str) -> Link:
    """On what an interface receives. mode: a name of MODES; auto is the driver's own where it has one."""
    if mode not in MODES:
        raise UsageError(f"{place.name}: mode={mode!r}: there are {', '.join(MODES)}")
    number, where = _interface(place, target), f"xdp {mode} of {target}"
    try:
        made = calls.link(place.program.number, number, ATTACH_TYPES["xdp"].number, MODES[mode])
    except OSError as error:
        raise _xdp_error(place, where, mode, error) from None
    return Link(place.name, [where], [made])


def _xdp_error(place: Place, where: str, mode: str, error: OSError) -> BpfvmError:
    told = {
        errno.EOPNOTSUPP: f"the driver does not run XDP in mode {mode}; mode='generic' runs on any",
        errno.EINVAL: "this kernel makes no XDP links (since 5.9), or does not take the program there",
        errno.ERANGE: "the interface's MTU is too large for a program that does not know frags; use section xdp.frags",
        errno.EEXIST: "the interface runs an XDP program in another mode already",
    }
    return failure(f"{place.name}: attaching to {where}", error, _NEEDS, told)


def traffic(place: Place, target: str | int, *, direction: str, priority: int) -> Link:
    """On packets that come in or go out: tcx (since 6.6), else a filter of clsact in direct-action mode.

    direction: ingress or egress, where the section does not say. priority: of a filter; the kernel's choice for 0.
    """
    said = (place.section.attach_type or "").removeprefix("tcx_").removeprefix("netkit_")
    chosen = direction or said
    if chosen not in DIRECTIONS and not said.startswith(("primary", "peer")):
        raise UsageError(
            f"{place.name}: direction={chosen!r}: it is ingress or egress; or say it by the section: tc/ingress"
        )
    number, where = _interface(place, target), f"tc {chosen} of {target}"
    name = place.section.attach_type if said in ("primary", "peer") else f"tcx_{chosen}"
    if not priority:
        try:
            made = calls.link(place.program.number, number, ATTACH_TYPES[name or ""].number)
            return Link(place.name, [where], [made])
        except OSError as error:
            # a kernel without tcx does not know the attach type, or has no links of this kind of program
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, 524) or said in ("primary", "peer"):
                raise failure(f"{place.name}: attaching to {where}", error, _NEEDS) from None
    return _filter(place, number, where, DIRECTIONS[chosen], priority)


def _filter(place: Place, interface: int, where: str, parent: int, priority: int) -> Link:
    """A filter stays until somebody removes it: a guard, there before the filter is, does when this process is gone."""
    name = f"bpfvm_{os.getpid()}_{next(_MADE)}"
    guard = Guard(netlink.remove_filter, interface, parent, name)
    try:
        netlink.add_filter(interface, parent, place.program.number, name, priority)
    except OSError as error:
        guard.undo()
        lacks = "this kernel has no clsact or no BPF filters (CONFIG_NET_SCH_INGRESS, CONFIG_NET_CLS_BPF)"
        told = {errno.EOPNOTSUPP: lacks, errno.ENOENT: lacks}
        raise failure(f"{place.name}: attaching to {where}", error, _NEEDS, told) from None
    return Link(place.name, [f"{where} (clsact)"], undo=guard.undo)


def _interface(place: Place, target: str | int) -> int:
    try:
        return netlink.interface_number(target)
    except OSError as error:
        raise LoadError(
            f"{place.name}: there is no interface {target!r} in this network namespace ({error_name(error.errno or 0)})"
        ) from None
