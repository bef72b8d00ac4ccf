"""Programs on perf events: samples, tracepoints, and probes by the PMUs of kprobes and uprobes, or by tracefs.

A perf event's process and CPU say when it counts, not for whom a program of a tracepoint runs: there it runs for all.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError
from bpfvm.kernel.attach import calls, functions, tracefs
from bpfvm.kernel.attach.calls import FREQUENCY, PerfEvent, failure
from bpfvm.kernel.attach.guard import Guard
from bpfvm.kernel.attach.link import Link
from bpfvm.kernel.attach.place import Place
from bpfvm.kernel.sys import Fd, error_name
from bpfvm.tables.attach import BY_NAME as ATTACH_TYPES

_DEVICES = Path("/sys/bus/event_source/devices")
_ONLINE = Path("/sys/devices/system/cpu/online")
_MOST_SAMPLES = Path("/proc/sys/kernel/perf_event_max_sample_rate")
_TRACEPOINT, _PERF = 2, ATTACH_TYPES["perf_event"].number
NEEDS = ("CAP_BPF", "CAP_PERFMON")

# type and config of struct perf_event_attr by name (enum perf_hw_id, enum perf_sw_ids)
SAMPLED: dict[str, tuple[int, int]] = {
    **{name: (1, number) for number, name in enumerate((
        "cpu-clock", "task-clock", "page-faults", "context-switches", "cpu-migrations", "minor-faults", "major-faults",
        "alignment-faults", "emulation-faults",
    ))},
    **{name: (0, number) for number, name in enumerate((
        "cpu-cycles", "instructions", "cache-references", "cache-misses", "branch-instructions", "branch-misses",
        "bus-cycles", "stalled-cycles-frontend", "stalled-cycles-backend", "ref-cycles",
    ))},
}  # fmt: skip
_ALIASES = {
    "cycles": "cpu-cycles",
    "faults": "page-faults",
    "cs": "context-switches",
    "branches": "branch-instructions",
}
_MADE = itertools.count(1)


def sample(place: Place, event: str, *, pid: int | None, cpu: int | None, period: int, frequency: int) -> Link:
    """Run on every `period`-th event, or so often a second. cpu: None for all; pid: None for all processes."""
    name = _ALIASES.get(event, event)
    if name not in SAMPLED:
        raise UsageError(f"{place.name}: there is no event {event!r}; events are {', '.join(SAMPLED)}")
    if bool(period) == bool(frequency):
        both = ", not both" if period else ""
        raise UsageError(f"{place.name}: say how often: period=1_000_000 (events) or frequency=99 (a second){both}")
    kind, config = SAMPLED[name]
    _check_rate(place, frequency)
    cpus = [_online(place, cpu)] if cpu is not None else [-1] if pid is not None else _cpus()
    with ExitStack() as opened:
        pairs = []
        for one in cpus:
            attr = PerfEvent(type=kind, config=config, period=period or frequency, flags=FREQUENCY if frequency else 0)
            pairs.append(_opened(place, f"event {name}", attr, -1 if pid is None else pid, one, opened))
        return _bound(place, [f"event {name}"], pairs, 0, opened)


def _check_rate(place: Place, frequency: int) -> None:
    """UsageError for samples that the kernel does not take so often: it says EINVAL alone."""
    try:
        most = int(_MOST_SAMPLES.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return
    if not 0 <= frequency <= most:
        raise UsageError(
            f"{place.name}: frequency={frequency}: this kernel takes 1 to {most} samples a second ({_MOST_SAMPLES})"
        )


def _online(place: Place, cpu: int) -> int:
    """`cpu`, where it is on. UsageError for others."""
    online = _ONLINE.read_text(encoding="ascii").strip()
    if cpu not in _numbers(online):
        raise UsageError(f"{place.name}: cpu={cpu}: the CPUs that are on are {online} ({_ONLINE})")
    return cpu


def tracepoint(place: Place, target: str, *, cookie: int) -> Link:
    """A tracepoint `group:name`."""
    group, colon, name = target.replace("/", ":").partition(":")
    if not colon or not group or not name:
        raise UsageError(f"{place.name}: a tracepoint is named group:name, such as sched:sched_switch, not {target!r}")
    number = tracefs.event_number(group, name)
    if number is None:
        near = tracefs.names_like(group, name)
        raise LoadError(f"{place.name}: this kernel has no tracepoint {group}:{name}"
                        + (f"; did you mean {', '.join(near)}?" if near else ""))  # fmt: skip
    with ExitStack() as opened:
        attr = PerfEvent(type=_TRACEPOINT, config=number, period=1)
        pair = _opened(place, f"tracepoint {target}", attr, -1, 0, opened)
        return _bound(place, [f"tracepoint {group}:{name}"], [pair], cookie, opened)


def kernel_probe(place: Place, names: Sequence[str], *, returns: bool, cookie: int) -> Link:
    """Functions of the kernel, `name` or `name+offset`, each by an event of its own."""
    kind = "kretprobe" if returns else "kprobe"
    with ExitStack() as opened:
        pairs = []
        for target in names:
            name, offset = _with_offset(place, target)
            if returns and offset:
                raise UsageError(f"{place.name}: {target}: a return is of a whole function: leave the offset out")
            pairs.append(_probe(place, f"{kind} {target}", "kprobe", name.encode(), name, offset, -1, returns, opened))
        return _bound(place, [f"{kind} {one}" for one in names], pairs, cookie, opened)


def user_probe(
    place: Place, path: str, offsets: Sequence[tuple[str, int, int]], *, pid: int | None, returns: bool, cookie: int
) -> Link:
    """Places in a file, (name, offset, offset of a USDT counter or 0), each by an event of its own."""
    kind = "uretprobe" if returns else "uprobe"
    with ExitStack() as opened:
        pairs = []
        for name, offset, counter in offsets:
            where = f"{kind} {path}:{name}"
            pairs.append(
                _probe(place, where, "uprobe", os.fsencode(path), path, offset, -1 if pid is None else pid, returns,
                       opened, counter)
            )  # fmt: skip
        return _bound(place, [f"{kind} {path}:{name}" for name, _, _ in offsets], pairs, cookie, opened)


def _probe(
    place: Place,
    where: str,
    device: str,
    target: bytes,
    text: str,
    offset: int,
    pid: int,
    returns: bool,
    opened: ExitStack,
    counter: int = 0,
) -> Fd:
    """The event of one probe, not enabled."""
    number, bit, shift = _device(device)
    cpu = -1 if pid >= 0 else 0
    if number is None:
        return _by_tracefs(place, where, device, text, offset, returns, cpu, pid, opened)
    name = ctypes.create_string_buffer(target)
    attr = PerfEvent(
        type=number, config=int(returns) << bit | counter << shift, config1=ctypes.addressof(name), config2=offset
    )
    return _opened(place, where, attr, pid, cpu, opened)


def check_there(device: str, where: str) -> None:
    """Unavailable for a kernel that has no such probes at all, kprobe or uprobe."""
    file = f"{device}_events"
    if _device(device)[0] is None and not (tracefs.root() / file).exists():
        raise Unavailable(f"{where}: this kernel has no {device}s (no {_DEVICES / device}, no tracefs {file})")


def _device(name: str) -> tuple[int | None, int, int]:
    """The number of a PMU, the bit of its config that says `return`, and where a counter's offset begins in it."""
    folder = _DEVICES / name
    try:
        number = int((folder / "type").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None, 0, 0
    return number, _position(folder / "format" / "retprobe", 0), _position(folder / "format" / "ref_ctr_offset", 32)


def _position(file: Path, default: int) -> int:
    """The first bit that a format file names: "config:0" or "config:32-63"."""
    with contextlib.suppress(OSError, ValueError):
        return int(file.read_text(encoding="ascii").partition(":")[2].partition("-")[0])
    return default


def _by_tracefs(
    place: Place,
    where: str,
    device: str,
    target: str,
    offset: int,
    returns: bool,
    cpu: int,
    pid: int,
    opened: ExitStack,
) -> Fd:
    """An event of tracefs, for kernels before 4.17 and those without these PMUs. A guard takes it away again."""
    file, name = f"{device}_events", f"bpfvm_{os.getpid()}_{next(_MADE)}"
    check_there(device, where)
    at = f"{target}:{offset:#x}" if device == "uprobe" else f"{target}+{offset}" if offset else target
    guard = Guard(tracefs.remove_event, file, f"bpfvm/{name}")
    opened.callback(guard.undo)
    try:
        tracefs.add_event(file, f"{'r' if returns else 'p'}:bpfvm/{name} {at}")
    except OSError as error:
        raise _no_probe(place, where, target, error) from None
    number = tracefs.event_number("bpfvm", name)
    if number is None:
        raise Unavailable(f"{where}: tracefs took the event and does not show it")
    return _opened(place, where, PerfEvent(type=_TRACEPOINT, config=number, period=1), pid, cpu, opened)


def _opened(place: Place, where: str, attr: PerfEvent, pid: int, cpu: int, opened: ExitStack) -> Fd:
    try:
        event = calls.perf_event(attr, pid, cpu)
    except OSError as error:
        raise _no_probe(place, where, where.rpartition(" ")[2], error) from None
    opened.enter_context(event)
    return event


def _no_probe(place: Place, where: str, target: str, error: OSError) -> BpfvmError:
    what = f"{place.name}: attaching to {where}"
    if error.errno in (errno.ENOENT, errno.EINVAL) and "kprobe" in where.split()[0] + where.split()[0].replace(
        "ret", ""
    ):
        return LoadError(
            f"{what}: this kernel has no function {target} that can be probed{functions.near(target)} "
            f"({error_name(error.errno)})"
        )
    if error.errno == errno.ESRCH:
        return LoadError(f"{what}: the process is gone ({error_name(error.errno)})")
    if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
        return Unavailable(
            f"{what}: this machine does not count that ({error_name(error.errno)}), as most virtual ones"
        )
    if error.errno == errno.EADDRINUSE:
        return UsageError(f"{what}: the kernel cannot probe inside of an instruction ({error_name(error.errno)})")
    return failure(what, error, NEEDS)


def _bound(place: Place, where: Sequence[str], events: Sequence[Fd], cookie: int, opened: ExitStack) -> Link:
    """Every event runs the program from now on."""
    links = []
    for event in events:
        made = _linked(place, where, event, cookie)
        if made is not None:
            opened.enter_context(made)
            links.append(made)
        calls.enable(event)
    rest = opened.pop_all()
    return Link(place.name, where, links, events, rest.close)


def _linked(place: Place, where: Sequence[str], event: Fd, cookie: int) -> Fd | None:
    """A link (since 5.15); None where the event itself holds the program."""
    program = place.program.number
    try:
        return calls.link(program, event.number, _PERF, 0, "Q", cookie)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise failure(f"{place.name}: attaching to {where[0]}", error, NEEDS) from None
    if cookie:
        raise Unavailable(f"{place.name}: a cookie takes links to perf events, which this kernel has not (since 5.15)")
    try:
        calls.set_program(event, program)
    except OSError as error:
        told = {errno.EEXIST: "another program is on this event already"}
        raise failure(f"{place.name}: attaching to {where[0]}", error, NEEDS, told) from None
    return None


def _with_offset(place: Place, target: str) -> tuple[str, int]:
    name, plus, offset = target.partition("+")
    try:
        return name, int(offset, 0) if plus else 0
    except ValueError:
        raise UsageError(f"{place.name}: {target}: what stands behind + is a number") from None


def _cpus() -> list[int]:
    """CPUs that are on, from ranges such as 0-3,5."""
    return list(_numbers(_ONLINE.read_text(encoding="ascii").strip()))


def _numbers(text: str) -> Iterator[int]:
    for part in text.split(","):
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)
