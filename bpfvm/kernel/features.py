"""What the running kernel has and lets this process do, found by use; no version is ever compared.

    from bpfvm.kernel import features

    features.probe("ringbuf")                       Answer(have=True, reason="", cause="")
    features.program("sched_cls", "tcx_ingress")    a program type at an attach type
    features.helper("xdp", "redirect_map")          a helper in a type of program
    features.kfunc("bpf_task_from_pid")             a function of the kernel's, by its BTF

Names are those of bpfvm.tables.features. Probes attach nothing, pin nothing, and close what they open; the answers are
kept for the process's user and capabilities.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Callable, Mapping

from bpfvm.core.errors import Unavailable
from bpfvm.kernel.host import privilege
from bpfvm.kernel.probes import host as probes_host
from bpfvm.kernel.probes import link as probes_link
from bpfvm.kernel.probes import load as probes_load
from bpfvm.kernel.probes import map as probes_map
from bpfvm.kernel.probes.answers import YES, Answer, absent, configuration, refused, running, unknown
from bpfvm.kernel.sys import switched_off
from bpfvm.obj.btf.index import BtfIndex
from bpfvm.obj.btf.types import DeclTag, Func
from bpfvm.tables import features as table
from bpfvm.tables.features import Feature

__all__ = ["Answer", "forget", "helper", "kfunc", "map_type", "probe", "program"]

_QUIET = ("host", "vmlinux", "module_btf")  # probes that need no bpf(2)


def probe(name: str) -> Answer:
    """Whether this process can use the feature here. UsageError for a name that means nothing; raises nothing else."""
    return _kept(table.feature(name), "", switched_off(), privilege.user(), privilege.effective())


def program(program_type: str, attach_type: str | None = None) -> Answer:
    """Programs of a type, at an attach type where one is given."""
    return probe(f"program/{program_type}/{attach_type}" if attach_type else f"program/{program_type}")


def map_type(name: str) -> Answer:
    """Maps of a type."""
    return probe(f"map/{name}")


def helper(program_type: str, name: str, attach_type: str = "") -> Answer:
    """Whether programs of a type may call a helper. attach_type: where they are loaded for, else the first that the
    type has.
    """
    row = table.feature(f"helper/{program_type}/{name}")
    return _kept(row, attach_type, switched_off(), privilege.user(), privilege.effective())


def kfunc(name: str) -> Answer:
    """Whether the kernel or one of its modules has a function that programs may call."""
    return probe(f"kfunc/{name}")


def forget() -> None:
    """Ask anew from now on."""
    for one in (_kept, _all_types, running, configuration, probes_load.place_of):
        one.cache_clear()


@functools.cache
def _kept(feature: Feature, attach_type: str, off: str | None, euid: int, capabilities: int | None) -> Answer:
    """Asked once for each user and set of capabilities that this process has."""
    kind, *words = feature.probe.split()
    if platform.system() != "Linux":
        return Answer(False, f"it is of Linux, and this is {platform.system() or 'an unknown system'}", "absent")
    if off is not None and kind not in _QUIET:
        return unknown(off)
    try:
        return _PROBES[kind](feature, *words, *([attach_type] if attach_type else []))
    except OSError as error:
        return refused(error, feature.config, feature.needs)
    except Unavailable as error:
        return Answer(False, str(error), "absent")


@functools.cache
def _all_types() -> list[BtfIndex]:
    kernel = running()
    return [kernel.types, *kernel.modules()]


def _kfunc(feature: Feature, name: str) -> Answer:
    """By BTF: a function, and where the kernel tags its kfuncs (since 6.9) one with the tag."""
    try:
        types = _all_types()
    except Unavailable as error:
        return unknown(str(error))
    for one in types:
        number = one.find(Func, name)
        if number is None:
            continue
        tags = [one[tag] for tag in one.named("bpf_kfunc")]
        if not tags or any(isinstance(tag, DeclTag) and tag.type == number for tag in tags):
            return YES
        return absent(f"{name} is a function of the kernel's, but not one that programs may call", ())
    return absent(f"no function {name} in the BTF of the kernel and its modules", feature.config)


def _with_program(type: str, ask: Callable[[Feature, int], Answer], attach: str = "") -> Callable[[Feature], Answer]:
    """A probe that needs a loaded program."""

    def answer(feature: Feature) -> Answer:
        place = probes_load.place_of(type, attach)
        if isinstance(place, Answer):
            return place
        with probes_load.load(place, place.end) as fd:
            return ask(feature, fd.number)

    return answer


_PROBES: Mapping[str, Callable[..., Answer]] = {
    "bpf": lambda feature: probes_map.map_type(feature, "array"),
    "program": probes_load.program,
    "helper": probes_load.helper,
    "load": probes_load.code,
    "map": probes_map.map_type,
    "make": probes_map.form,
    "types": probes_map.kinds,
    "kfunc": _kfunc,
    "command": probes_link.command,
    "named": probes_link.named,
    "perf": probes_link.perf,
    "raw_open": _with_program("raw_tracepoint", probes_link.raw_open),
    "iter_link": _with_program("tracing", probes_link.iterator, "trace_iter"),
    "test_run": _with_program("socket_filter", probes_link.test_run),
    "live_frames": _with_program("xdp", probes_link.live_frames, "xdp"),
    "host": probes_host.host,
    "vmlinux": probes_host.vmlinux,
    "module_btf": probes_host.module_types,
}
