"""rtnetlink as far as tc filters of BPF programs need it: the clsact queueing discipline, and filters at its ends.

Numbers and layouts: include/uapi/linux/{netlink,rtnetlink,pkt_sched,pkt_cls}.h.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct

from bpfvm.kernel.sys import error_text

INGRESS, EGRESS = 0xFFFF_FFF2, 0xFFFF_FFF3  # TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_…)
_CLSACT, _HANDLE = 0xFFFF_FFF1, 0xFFFF_0000
_ERROR, _DONE = 2, 3
_NEW_QDISC, _DEL_QDISC, _NEW_FILTER, _DEL_FILTER, _GET_FILTER = 36, 37, 44, 45, 46
_REQUEST, _ACK, _EXCL, _CREATE, _DUMP = 1, 4, 0x200, 0x400, 0x300
_KIND, _OPTIONS = 1, 2  # TCA_KIND, TCA_OPTIONS
_BPF_FD, _BPF_NAME, _BPF_FLAGS, _DIRECT = 6, 7, 8, 1  # TCA_BPF_…, TCA_BPF_FLAG_ACT_DIRECT
_ALL = 0x0300  # ETH_P_ALL in network order
_HEADER, _TC = struct.Struct("=IHHII"), struct.Struct("=BxxxiIII")


def add_filter(interface: int, parent: int, program: int, name: str, priority: int) -> None:
    """Put a program there, in direct-action mode, and clsact where it is not there yet. Raises OSError.

    name: of the filter, by which it is found again. priority: 0 for the kernel's choice.
    """
    with contextlib.suppress(FileExistsError):
        _ask(_NEW_QDISC, _CREATE | _EXCL, interface, _CLSACT, _HANDLE, 0, _attribute(_KIND, b"clsact\0"))
    options = (
        _attribute(_BPF_FD, struct.pack("=I", program)) + _attribute(_BPF_NAME, name.encode() + b"\0")
        + _attribute(_BPF_FLAGS, struct.pack("=I", _DIRECT))
    )  # fmt: skip
    body = _attribute(_KIND, b"bpf\0") + _attribute(_OPTIONS, options)
    _ask(_NEW_FILTER, _CREATE | _EXCL, interface, parent, 0, priority << 16 | _ALL, body)


def remove_filter(interface: int, parent: int, name: str) -> None:
    """Take the filter of that name away, and clsact where nobody else has a filter there. What is gone already, with
    its interface or by itself, is no error."""
    try:
        for one in filters(interface, parent):
            _, _, handle, _, info = _TC.unpack_from(one)
            if name.encode() + b"\0" in one:
                kind = _attribute(_KIND, b"bpf\0")
                _ask(_DEL_FILTER, 0, interface, parent, handle, info, kind)
        if not any(filters(interface, end) for end in (INGRESS, EGRESS)):
            _ask(_DEL_QDISC, 0, interface, _CLSACT, _HANDLE, 0)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENODEV, errno.EINVAL):
            raise


def filters(interface: int, parent: int) -> list[bytes]:
    """The filters there, as the kernel tells them. Raises OSError."""
    try:
        return _ask(_GET_FILTER, _DUMP, interface, parent, 0, 0)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):  # no clsact
            return []
        raise


def _attribute(kind: int, data: bytes) -> bytes:
    size = len(data) + 4
    return struct.pack("=HH", size, kind) + data + bytes(-size % 4)


def _ask(
    command: int, flags: int, interface: int, parent: int, handle: int, info: int, body: bytes = b""
) -> list[bytes]:
    """One request; the bodies of what comes back before its end."""
    payload = _TC.pack(0, interface, handle, parent, info) + body
    ack = 0 if flags & _DUMP == _DUMP else _ACK
    message = _HEADER.pack(_HEADER.size + len(payload), command, flags | _REQUEST | ack, 1, 0) + payload
    found: list[bytes] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as route:
        route.send(message)
        while True:
            data = route.recv(1 << 16)
            while len(data) >= _HEADER.size:
                size, kind, _, _, _ = _HEADER.unpack_from(data)
                one, data = data[_HEADER.size : size], data[-(-size // 4) * 4 :]
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    (number,) = struct.unpack_from("=i", one)
                    if number:
                        raise OSError(-number, error_text(-number))
                    return found
                found.append(one)


def interface_number(name: str | int) -> int:
    """The index of an interface of this thread's network namespace. OSError where there is none."""
    if isinstance(name, int):
        return name
    return int(name) if name.isdigit() else socket.if_nametoindex(name)


__all__ = ["EGRESS", "INGRESS", "add_filter", "filters", "interface_number", "remove_filter"]
