"""Tables of functions for the kernel (struct_ops): registered by storing them, and by a link where they ask for one."""

from __future__ import annotations

import contextlib
import errno

from bpfvm.core.errors import BpfvmError, UsageError
from bpfvm.kernel.attach import calls
from bpfvm.kernel.attach.calls import failure
from bpfvm.kernel.attach.guard import Guard
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attr import MapInfo, inform
from bpfvm.kernel.maps.table import Table
from bpfvm.kernel.sys import MAP_DELETE_ELEM, MAP_UPDATE_ELEM, MapElement, address, bpf
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES
from bpfvm.tables.maps import FLAGS

_KEY = bytes(4)
_NEEDS = ("CAP_BPF", "CAP_NET_ADMIN")


def register(name: str, table: Table, contents: bytes) -> Link:
    """Let the kernel use the table. It is kept by a link, or else by the map until the link that this gives is closed,
    or a guard sees that this process is gone."""
    number = table.fd.number
    info = MapInfo()
    inform(number, info)
    linked = bool(info.map_flags & FLAGS["link"])
    guard = None if linked else Guard(unregister, info.id)
    try:
        bpf(MAP_UPDATE_ELEM, MapElement(map_fd=number, key=address(_KEY), value=address(contents)))
        where = f"table {name}"
        if linked:
            made = calls.link(number, 0, ATTACH_TYPES["struct_ops"].number)
            return Link(name, [where], [made])
    except OSError as error:
        if guard is not None:
            guard.undo()
        raise _error(name, error) from None
    assert guard is not None, "made above"
    return Link(name, [where], undo=guard.undo)


def _error(name: str, error: OSError) -> BpfvmError:
    if error.errno == errno.EEXIST:
        return UsageError(f"table {name}: the kernel has one of that name already (EEXIST)")
    told = {errno.EINVAL: "the kernel does not take the table: a member that it needs is missing or wrong",
            errno.EBUSY: "the table is registered already"}  # fmt: skip
    return failure(f"table {name}: registering it", error, _NEEDS, told)


def unregister(number: int) -> None:
    """Take the table of map `number` out of use; one that is gone is no error."""
    from bpfvm.kernel.attr import ById
    from bpfvm.kernel.sys import Fd

    with contextlib.suppress(FileNotFoundError), Fd(bpf(_GET_FD, ById(id=number))) as fd:
        bpf(MAP_DELETE_ELEM, MapElement(map_fd=fd.number, key=address(_KEY)))


_GET_FD = 14  # BPF_MAP_GET_FD_BY_ID
