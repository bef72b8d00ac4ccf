"""Where programs are attached, and which of them an event of a script is for."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from bpfvm.core.errors import UsageError
from bpfvm.lang.hooks import Hook
from bpfvm.tables.sections import of_section

# Kinds of programs (rows of lang.kinds) by what they are on; of each whether it is where that returns
FAMILIES = {
    "kprobe": ("function", False), "kretprobe": ("function", True),
    "fentry": ("function", False), "fexit": ("function", True), "fmod_ret": ("function", False),
    "uprobe": ("user", False), "uretprobe": ("user", True), "usdt": ("usdt", False),
    "tracepoint": ("tracepoint", False), "tp_btf": ("tracepoint", False), "raw_tracepoint": ("tracepoint", False),
    "syscall": ("syscall", False), "syscall_exit": ("syscall", True), "kretsyscall": ("syscall", True),
    "lsm": ("lsm", False), "lsm_cgroup": ("lsm", False), "perf_event": ("sample", False),
}  # fmt: skip
# Other names of sections; "syscall" is one of programs that are on no system call
_SHORT = {"tp": "tracepoint", "raw_tp": "raw_tracepoint", "syscall": ""}
_SYSCALLS = (("sys_enter_", "syscall"), ("sys_exit_", "syscall_exit"))
SAMPLE = "cpu-clock"


@dataclass(frozen=True, slots=True)
class Site:
    """One program's place. kind: a row's name in lang.kinds. targets: names of what it is attached to."""

    hook: Hook
    kind: str
    targets: tuple[str, ...]

    @property
    def returns(self) -> bool:
        """Whether it is where a function or a system call returns."""
        return FAMILIES[self.kind][1]

    @property
    def names(self) -> list[str]:
        """What events are called that it is for."""
        return [f"{self.kind}:{one}" for one in self.targets]

    def target(self, event: str) -> str | None:
        """The target that an event means: "sched_switch", "tp_btf:sched_switch", of system calls also the tracepoint,
        "syscalls:sys_enter_openat". None where it means another."""
        start = next((f"syscalls:{start}" for start, kind in _SYSCALLS if kind == self.kind), "")
        event = event.removeprefix("tracepoint:") if start in event else event
        if start and event.startswith(start):
            event = event.removeprefix(start)
        kind, colon, rest = event.partition(":")
        wanted = rest if colon and kind in FAMILIES else event
        if wanted is rest and kind != self.kind:
            return None
        return next((found for one in self.targets if (found := _meant(FAMILIES[self.kind][0], wanted, one))), None)


def _meant(family: str, wanted: str, target: str) -> str | None:
    """The target that a name in a script means: itself, what stands behind its last colon, what a pattern takes."""
    if wanted == target or target.endswith(f":{wanted}") or wanted.endswith(f":{target}"):
        return target
    return wanted if family in ("function", "user") and fnmatchcase(wanted, target) else None


def known(hook: Hook | None, section: str) -> Site | None:
    """The place of a program of a function, or of a section of an object file. None for one that is on no event."""
    kind, targets = (hook.kind, hook.targets) if hook is not None else ("", ())
    if hook is None:
        row = of_section(section)
        stem = section.removeprefix("?").partition("/")[0].partition(".")[0]
        kind, targets = _SHORT.get(stem, stem), (row.target,) if row.target else ()
        hook = Hook(row.program_type, section, 0, kind=kind, targets=targets)
    plain = [one.replace("/", ":") if kind in ("tracepoint", "tp_btf", "raw_tracepoint") else one for one in targets]
    if kind == "tracepoint" and plain and all(one.startswith("syscalls:sys_") for one in plain):
        calls = [one.removeprefix("syscalls:") for one in plain]
        for start, other in _SYSCALLS:
            if all(one.startswith(start) for one in calls):
                kind, plain = other, [one.removeprefix(start) for one in calls]
    if kind not in FAMILIES:
        return None
    return Site(hook, kind, tuple(plain) or ((SAMPLE,) if kind == "perf_event" else ()))


def site(hook: Hook | None, section: str, name: str) -> Site:
    """The same. UsageError, with the kinds that there are, for a program that is on no event."""
    found = known(hook, section)
    if found is None:
        where = hook.section if hook is not None else section
        raise UsageError(f"{name}: no event of a script is for a program of section {where!r}; there are "
                         f"{', '.join(FAMILIES)}")  # fmt: skip
    return found
