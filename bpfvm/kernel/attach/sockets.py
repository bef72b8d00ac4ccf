"""Programs of sockets: filters, reuseport groups, socket maps, cgroups that sockets and processes are in."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from bpfvm.core.errors import LoadError, UsageError
from bpfvm.kernel.attach import calls, netlink
from bpfvm.kernel.attach.calls import PROG_ATTACH, PROG_DETACH, Attach, failure
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import Fd, bpf, error_name
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES

_ATTACH, _DETACH, _REUSEPORT, _DETACH_REUSEPORT = 50, 27, 52, 68  # SO_… of asm-generic/socket.h
_ALL = 0x0003  # ETH_P_ALL
_DIRECTIONS = {"ingress": "cgroup_inet_ingress", "egress": "cgroup_inet_egress"}


def packets(place: Place, target: Any) -> Link:
    """A filter on a socket, on a descriptor of one, or on a new packet socket of an interface."""
    if isinstance(target, str):
        own = _packet_socket(place, target)
        with own:
            _set(place, own, _ATTACH, f"a packet socket of {target}")
            return Link(place.name, [f"packet socket of {target}"], beside=[Fd(own.detach())])
    one = _socket(place, target)
    _set(place, one, _ATTACH, "a socket")
    return _kept(place, one, "socket", _DETACH)


def reuseport(place: Place, target: Any) -> Link:
    """The choice among the sockets of one port, all of which have SO_REUSEPORT."""
    one = _socket(place, target)
    _set(place, one, _REUSEPORT, "a reuseport group")
    return _kept(place, one, "reuseport group", _DETACH_REUSEPORT)


def socket_map(place: Place, target: Any) -> Link:
    """What is sent or received by the sockets of a sockmap or sockhash."""
    number = target if isinstance(target, int) else target.fd.number
    attach_type = place.attach_type
    attr = Attach(target_fd=number, prog_fd=place.program.number, attach_type=attach_type)
    try:
        bpf(PROG_ATTACH, attr)
    except OSError as error:
        told = {errno.EINVAL: "only a sockmap or a sockhash takes it", errno.EBADF: "the map is closed"}
        raise failure(f"{place.name}: attaching to a map", error, ("CAP_NET_ADMIN",), told) from None
    held = Fd(os.dup(number))

    def undo() -> None:
        with contextlib.suppress(OSError):  # the map may be gone
            bpf(PROG_DETACH, Attach(target_fd=held.number, prog_fd=place.program.number, attach_type=attach_type))

    return Link(place.name, [f"{place.section.attach_type} of a map"], beside=[held], undo=undo)


def cgroup(place: Place, target: str, *, direction: str) -> Link:
    """A cgroup of the second version, by its folder, with all that are in it."""
    name = place.section.attach_type or _DIRECTIONS.get(direction)
    if name is None:
        raise UsageError(f"{place.name}: direction={direction!r}: it is ingress or egress; or say it by the section: "
                         "cgroup_skb/ingress")  # fmt: skip
    where = f"{name} of {target}"
    try:
        folder = Fd(os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        raise LoadError(f"{place.name}: cgroup {target}: {error.strerror} ({error_name(error.errno or 0)})") from None
    with folder:
        try:
            made = calls.link(place.program.number, folder.number, ATTACH_TYPES[name].number)
        except OSError as error:
            told = {
                errno.EBADF: "the folder is no cgroup of version 2, which are under the mount of type cgroup2",
                errno.EINVAL: "the kernel does not take such a program at cgroups, or makes no links (since 5.7)",
            }
            raise failure(f"{place.name}: attaching to {where}", error, ("CAP_NET_ADMIN", "CAP_BPF"), told) from None
    return Link(place.name, [where], [made])


def _packet_socket(place: Place, interface: str) -> socket.socket:
    try:
        with ExitStack() as opened:
            made = opened.enter_context(socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0))
            netlink.interface_number(interface)
            made.bind((interface, _ALL))
            opened.pop_all()
    except OSError as error:
        if error.errno in (None, errno.ENODEV, errno.ENXIO):  # if_nametoindex of older Pythons sets no errno
            raise LoadError(f"{place.name}: there is no interface {interface!r} in this network namespace") from None
        raise failure(f"{place.name}: a packet socket of {interface}", error, ("CAP_NET_RAW",)) from None
    return made


def _socket(place: Place, target: Any) -> socket.socket:
    """A socket object for the descriptor, which stays its owner's."""
    try:
        number = target if isinstance(target, int) else target.fileno()
        return socket.socket(fileno=os.dup(number))
    except (AttributeError, TypeError):
        raise UsageError(f"{place.name}: {target!r} is no socket, no descriptor and no name of an interface") from None
    except OSError as error:
        raise UsageError(
            f"{place.name}: descriptor {target}: {error.strerror} ({error_name(error.errno or 0)})"
        ) from None


def _set(place: Place, one: socket.socket, option: int, what: str) -> None:
    try:
        one.setsockopt(socket.SOL_SOCKET, option, place.program.number)
    except OSError as error:
        one.close()
        told = {errno.EINVAL: "the socket does not take the program; a reuseport group is one of bound sockets",
                errno.EPERM: "a filter is locked on the socket (SO_LOCK_FILTER)"}  # fmt: skip
        raise failure(f"{place.name}: attaching to {what}", error, ("CAP_NET_ADMIN",), told) from None


def _kept(place: Place, one: socket.socket, what: str, option: int) -> Link:
    def undo() -> None:
        with contextlib.suppress(OSError), one:  # the socket may be closed, or have another filter
            one.setsockopt(socket.SOL_SOCKET, option, 0)

    return Link(place.name, [what], undo=undo)


def stacked(links: Iterator[Link], program: str) -> Link:
    """Several links as one. Those made before an error are closed."""
    with ExitStack() as opened:
        made = [opened.enter_context(one) for one in links]
        rest = opened.pop_all()
    return Link(program, [where for one in made for where in one.where], [fd for one in made for fd in one.links],
                undo=rest.close)  # fmt: skip
