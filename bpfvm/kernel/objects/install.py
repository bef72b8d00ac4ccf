"""A whole object in the kernel: every map, every program that loads by itself, pins; open until it is closed.

    with install(spec) as installed:
        installed.maps["counts"][6]                  a Table, typed by BTF
        installed.programs["count"].run(...)         a LoadedProgram

    install(spec, pin="/sys/fs/bpf/mine")            pinned: it stays in the kernel, until `unpin`
    install(spec, reuse={"counts": other.maps["counts"]})

It is done whole or not at all: after an error nothing is open, pinned or in the kernel that was not before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from bpfvm.core.errors import LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.kernel.maps.table import Table
from bpfvm.kernel.objects.load import Contents, Loading, check_switch
from bpfvm.kernel.objects.pins import ROOT, Pins, check_folder, given, pin_path, pinned, shared, unpin
from bpfvm.kernel.programs.lacks import attempted
from bpfvm.kernel.programs.program import chosen
from bpfvm.kernel.programs.workarounds import Lacks, with_mapped_data
from bpfvm.kernel.runs.run import LoadedProgram
from bpfvm.kernel.sys import Fd
from bpfvm.obj.model import MapSpec, ObjectSpec
from bpfvm.tables.progs import BY_NAME
from bpfvm.tables.sections import of_section

if TYPE_CHECKING:
    from bpfvm.kernel.attach import Link

Pin: TypeAlias = "str | os.PathLike[str] | Literal[False] | None"
_BY_NAME = "by_name"


class Installed:
    """An object in the kernel. programs, maps: by name; pins: what was pinned. Close it, or use `with`.

    tables: of each table of functions for the kernel (struct_ops) the value that registers it when it is stored at key
    0 of the map of its name, which `register` does.

    What is attached or pinned stays when it is closed. Runs of the programs do not tell events: the maps have readers.
    """

    def __init__(
        self, programs: Mapping[str, LoadedProgram], maps: Mapping[str, Table], pins: Iterable[Path], opened: ExitStack,
        tables: Mapping[str, bytes],
    ) -> None:  # fmt: skip
        self.programs: Mapping[str, LoadedProgram] = MappingProxyType(dict(programs))
        self.maps: Mapping[str, Table] = MappingProxyType(dict(maps))
        self.tables: Mapping[str, bytes] = MappingProxyType(dict(tables))
        self.pins = tuple(pins)
        self._opened = opened

    def __repr__(self) -> str:
        programs, maps = ", ".join(self.programs) or "none", ", ".join(self.maps) or "none"
        return f"<bpfvm.Installed programs: {programs}; maps: {maps}>"

    def __enter__(self) -> Installed:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close every descriptor; again does nothing."""
        for one in self.programs.values():
            one.close()
        self._opened.close()

    def attach(self, *programs: str) -> Link:
        """Attach programs to what their sections name, and register all tables, as one link. programs: names; without
        any, all whose sections name what they are attached to.

        Raises what `LoadedProgram.attach` raises, and nothing is attached then.
        """
        from bpfvm.kernel.attach import all_of

        return all_of(self.programs, programs, {name: partial(self.register, name) for name in self.tables})

    def register(self, table: str) -> Link:
        """Let the kernel use a table of functions, until the link is closed. UsageError for one that is not there."""
        from bpfvm.kernel.attach.tables import register

        if table not in self.tables:
            raise UsageError(f"there is no table {table!r}; the tables are {', '.join(self.tables) or 'none'}")
        return register(table, self.maps[table], self.tables[table])

    def unpin(self) -> None:
        """Remove the pins that this installation made; again does nothing."""
        unpin(reversed(self.pins))
        self.pins = ()


def install(
    spec: ObjectSpec, programs: Iterable[str] | None = None, *, maps: Mapping[str, Contents] | None = None,
    pin: Pin = None, reuse: Mapping[str, Any] | None = None,
) -> Installed:  # fmt: skip
    """Load all maps of the object and its programs.

    programs: names of those to load; else all whose section does not begin with "?". maps: contents from the start,
    {name: {key: value}}, of data sections by variable, which are then constants where the section is read-only.
    pin: a folder of a BPF file system, made where it is missing, in which programs and maps are pinned by name. Maps
    declared with LIBBPF_PIN_BY_NAME are pinned there or else in /sys/fs/bpf, and taken from there where they are;
    pin=False pins nothing. reuse: maps of others in place of new ones, {name: map, descriptor or path of a pin}.

    Raises LoadError for an object that no kernel can take, or whose maps are there and different, VerifierReject for a
    program that this kernel refuses (it is named), Unavailable for what this host does not have or allow, UsageError
    for names that are not the object's.
    """
    check_switch()
    names = _names(spec, programs)
    _check_maps(spec, "maps", maps or {})
    _check_maps(spec, "reuse", reuse or {})
    _check_pins(spec, names, pin)
    whole = with_mapped_data(spec)
    return attempted(whole, lambda fit, lacks: _installed(fit, names, maps or {}, pin, reuse or {}, lacks))


