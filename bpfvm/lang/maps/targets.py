"""Maps of what is no data: programs to go on in, devices, CPUs and sockets to send packets to, cgroups, stacks."""

from __future__ import annotations

import struct
from typing import Any

from bpfvm.core.errors import UsageError
from bpfvm.lang import userspace
from bpfvm.lang.arrays import array_of
from bpfvm.lang.maps.base import Map
from bpfvm.lang.types import u32, u64

M32 = (1 << 32) - 1
LARGEST_ERROR = 4095  # what a negative result is at least (MAX_ERRNO)
_USER = 256  # BPF_F_USER_STACK
_DEEPEST = 127  # PERF_MAX_STACK_DEPTH


def signed(result: int) -> int:
    """r0 as the number of an error, or what was asked for."""
    return result - (1 << 64) if result >> 63 else result


class Indexed(Map):
    """Under u32 indexes, what user space puts there."""

    def __init__(self, max_entries: int, name: str | None = None) -> None:
        self.key = self.value = u32
        super().__init__(max_entries, name)

    def _index(self, index: Any) -> int:
        if not isinstance(index, int) or not 0 <= index <= M32:
            raise TypeError(f"{self.called} takes an index that fits u32, not {index!r:.40}")
        return int(index)


class ProgArray(Indexed):
    """BPF_MAP_TYPE_PROG_ARRAY: programs to go on in. `progs.call(ctx, i)` comes back only where none stands at i."""

    type = "prog_array"
    usage = "progs.call(ctx, i)"

    def call(self, ctx: Any, index: int) -> None:
        """Go on in the program at `index`, if there is one."""
        on = self._machine()
        on.helper("tail_call", on.context_address(), on.handle(self), self._index(index))


class CgroupArray(Indexed):
    """BPF_MAP_TYPE_CGROUP_ARRAY: cgroups."""

    type = "cgroup_array"
    usage = "groups.current(i)"

    def current(self, index: int) -> int:
        """1 where the current task is in the cgroup at `index` or below, 0 where not, a negative errno without one."""
        on = self._machine()
        return signed(on.helper("current_task_under_cgroup", on.handle(self), self._index(index)))


class Redirects(Indexed):
    """Where XDP sends packets to."""

    usage = "return devs.redirect(i)"

    def redirect(self, index: int, action: int = 0) -> int:
        """XDP_REDIRECT, to what stands at `index`; the action where nothing does."""
        if not isinstance(action, int) or not 0 <= action <= 3:
            raise TypeError(f"{self.called}.redirect takes an action from XDP_ABORTED to XDP_TX, not {action!r:.40}")
        on = self._machine()
        return on.helper("redirect_map", on.handle(self), self._index(index), int(action))


class DevMap(Redirects):
    """BPF_MAP_TYPE_DEVMAP: interfaces. keyed: DEVMAP_HASH, whose keys may be any u32."""

    def __init__(self, max_entries: int, name: str | None = None, *, keyed: bool = False) -> None:
        self.type = "devmap_hash" if keyed else "devmap"
        super().__init__(max_entries, name)


class CpuMap(Redirects):
    """BPF_MAP_TYPE_CPUMAP: CPUs."""

    type = "cpumap"


class XskMap(Redirects):
    """BPF_MAP_TYPE_XSKMAP: sockets of AF_XDP."""

    type = "xskmap"


class StackTrace(Map):
    """BPF_MAP_TYPE_STACK_TRACE: call stacks, each once. depth: how many frames of each."""

    type = "stack_trace"
    usage = "stacks.id(user=True)"

    def __init__(self, max_entries: int = 10240, depth: int = _DEEPEST, name: str | None = None) -> None:
        if not isinstance(depth, int) or not 0 < depth <= _DEEPEST:
            raise UsageError(f"StackTrace: a stack has 1 to {_DEEPEST} frames, not {depth!r}")
        self.key, self.value = u32, array_of(u64, depth)
        super().__init__(max_entries, name)

    def stack(self, number: int) -> list[int]:
        """In user space: the addresses of a stack, the innermost first; [] for a negative number, and for one that is
        not there any more."""
        if number < 0 or number >= 1 << 31:
            return []
        found = self._store_behind().sys_lookup(int(number).to_bytes(4, "little"))
        if not isinstance(found, bytes):
            return []
        words = struct.unpack(f"<{len(found) // 8}Q", found)
        return [one for one in words if one]

    def frames(self, number: int, pid: int | None = None) -> list[Any]:
        """In user space: what stands at those addresses of the kernel, or of the process `pid`; str() makes a line."""
        return userspace.frames(self, self.called, self.stack(number), pid)

    def id(self, user: bool = False, skip: int = 0) -> int:
        """The number of the present stack, of user space or of the kernel without the innermost `skip` frames; a
        negative errno where there is none."""
        on = self._machine()
        flags = (int(skip) & 0xFF) | (_USER if user else 0)
        return signed(on.helper("get_stackid", on.context_address(), on.handle(self), flags))
