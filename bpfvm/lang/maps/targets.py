"""Maps of what is no data: programs to go on in, devices, CPUs and sockets to send packets to, cgroups, stacks."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from bpfvm.core.errors import UsageError
from bpfvm.core.machine import Entry
from bpfvm.lang import userspace
from bpfvm.lang.active import active
from bpfvm.lang.maps.base import Contents, Map, checked, pairs
from bpfvm.lang.types.arrays import array_of
from bpfvm.lang.types.scalars import u32, u64
from bpfvm.obj.model import MapSpec

M32 = (1 << 32) - 1
LARGEST_ERROR = 4095  # what a negative result is at least (MAX_ERRNO)
_USER = 256  # BPF_F_USER_STACK
_DEEPEST = 127  # PERF_MAX_STACK_DEPTH


def signed(result: int) -> int:
    """r0 as the number of an error, or what was asked for."""
    return result - (1 << 64) if result >> 63 else result


class Indexed(Map):
    """Under u32 indexes, what user space puts there. contents: what it has put there before the first run."""

    key: Any
    value: Any

    def __init__(self, max_entries: int, name: str | None = None, contents: Contents | None = None) -> None:
        self.key = self.value = u32
        super().__init__(max_entries, name)
        self.given = pairs(contents)
        if self.given:
            checked(self)

    def entries(self) -> tuple[Entry, ...]:
        return tuple((self.key.pack(self._place(key)), self._target(one)) for key, one in self.given)

    def _place(self, index: Any) -> int:
        """An index at which something can stand from the start."""
        if self._index(index) >= self.max_entries:
            raise IndexError(f"index {index} is outside of it ({self.max_entries} entries)")
        return int(index)

    def _target(self, one: Any) -> bytes:
        """What user space stores: a number, or the descriptor of a file or a socket."""
        number = one.fileno() if hasattr(one, "fileno") else one
        if not isinstance(number, int) or not 0 <= number <= M32:
            raise TypeError(f"{one!r:.60} is no number that fits u32")
        data: bytes = self.value.pack(number)
        return data

    def _index(self, index: Any) -> int:
        if not isinstance(index, int) or not 0 <= index <= M32:
            raise TypeError(f"{self.called} takes an index that fits u32, not {index!r:.40}")
        return int(index)


class Jump(Protocol):
    """A program that can stand in an array: one of a decorated function."""

    name: str
    callee: Any
    hook: Any


class ProgArray(Indexed):
    """BPF_MAP_TYPE_PROG_ARRAY: programs to go on in. `progs.call(ctx, i)` comes back only where none stands at i.

    contents: the programs that stand there from the start, by index, or a list; so does `progs[i] = program`, until a
    program is compiled with the array.
    """

    type = "prog_array"
    usage = "progs.call(ctx, i), progs[i](ctx), bpf.tail_call(progs, i)"

    def __init__(
        self, max_entries: int, contents: Mapping[int, Jump] | Sequence[Jump] | None = None, name: str | None = None
    ) -> None:  # fmt: skip
        super().__init__(max_entries, name)
        self.contents: dict[int, Jump] = {}
        self.is_compiled = False
        for index, one in contents.items() if isinstance(contents, Mapping) else enumerate(contents or ()):
            self[index] = one

    def __setitem__(self, index: int, program: Jump) -> None:
        """Let a program stand there from the start."""
        if active() is not None:
            raise UsageError(f"map {self.called}: which programs stand in it is for user space to say")
        if self.is_compiled:
            raise UsageError(f"map {self.called}: a program was compiled with it; store programs in it before that")
        if getattr(program, "callee", None) is None or getattr(program, "hook", None) is None:
            raise UsageError(f"map {self.called}: programs of decorated functions stand in it, not {program!r:.60}")
        try:
            self.contents[self._place(index)] = program
        except (TypeError, IndexError) as error:
            raise UsageError(f"map {self.called}: {error}") from None

    def __getitem__(self, index: int) -> Any:
        """`progs[i](ctx)` is `progs.call(ctx, i)`."""
        return lambda ctx: self.call(ctx, index)

    def entries(self) -> tuple[Entry, ...]:
        """None but programs, which have names."""
        return ()

    def spec(self, name: str) -> MapSpec:
        self.is_compiled = True
        return replace(super().spec(name), contents=tuple((at, one.name) for at, one in self.contents.items()))

    def call(self, ctx: Any, index: int) -> None:
        """Go on in the program at `index`, if there is one."""
        on = self._machine()
        on.helper("tail_call", on.context_address(), on.handle(self), self._index(index))


class TailCall:
    """`bpf.tail_call(progs, i)`: `progs.call(ctx, i)`, with the context that the program has."""

    __name__ = "tail_call"

    def __call__(self, programs: ProgArray, index: int) -> None:
        """Go on in the program at `index`, if there is one."""
        if not isinstance(programs, ProgArray):
            raise TypeError(f"tail_call takes a ProgArray and an index, not {type(programs).__name__}")
        programs.call(None, index)


tail_call = TailCall()


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
    """BPF_MAP_TYPE_DEVMAP: interfaces, by their numbers. keyed: DEVMAP_HASH, whose keys may be any u32."""

    def __init__(
        self, max_entries: int, name: str | None = None, *, keyed: bool = False, contents: Contents | None = None
    ) -> None:  # fmt: skip
        self.type = "devmap_hash" if keyed else "devmap"
        super().__init__(max_entries, name, contents)

    def _place(self, index: Any) -> int:
        return self._index(index) if self.type == "devmap_hash" else super()._place(index)


class CpuMap(Redirects):
    """BPF_MAP_TYPE_CPUMAP: CPUs, each with the length of its queue."""

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