def _names(spec: ObjectSpec, programs: Iterable[str] | None) -> tuple[str, ...]:
    if programs is None:
        return tuple(name for name, one in spec.programs.items() if of_section(one.section).auto)
    names = tuple(dict.fromkeys((programs,) if isinstance(programs, str) else programs))
    for name in names:
        chosen(spec, name)
    return names


def _check_maps(spec: ObjectSpec, argument: str, given: Mapping[str, Any]) -> None:
    for name in given:
        if name not in spec.maps:
            known = ", ".join(spec.maps) or "none"
            raise UsageError(f"{argument}: there is no map {name!r}; the maps are {known}")


def _check_pins(spec: ObjectSpec, names: Iterable[str], pin: Pin) -> None:
    if pin is None or pin is False:
        return
    both = {one.replace(".", "_") for one in spec.maps} & {one.replace(".", "_") for one in names}
    if both:
        raise UsageError(
            f"pins in {os.fspath(pin)}: a map and a program are both called {sorted(both)[0]}; pin them by yourself"
        )


def _installed(
    spec: ObjectSpec, names: tuple[str, ...], maps: Mapping[str, Contents], pin: Pin, reuse: Mapping[str, Any],
    lacks: Lacks,
) -> Installed:  # fmt: skip
    with ExitStack() as opened:
        by_name, there = _there(spec, pin, reuse, opened)
        inside = [what for one in spec.maps.values() if one.type == "prog_array" for _, what in one.contents]
        loading = Loading(spec, (*names, *inside), opened, maps, there, lacks)
        for name in spec.maps:
            loading.map(name, name)
        for name in names:
            _load(loading, name)
        loading.fill_programs()
        registered = {
            name: loading.table(name)
            for name, one in spec.tables.items()
            if any(program in loading.programs for _, program in one.programs)
        }
        loading.bind()
        with ExitStack() as undone:
            pins = Pins(undone)
            _pin(loading, pin, by_name, pins)
            kernel = loading.maps
            loaded = {
                name: LoadedProgram(BY_NAME[one.type], one, fd, kernel, _nothing, with_events=False)
                for name, fd in loading.programs.items()
                for one in (loading.spec.programs[name],)
            }
            tables = {name: Table(one, spec.btf, spec.endian) for name, one in kernel.items()}
            undone.pop_all()
        return Installed(loaded, tables, pins.paths, opened.pop_all(), registered)


def _load(loading: Loading, name: str) -> None:
    """Load a program, whose name goes into every error: the object has others."""
    try:
        loading.program(name)
    except VerifierReject as error:
        raise VerifierReject(f"{error}, in program {name}", error.log) from None
    except (LoadError, Unavailable) as error:
        if str(error).startswith((f"{name}:", f"{name} ")):
            raise
        raise type(error)(f"{error}, in program {name}") from None


def _there(
    spec: ObjectSpec, pin: Pin, reuse: Mapping[str, Any], opened: ExitStack
) -> tuple[dict[str, Path], dict[str, tuple[Fd, MapSpec]]]:
    """Maps to pin by their names, with the pins' paths; and maps that are in the kernel already."""
    there: dict[str, tuple[Fd, MapSpec]] = {}
    for name, one in reuse.items():
        there[name] = given(spec.maps[name], one)
        opened.enter_context(there[name][0])
    wanted = [name for name, one in spec.maps.items() if one.pin == _BY_NAME and name not in reuse]
    if pin is False or not wanted:
        return {}, there
    folder = Path(pin) if pin else ROOT
    check_folder(folder)
    paths = {name: pin_path(folder, name) for name in wanted}
    for name, path in list(paths.items()):
        if path.exists():
            there[name] = shared(spec.maps[name], pinned(path, f"map {name}"), f"the one pinned at {path}")
            opened.enter_context(there[name][0])
            del paths[name]
    return paths, there


def _pin(loading: Loading, pin: Pin, by_name: Mapping[str, Path], pins: Pins) -> None:
    """Last of all, so that a process that is killed before leaves none."""
    folder = Path(pin) if pin else None
    if folder is not None:
        pins.folder(folder)
    for name, path in by_name.items():
        pins.pin(loading.maps[name].fd, path, f"map {name}")
    if folder is None:
        return
    for name, one in loading.maps.items():
        if one.spec.pin != _BY_NAME:
            pins.pin(one.fd, pin_path(folder, name), f"map {name}")
    for name, fd in loading.programs.items():
        pins.pin(fd, pin_path(folder, name), f"program {name}")


def _nothing() -> None:
    """What is closed beside a program of an installation: it owns no map."""
