"""The task that an event happens in: `Task(7, "bash", uid=1000, stack=["malloc", "main"])`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bpfvm.core import machine
from bpfvm.core.errors import UsageError
from bpfvm.lang.traced import stacks
from bpfvm.lang.traced.memory import Block
from bpfvm.lang.traced.objects import KernelObject, new
from bpfvm.lang.traced.values import encoded
from bpfvm.lang.types.kernel_btf import KERNEL

M32 = (1 << 32) - 1
MOST_CPUS = 256
_USER = ("uid", "suid", "euid", "fsuid")
_GROUP = ("gid", "sgid", "egid", "fsgid")


class Task:
    """A thread of a process: who it is, where it is, and its `task_struct` in the kernel's memory.

    pid: of the process; tid: of the thread, as the pid unless given. cgroup: the id of its cgroup, or those from the
    root's to its own. stack, kernel_stack: functions that it is in, the innermost first, None where nothing can be
    walked. parent: a Task. vmas: areas of its memory, each a vm_area_struct or (start, end); None where nobody says.
    fields: of its task_struct besides: `Task(7, __state=1)`.
    It stands for its task_struct wherever an argument or a field points to one; `task["field"]` reads and stores there.
    """

    def __init__(
        self, pid: int, comm: str = "", *, tid: int | None = None, uid: int = 0, gid: int = 0,
        cgroup: int | Sequence[int] = 1, cpu: int = 0, parent: Task | None = None,
        stack: Iterable[str | int] | None = None, kernel_stack: Iterable[str | int] | None = None,
        vmas: Iterable[Any] | None = None, **fields: Any,
    ) -> None:  # fmt: skip
        """UsageError for numbers that no task has."""
        self.pid, self.comm, self.uid, self.gid = pid, comm, uid, gid
        self.tid = pid if tid is None else tid
        self.cgroups = tuple(cgroup) if isinstance(cgroup, list | tuple) else (cgroup,)
        self.cpu, self.parent = cpu, parent
        self.stack, self.kernel_stack = stack, kernel_stack
        for name in ("pid", "tid", "uid", "gid"):
            if not isinstance(getattr(self, name), int) or not 0 <= getattr(self, name) <= M32:
                raise UsageError(f"Task: {name} is a number of 32 bits, not {getattr(self, name)!r:.40}")
        is_known = bool(self.cgroups) and all(isinstance(one, int) and 0 <= one < 1 << 64 for one in self.cgroups)
        if not isinstance(comm, str) or not is_known or not isinstance(cpu, int) or not 0 <= cpu < MOST_CPUS:
            raise UsageError(f"Task: comm is a text, cgroup one id or several, cpu below {MOST_CPUS}: not "
                             f"{comm!r:.40}, {cgroup!r:.40}, {cpu!r:.40}")  # fmt: skip
        if parent is not None and not isinstance(parent, Task):
            raise UsageError(f"Task: parent is a Task, not {parent!r:.40}")
        self._fields, self._made = fields, dict[int, KernelObject]()
        self._vmas = None if vmas is None else list(vmas)
        self._areas: list[KernelObject] = []

    def __repr__(self) -> str:
        return f"<Task {self.pid} {self.comm!r}>"

    @property
    def struct(self) -> KernelObject:
        """Its task_struct, by the types in use."""
        kinds = id(KERNEL.types)
        if kinds not in self._made:
            made = self._made[kinds] = new("task_struct", pid=self.tid, tgid=self.pid, comm=self.comm)
            made.__bpf_block__.owner = self
            owner = new("cred", **{name: {"val": self.uid} for name in _USER}, **{name: {"val": self.gid} for name in
                                                                               _GROUP})  # fmt: skip
            above = self.parent.struct if self.parent is not None else made
            links = {"real_parent": above, "parent": above, "group_leader": made, "cred": owner, "real_cred": owner}
            made.set(**{**{name: to for name, to in links.items() if name in made._kind.fields}, **self._fields})
            if self._vmas is not None:
                self._lay_out(made, self._vmas)
        return self._made[kinds]

    def _lay_out(self, made: KernelObject, vmas: list[Any]) -> None:
        """Give the task_struct an mm with these areas."""
        memory = new("mm_struct", map_count=len(vmas))
        if "mm" not in self._fields:
            made.set(mm=memory, active_mm=memory)
        self._areas = [
            one
            if isinstance(one, KernelObject)
            else new("vm_area_struct", vm_start=one[0], vm_end=one[1], vm_mm=memory)
            for one in vmas
        ]

    @property
    def areas(self) -> Sequence[KernelObject]:
        """Its areas of memory, as vm_area_struct."""
        return self._areas if self.struct else ()

    @property
    def __bpf_block__(self) -> Block:
        return self.struct.__bpf_block__

    def __index__(self) -> int:
        return int(self.struct)

    __int__ = __index__

    def __getitem__(self, name: str) -> Any:
        """A field of its task_struct."""
        return self.struct[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.struct[name] = value

    def told(self, laid_out: bool) -> machine.Task:
        """As machines have it. laid_out: whether its task_struct is in memory."""
        return machine.Task(
            self.tid, self.pid, self.uid, self.gid, encoded(self.comm, "Task: comm"), self.cgroups,
            int(self) if laid_out else 0, stacks.frames("user", self.stack),
            stacks.frames("kernel", self.kernel_stack), self._told_areas() if laid_out else {},
        )  # fmt: skip

    def _told_areas(self) -> dict[int, tuple[tuple[int, int, int], ...]]:
        """The areas of it and of those that it comes from, by where their task_struct is."""
        above = self.parent._told_areas() if self.parent is not None else {}
        if self._vmas is None:
            return above
        mine = tuple((int(one.vm_start), int(one.vm_end), int(one)) for one in self.areas)
        return {**above, int(self): mine}
