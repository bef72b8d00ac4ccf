"""The user half of programs that have none: their events as they come, their maps at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

from bpfvm.cli.tracing.shown import Printer
from bpfvm.core.errors import Unavailable, UsageError
from bpfvm.decorators import bpf
from bpfvm.kernel.maps.declared import KernelSpace
from bpfvm.kernel.maps.table import Table
from bpfvm.kernel.readers import Reader
from bpfvm.lang import userspace
from bpfvm.lang.maps import Events, Keyed, Map, losses
from bpfvm.lang.userspace import SLICE, Ending
from bpfvm.obj.btf.types import Struct
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.obj.values.contents import shape_of, to_json
from bpfvm.obj.values.typed_map import TypedMap
from bpfvm.program import Object, Program, compile_object, placed
from bpfvm.tables.maps import BY_NAME

_LOG = logging.getLogger("bpfvm")
_READ = ("ringbuf", "perf_event_array")

# name, what is there now, a descriptor or -1, how many were lost
Source = tuple[str, Callable[[], Iterable[Any]], int, Callable[[], "int | None"]]


def declared(programs: Sequence[Program], printer: Printer) -> None:
    """Programs of a Python file: typed by their declarations."""
    maps: Mapping[str, Map] = compile_object(programs).maps
    with bpf.attach(*programs):
        here = userspace.space()
        assert here is not None, "something is attached"
        events = {name: one for name, one in maps.items() if isinstance(one, Events)}
        sources: list[Source] = [
            (name, one.read, _descriptor(one), lambda one=one: one.lost) for name, one in events.items()  # type: ignore[misc]
        ]  # fmt: skip
        _follow(sources, printer, here)
    for name, one in events.items():
        for event in one.read():
            printer.event(name, event)
    contents = {
        name: (one.spec(name), list(one.items())) for name, one in maps.items()
        if isinstance(one, Keyed) and not name.startswith(".")
    }  # fmt: skip
    printer.maps(contents, {name: one.lost for name, one in events.items()})


def _descriptor(one: Events) -> int:
    store = userspace.live(one)
    records = store.records if store is not None else None
    return records.fileno() if records is not None else -1


def compiled(given: Object, printer: Printer, types: Mapping[str, str]) -> None:
    """An object file, attached by its sections and typed by its BTF. types: of events, by map, or by "" for all."""
    unknown = next((name for name in types if name and name not in given.maps), None)
    if unknown is not None:
        raise UsageError(
            f"--event {unknown}=…: there is no map {unknown!r}; the maps are {', '.join(given.maps) or 'none'}"
        )
    instead = userspace.world()
    if instead is not None:
        _played(given, printer, types, instead)
        return
    with ExitStack() as opened:
        installed = opened.enter_context(given.install())
        sources: list[Source] = []
        for name, table in installed.maps.items():
            if table.spec.type in _READ:
                reader = opened.enter_context(table.reader(event_type(given.spec, name, types), **_quiet(table.spec)))
                counts = _counts(installed.maps.values(), name)
                sources.append((name, reader.read, reader.fileno(), partial(_lost, reader, counts)))
        with installed.attach() as link, userspace.opened(KernelSpace(), {}):
            _LOG.info("%s is attached: %s", link.program, ", ".join(link.where))
            _follow(sources, printer, KernelSpace())
        for name, read, _, _ in sources:
            for event in read():
                printer.event(name, event)
        contents = {
            name: (table.spec, list(_items(table))) for name, table in installed.maps.items() if _is_shown(table)
        }
        lost = {name: lost() for name, _, _, lost in sources}
        outer = {name: _counts(installed.maps.values(), name) for name, one in given.maps.items() if _holds_events(one)}
        counted = {name: sum(one() for one in counts) for name, counts in outer.items() if counts}
        printer.maps(contents, together(lost, counted, given.maps))


class _Shown:
    """Stands for a map of an object, as declarations do for those of functions."""


def _played(given: Object, printer: Printer, types: Mapping[str, str], instead: userspace.World) -> None:
    """The same, attached to what stands for the kernel."""
    shown, programs = {name: _Shown() for name in given.maps}, placed(given)
    with ExitStack() as opened:
        maps = instead.attach(given.spec, [one.name for one in programs], shown, programs, opened)
        sources: list[Source] = []
        for name, one in shown.items():
            store = userspace.live(one)
            if store is not None and store.records is not None:
                decode = event_type(given.spec, name, types)
                shown_now = partial(_decoded, store.records, decode)
                sources.append((name, shown_now, -1, partial(getattr, store.records, "lost")))
        here = userspace.space()
        assert here is not None, "something is attached"
        _follow(sources, printer, here)
        for name, read, _, _ in sources:
            for event in read():
                printer.event(name, event)
        contents = {name: (table.spec, list(_items(table))) for name, table in maps.items() if _is_shown(table)}
        printer.maps(contents, {name: lost() for name, _, _, lost in sources})


def _decoded(records: userspace.Records, decode: Callable[[bytes], Any]) -> list[Any]:
    return [decode(one) for one in records.read()]


def _counts(tables: Iterable[Table], name: str) -> list[Callable[[], int]]:
    """What tells how many events of a map found no room, where the object's programs count them
    (bpfvm.lang.maps.losses)."""
    wanted = losses.variable(name)
    return [lambda one=one: one[wanted] for one in tables if wanted in one.variables]  # type: ignore[misc]


def _lost(reader: Reader, counts: Sequence[Callable[[], Any]]) -> int | None:
    found = [one() for one in counts]
    return sum(found) if found and all(isinstance(one, int) for one in found) else reader.lost


def _holds_events(spec: MapSpec) -> bool:
    return spec.inner is not None and spec.inner.type in _READ


def together(
    lost: Mapping[str, int | None], counted: Mapping[str, int], maps: Mapping[str, MapSpec]
) -> dict[str, int | None]:  # fmt: skip
    """What was lost of each map of events, and of each map of such maps that programs count for: in place of what
    nobody counts of those that stand in it."""
    inside = {name for outer in counted for _, name in maps[outer].contents}
    known = {name: count for name, count in lost.items() if count is not None or name not in inside}
    return {**known, **counted}


def _quiet(spec: MapSpec) -> dict[str, Any]:
    return {"on_lost": lambda lost: None} if spec.type == "perf_event_array" else {}  # the sum is shown at the end


def event_type(spec: ObjectSpec, name: str, types: Mapping[str, str]) -> Callable[[bytes], Any]:
    """What makes JSON of an event's bytes: by the type that is named, else by a struct that is called like the map or
    `event`; hex of what has another size. UsageError for a type that BTF does not have."""
    asked = types.get(name) or types.get("")
    btf, single = spec.btf, name.removesuffix("s")
    for one in (
        [asked] if asked else [f"{name}_event", f"{single}_event", single, f"{single}_t", name, "event", "event_t"]
    ):
        number = btf.find(Struct, one.removeprefix("struct ")) if btf is not None else None
        if btf is not None and number is not None:
            size = btf.size_of(number)
            shape = shape_of(btf, number, size, spec.endian)
            return lambda data: to_json(shape.show(data[:size])) if len(data) - size in range(8) else data.hex()
        if asked:
            raise UsageError(
                f"--event: the object's BTF has no struct {asked!r}; clang notes those that a global names: "
                f"const struct {asked.removeprefix('struct ')} *unused __attribute__((unused));"
            )
    return bytes.hex


def _is_shown(table: TypedMap) -> bool:
    row = BY_NAME[table.spec.type]
    return (
        row.holds == "data"
        and row.can("lookup")
        and row.can("next")
        and not row.owner
        and table.spec.type != "stack_trace"
    )


def _items(table: TypedMap) -> Iterable[tuple[Any, Any]]:
    if table.variables:
        return [(name, table[name]) for name in table.variables]
    return table.items()


def _follow(sources: Sequence[Source], printer: Printer, space: userspace.Space) -> None:
    """Events as they come, until Ctrl-C, SIGTERM, or until nothing comes any more."""
    fds = [fd for _, _, fd, _ in sources if fd >= 0]
    with Ending() as ending, suppress(Unavailable):
        goes_on = True
        while goes_on and not ending.asked:
            goes_on = space.pause(SLICE, fds)
            for name, read, _, _ in sources:
                for event in read():
                    printer.event(name, event)
