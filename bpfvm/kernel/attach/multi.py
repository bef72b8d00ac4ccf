"""Many functions by one link: kprobe.multi (since 5.18) and uprobe.multi (since 6.6)."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence

from bpfvm.core.errors import LoadError, Unavailable, UsageError
from bpfvm.kernel.attach import calls, functions
from bpfvm.kernel.attach.calls import failure
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import ENOTSUPP, error_name

_NEEDS = ("CAP_BPF", "CAP_PERFMON")
_RETURN = 1  # BPF_F_KPROBE_MULTI_RETURN, BPF_F_UPROBE_MULTI_RETURN


def kernel_functions(place: Place, names: Sequence[str], *, returns: bool, cookies: Sequence[int]) -> Link:
    """Every function of `names` by one link. cookies: none, or one for each."""
    texts = [ctypes.create_string_buffer(name.encode()) for name in names]
    symbols = (ctypes.c_uint64 * len(texts))(*map(ctypes.addressof, texts))
    given = _cookies(place, names, cookies)
    where = [f"{'kretprobe' if returns else 'kprobe'}.multi {name}" for name in names]
    try:
        made = calls.link(
            place.program.number, 0, place.attach_type, 0, "IIQQQ", _RETURN if returns else 0, len(texts),
            ctypes.addressof(symbols), 0, ctypes.addressof(given) if given is not None else 0,
        )  # fmt: skip
    except OSError as error:
        what = f"{place.name}: attaching to {where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}"
        if error.errno in (errno.ESRCH, errno.ENOENT):
            raise LoadError(
                f"{what}: this kernel has no such function that can be probed{functions.near(names[0])}"
            ) from None
        if error.errno in (errno.EOPNOTSUPP, ENOTSUPP, errno.EINVAL):
            raise Unavailable(f"{what}: this kernel has no kprobe.multi (since 5.18, CONFIG_FPROBE; "
                              f"{error_name(error.errno)}); use section kprobe") from None  # fmt: skip
        raise failure(what, error, _NEEDS) from None
    return Link(place.name, where, [made])


def user_functions(
    place: Place, path: str, offsets: Sequence[tuple[str, int, int]], *, pid: int | None, returns: bool,
    cookies: Sequence[int],
) -> Link:  # fmt: skip
    """Places in a file, (name, offset, offset of a USDT counter or 0), by one link."""
    text = ctypes.create_string_buffer(os.fsencode(path))
    count = len(offsets)
    at = (ctypes.c_uint64 * count)(*(offset for _, offset, _ in offsets))
    counters = (ctypes.c_uint64 * count)(*(counter for _, _, counter in offsets))
    given = _cookies(place, [name for name, _, _ in offsets], cookies)
    where = [f"{'uretprobe' if returns else 'uprobe'}.multi {path}:{name}" for name, _, _ in offsets]
    try:
        made = calls.link(
            place.program.number, 0, place.attach_type, 0, "QQQQIII", ctypes.addressof(text), ctypes.addressof(at),
            ctypes.addressof(counters) if any(counters) else 0, ctypes.addressof(given) if given is not None else 0,
            count, _RETURN if returns else 0, pid or 0,
        )  # fmt: skip
    except OSError as error:
        told = {errno.EINVAL: "this kernel has no uprobe.multi (since 6.6); use section uprobe",
                errno.ESRCH: "the process is gone", errno.EBADF: "the file is not one that can be probed"}  # fmt: skip
        raise failure(f"{place.name}: attaching to {where[0]}", error, _NEEDS, told) from None
    return Link(place.name, where, [made])


def _cookies(place: Place, names: Sequence[str], cookies: Sequence[int]) -> ctypes.Array[ctypes.c_uint64] | None:
    if not cookies:
        return None
    given = list(cookies) * len(names) if len(cookies) == 1 else list(cookies)
    if len(given) != len(names):
        raise UsageError(f"{place.name}: {len(given)} cookies for {len(names)} functions: give one, or one for each")
    return (ctypes.c_uint64 * len(given))(*given)
