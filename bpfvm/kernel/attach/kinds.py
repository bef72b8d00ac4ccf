"""The kinds of places: which programs go there, what the target is, which options there are."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Protocol

from bpfvm.core.articles import an
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.kernel.attach import events, functions, interfaces, multi, networks, sockets, targets, tracing
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import Fd, switched_off
from bpfvm.obj.model import ProgramSpec
from bpfvm.tables.sections import of_section

_NUMBERS = ("pid", "cpu", "period", "frequency", "cookie", "priority")  # options that are
_MULTI = ("trace_kprobe_multi", "trace_kprobe_session", "trace_uprobe_multi", "trace_uprobe_session")


class Loaded(Protocol):
    """A program in the kernel: bpfvm.kernel.runs.run.LoadedProgram."""

    @property
    def spec(self) -> ProgramSpec: ...

    def attach(self) -> Link: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """name: of the place. types: of programs. sections: that it is for, () for all of the types. target: what is given,
    for messages. options: with what they are unless given. optional: there is a place without a target."""

    name: str
    types: tuple[str, ...]
    make: Callable[..., Link]
    target: str
    options: Mapping[str, Any]
    sections: tuple[str, ...] = ()
    optional: bool = False


def _kernel_probes(place: Place, target: Any, *, returns: bool | None, cookie: int) -> Link:
    back = place.section.returns if returns is None else returns
    if place.section.attach_type not in _MULTI:
        events.check_there("kprobe", f"{place.name}: {'kretprobe' if back else 'kprobe'} {target}")
    names = [one for name in _each(target) for one in functions.matching(name)]
    if place.section.attach_type in _MULTI:
        return multi.kernel_functions(place, names, returns=back, cookies=[cookie] if cookie else [])
    return events.kernel_probe(place, names, returns=back, cookie=cookie)


def _syscalls(place: Place, target: str, *, returns: bool | None, cookie: int) -> Link:
    """The function that the architecture calls a system call by (asm/syscall_wrapper.h)."""
    import platform

    prefix = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_", "s390x": "__s390x_sys_", "riscv64": "__riscv_sys_"}
    name, plain = prefix.get(platform.machine(), "sys_") + target, f"sys_{target}"
    is_older = name not in functions.names() and plain in functions.names()  # before 4.17
    return _kernel_probes(place, plain if is_older else name, returns=returns, cookie=cookie)


def _user_probes(place: Place, target: Any, *, pid: int | None, returns: bool | None, cookie: int) -> Link:
    back = place.section.returns if returns is None else returns
    return _at_places(place, [targets.functions(place.name, one, pid) for one in _each(target)], pid, back, cookie)


def _declared_probes(place: Place, target: Any, *, pid: int | None, cookie: int) -> Link:
    return _at_places(place, [targets.probes(place.name, one, pid) for one in _each(target)], pid, False, cookie)


def _check_numbers(program: str, options: Mapping[str, Any]) -> None:
    """UsageError for what the kernel would take for another number: a text, which is given by its address."""
    name = next((name for name in _NUMBERS if not isinstance(options.get(name), int | None)), None)
    if name is not None:
        kind = type(options[name]).__name__
        raise UsageError(f"{program}: {name}={options[name]!r}: it is a whole number, not {an(kind)}")
    pid = options.get("pid")
    if pid is not None and pid <= 0:
        raise UsageError(f"{program}: pid={pid}: a process has a number above 0; None is for all")


def _at_places(
    place: Place, files: Iterable[targets.UserPlaces], pid: int | None, returns: bool, cookie: int
) -> Link:  # fmt: skip
    def one(file: targets.UserPlaces) -> Link:
        if place.section.attach_type in _MULTI:
            cookies = [cookie] if cookie else []
            return multi.user_functions(place, file.path, file.places, pid=pid, returns=returns, cookies=cookies)
        return events.user_probe(place, file.path, file.places, pid=pid, returns=returns, cookie=cookie)

    return sockets.stacked((one(file) for file in files), place.name)


def _interfaces(make: Callable[..., Link]) -> Callable[..., Link]:
    return lambda place, target, **options: sockets.stacked(
        (make(place, one, **options) for one in _each(target)), place.name
    )


def _each(target: Any) -> list[Any]:
    """One target, or several."""
    return list(target) if isinstance(target, list | tuple | set | frozenset) else [target]


_INTERFACE = "an interface: its name or index, or several"
_CGROUP = "a cgroup: the path of its folder"
_USER = (*(f"{name}{rest}" for name in ("uprobe", "uretprobe") for rest in ("", ".s", ".multi", ".multi.s")),
         "uprobe.session", "uprobe.session.s")  # fmt: skip
_PROBE: Mapping[str, Any] = {"pid": None, "returns": None, "cookie": 0}

KINDS: tuple[Kind, ...] = (
    Kind("xdp", ("xdp",), _interfaces(interfaces.xdp), _INTERFACE, {"mode": "auto"}),
    Kind("tc", ("sched_cls",), _interfaces(interfaces.traffic), _INTERFACE, {"direction": "", "priority": 0}),
    Kind("socket", ("socket_filter",), sockets.packets, "a socket, its descriptor, or the name of an interface", {}),
    Kind("reuseport", ("sk_reuseport",), sockets.reuseport, "a socket of the group", {}),
    Kind("socket map", ("sk_msg", "sk_skb"), sockets.socket_map, "a sockmap or sockhash", {}),
    Kind("cgroup", ("cgroup_skb", "cgroup_sock", "cgroup_sock_addr", "cgroup_sockopt", "cgroup_sysctl",
                    "cgroup_device", "sock_ops"), sockets.cgroup, _CGROUP, {"direction": ""}),
    Kind("cgroup", ("lsm",), sockets.cgroup, _CGROUP, {"direction": ""}, ("lsm_cgroup",)),
    Kind("network namespace", ("sk_lookup", "flow_dissector"), networks.namespace, "the path of one, or none for "
         "this thread's", {}, optional=True),
    Kind("netfilter", ("netfilter",), networks.netfilter, "ipv4 or ipv6",
         {"hook": "pre_routing", "priority": -128, "defragment": False}),
    Kind("tracepoint", ("tracepoint",), events.tracepoint, "group:name", {"cookie": 0}),
    Kind("raw tracepoint", ("raw_tracepoint", "raw_tracepoint_writable"), tracing.raw_tracepoint, "its name",
         {"cookie": 0}),
    Kind("iterator", ("tracing",), tracing.iterator, "a map, {'pid': n}, or none", {}, ("iter", "iter.s"), True),
    Kind("function", ("tracing", "lsm"), tracing.by_types, "none: it is loaded for one", {"cookie": 0}, optional=True),
    Kind("syscall", ("kprobe",), _syscalls, "the name of a system call", {"returns": None, "cookie": 0},
         ("ksyscall", "kretsyscall")),
    Kind("USDT", ("kprobe",), _declared_probes, "file:provider:name", {"pid": None, "cookie": 0}, ("usdt", "usdt.s")),
    Kind("uprobe", ("kprobe",), _user_probes, "file:function", _PROBE,
         _USER),
    Kind("kprobe", ("kprobe",), _kernel_probes, "a function of the kernel, a pattern, or several",
         {"returns": None, "cookie": 0}),
    Kind("perf event", ("perf_event",), events.sample, "an event such as cpu-clock",
         {"pid": None, "cpu": None, "period": 0, "frequency": 0}),
)  # fmt: skip


def attach(program: ProgramSpec, fd: Fd, target: Any = None, **options: Any) -> Link:
    """Attach a loaded program. Raises LoadError for a target that is not there, UsageError for one of no form or an
    option that the kind does not have, Unavailable for what this host does not have or allow."""
    reason = switched_off()
    if reason is not None:
        raise Unavailable(reason)
    section = of_section(program.section)
    place = Place(program.name, program.type, fd, section)
    kind = kind_of(program)
    unknown = options.keys() - kind.options.keys()
    if unknown:
        known = ", ".join(kind.options) or "none"
        raise UsageError(f"{program.name}: attaching to {an(kind.name)} has no option {min(unknown)!r}; it has {known}")
    _check_numbers(program.name, options)
    found = target if kind.optional else place.wanted(target, kind.target)
    try:
        return kind.make(place, found, **{**kind.options, **options})
    except OSError as error:  # of files beside bpf(2)
        if error.errno == errno.EMFILE:
            raise Unavailable(f"{program.name}: this process has too many open files (EMFILE)") from None
        raise


def all_of(programs: Mapping[str, Loaded], names: Sequence[str], tables: Mapping[str, Callable[[], Link]]) -> Link:
    """Programs of an object, attached to what their sections name, and its tables registered: one link. names: of those
    to attach alone; else all that name their places, and `tables`: how each is registered."""
    unknown = next((name for name in names if name not in programs), None)
    if unknown is not None:
        raise UsageError(f"there is no program {unknown!r}; the programs are {', '.join(programs) or 'none'}")
    chosen = list(names) or [name for name, one in programs.items() if _names_its_place(one.spec)]
    registered = {} if names else tables
    if not chosen and not registered:
        raise UsageError(
            f"no section of {', '.join(programs)} names what it is attached to: use .attach(target) of each"
        )
    made = chain((programs[name].attach() for name in chosen), (register() for register in registered.values()))
    return sockets.stacked(made, ", ".join((*chosen, *registered)))


def _names_its_place(program: ProgramSpec) -> bool:
    section = of_section(program.section)
    try:
        kind = kind_of(program)
    except Unavailable:
        return False
    return bool(section.target) or (kind.optional and program.type != "struct_ops")


def kind_of(program: ProgramSpec) -> Kind:
    """The row for a program. Unavailable for a type that is not attached, or not in this version."""
    row = of_section(program.section).name.partition("/")[0].removeprefix("?")
    fitting = [one for one in KINDS if program.type in one.types]
    for one in fitting:
        if row in one.sections or (not one.sections):
            return one
    if program.type == "syscall":
        raise Unavailable(f"{program.name}: a syscall program is run, not attached: bpfvm run, or .kernel(...)")
    raise Unavailable(f"{program.name}: programs of type {program.type} are not attached by bpfvm in this version")
