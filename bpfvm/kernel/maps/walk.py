"""Every element of a map that others change meanwhile, key by key: none that is there all the time is lost.

BPF_MAP_GET_NEXT_KEY of a key that was deleted gives the map's first key, so that a plain walk begins again and may
never end. Here it goes on from the last key that is still there. A key stands in a fixed bucket of a hash and at a
fixed place of a trie; in its bucket it comes first when it was stored last. What stays in the map is therefore never
passed: what is stored anew can only come before the place where the walk stands, or be met later.

An LPM trie asked for what follows a key that was deleted may follow another key instead and pass what lies between
(measured on 6.18). An answer counts there only if the key that was asked for is still in the map after it. One that
was deleted and stored again in between is not noticed: a walk of a trie that others change may rarely miss some.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.maps.calls import Answer, Calls

_ABSENT = (-errno.ENOENT, -errno.ENXIO, -errno.ENOSPC)  # nothing there, gone by now; 4 bytes have no room for a cookie
_STEPS_PER_KEY, _LEAST_STEPS = 64, 65_536


def walk(calls: Calls) -> Iterator[tuple[bytes, bytes | list[bytes]]]:
    """Keys and values, each key once. An LPM trie answers for a key that is gone by now with what covers it.

    Raises OSError with what the kernel says, Unavailable for a map that changes faster than it can be read.
    """
    for key in walk_keys(calls):
        found = calls.sys_lookup(key)
        if not isinstance(found, int):
            yield key, found
        elif found not in _ABSENT:
            raise OSError(-found, "")


def walk_keys(calls: Calls) -> Iterator[bytes]:
    """Keys, each once; also of elements that have no value for user space."""
    met: dict[bytes, None] = {}
    key: bytes | None = None
    trie = calls.spec.type == "lpm_trie"
    at, steps = calls.next_key(None), 0
    while isinstance(at, bytes) or trie:
        steps += 1
        if steps > _LEAST_STEPS + _STEPS_PER_KEY * len(met):
            raise Unavailable(
                f"map {calls.spec.name} changes faster than it can be read key by key ({len(met)} keys met in {steps} "
                "steps); read it when less is stored and deleted"
            )
        if trie and key is not None and not _exists(calls, key):
            key = _last_there(calls, met)
        elif not isinstance(at, bytes):
            break
        elif at not in met:
            met[at] = None
            yield at
            key = at
        else:  # behind a key that is there this is the next in a bucket; else the beginning, where the walk was already
            key = at if key is None or _exists(calls, key) else _last_there(calls, met)
        at = calls.next_key(key)
    if isinstance(at, int) and at != -errno.ENOENT:
        raise OSError(-at, "")


def _exists(calls: Calls, key: bytes) -> bool:
    found: Answer = calls.sys_lookup(key)
    return not isinstance(found, int) or found != -errno.ENOENT


def _last_there(calls: Calls, met: dict[bytes, None]) -> bytes | None:
    """The key that was met last of those that are still there; None for none, which is the beginning."""
    return next((key for key in reversed(met) if _exists(calls, key)), None)
