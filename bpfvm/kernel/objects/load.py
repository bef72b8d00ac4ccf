"""An object on its way into the kernel: maps made and filled, symbols bound, programs loaded, prog arrays filled.

`Loading` is the way that everything goes: one program for a run (`load_object`), a whole object to stay
(`bpfvm.kernel.objects.install`). What one of them needs is made at its first use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import Any, TypeAlias

from bpfvm.core.errors import BpfvmError, LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.core.machine import Entries
from bpfvm.kernel.attr import PROG_BIND_MAP, BindMap
from bpfvm.kernel.host.modules import OpenModules, Place, Target, target_of
from bpfvm.kernel.host.names import RunningKernel, adapted
from bpfvm.kernel.maps.map import KernelMap
from bpfvm.kernel.programs import arguments, scalars, struct_ops
from bpfvm.kernel.programs.lacks import attempted
from bpfvm.kernel.programs.program import chosen, load_program, map_names
from bpfvm.kernel.programs.types import ObjectTypes
from bpfvm.kernel.programs.workarounds import Lacks
from bpfvm.kernel.runs.run import LoadedProgram
from bpfvm.kernel.sys import Fd, bpf, switched_off
from bpfvm.obj.core.externs import KCONFIG
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.values.typed_map import variables
from bpfvm.tables.maps import BY_NAME as MAP_TYPES
from bpfvm.tables.sections import of_section

Contents: TypeAlias = "Entries | Mapping[Any, Any]"
"""What a map holds from the start: bytes, or values typed by BTF as `bpfvm.kernel.maps.table.Table` takes them."""

_PROGRAMS, _CONSTANTS = "prog_array", ".rodata"


def load_object(spec: ObjectSpec, program: str, maps: Mapping[str, Entries]) -> LoadedProgram:
    """Load `program` with the maps that it refers to, or that `maps` gives contents for.

    CO-RE relocations and externs are resolved for the running kernel. Programs that stand in prog arrays are loaded
    with it. Raises LoadError for an object that no kernel can take, VerifierReject for a program that this one refuses,
    Unavailable for what this host does not have or allow. On any error everything that was opened is closed.
    """
    check_switch()
    one, row = chosen(spec, program)
    if scalars.is_of_scalars(one) and not _has_syscall_programs(spec, program):
        return load_object(scalars.as_xdp(spec, program), program, maps)

    def build(spec: ObjectSpec, lacks: Lacks) -> LoadedProgram:
        with ExitStack() as opened:
            loading = Loading(spec, [program], opened, maps, lacks=lacks)
            for name in dict.fromkeys((*map_names(one, spec.maps), *maps)):
                loading.map(name, program, asked=name in maps)
            fd = loading.program(program)
            loading.fill_programs()
            beside = ExitStack()
            loaded = LoadedProgram(row, loading.spec.programs[program], fd, loading.maps, beside.close)
            beside.enter_context(opened.pop_all())
            return loaded

    return attempted(spec, build)


def _has_syscall_programs(spec: ObjectSpec, program: str) -> bool:
    """Whether this kernel has programs of type syscall (since 5.14) that may use these maps; what forbids them is told
    by the load."""
    from bpfvm.kernel import features

    queues = any(spec.maps[name].type in ("queue", "stack") for name in map_names(spec.programs[program], spec.maps))
    asked = (features.program("syscall"), *((features.probe("sleepable_queues"),) if queues else ()))
    return not any(one.have is False and one.cause == "absent" for one in asked)


def check_switch() -> None:
    """Unavailable where the kernel is not to be asked at all."""
    reason = switched_off()
    if reason is not None:
        raise Unavailable(reason)


class Loading:
    """What was made of an object so far, by name. All of it is closed with `opened`."""

    def __init__(
        self, spec: ObjectSpec, programs: Iterable[str], opened: ExitStack, contents: Mapping[str, Contents],
        there: Mapping[str, tuple[Fd, MapSpec]] | None = None, lacks: Lacks = frozenset(),
        told: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        """programs: what is going to be loaded. contents: of maps, beside what they declare. there: maps that are in
        the kernel already, with what they are. lacks: see bpfvm.kernel.programs.workarounds. told: where the verifier's
        statistics go, by program."""
        self._opened, self._contents, self._there, self._lacks = opened, contents, there or {}, lacks
        self._told = told
        self._given = spec
        self.spec, self._modules = adapted(spec, reached(spec, programs, contents))
        self.maps: dict[str, KernelMap] = {}
        self.programs: dict[str, Fd] = {}
        # Descriptors of what may stand in maps. Programs and maps are numbered apart: one's id is also another's.
        self._named: dict[str, dict[str, int]] = {"map": {}, "program": {}}
        self._filled: set[str] = set()
        self._types = ObjectTypes(self.spec)
        opened.callback(self._types.close)
        self._open_modules = OpenModules(opened)

    def map(self, name: str, user: str, asked: bool = False) -> KernelMap:
        """The map `name`, made at its first use with the maps that stand in it, and filled but for prog arrays.

        user: the program or map that needs it. asked: the caller gave contents for it.
        """
        if name in self.maps:
            return self.maps[name]
        if name not in self.spec.maps:
            kind: type[BpfvmError] = UsageError if asked else LoadError
            raise kind(f"{user}: there is no map {name!r}; the maps are {', '.join(self.spec.maps) or 'none'}")
        one = self.maps[name] = self._made(self.spec.maps[name])
        self._opened.callback(one.close)
        self._named["map"][name] = one.fd.number
        if one.spec.type != _PROGRAMS:
            for inner in _standing(one.spec, self._contents.get(name, [])):
                if inner in self.spec.maps:
                    self.map(inner, name)
            self._fill(one)
            one.freeze()
        return one

    def _made(self, spec: MapSpec) -> KernelMap:
        if spec.name in self._there:
            fd, known = self._there[spec.name]
            return KernelMap(known, named=self._standing_in(spec), fd=fd)
        return KernelMap(spec, self._types.number, self._standing_in(spec), nameless="map_names" in self._lacks)

    def _standing_in(self, spec: MapSpec) -> dict[str, int]:
        """What can stand in a map, by name."""
        row = MAP_TYPES.get(spec.type)
        return self._named["map" if row is not None and row.holds == "map" else "program"]

    def _fill(self, one: KernelMap) -> None:
        """The declared contents, then those that the caller gave."""
        one.fill()
        given = self._contents.get(one.spec.name, [])
        if not isinstance(given, Mapping):
            one.write(given)
        elif one.spec.initial is not None and not one.shared:
            one.write([(bytes(one.spec.key_size), with_variables(one.spec, self.spec, given))])
        else:
            from bpfvm.kernel.maps.table import Table

            table = Table(one, self.spec.btf, self.spec.endian)
            for key, value in given.items():
                table[key] = value

    def program(self, name: str) -> Fd:
        """The program `name`, loaded at its first use."""
        if name in self.programs:
            return self.programs[name]
        one, row = chosen(self.spec, name)
        for wanted in map_names(one, self.spec.maps):
            self.map(wanted, name)
        section, target = of_section(one.section), Target()
        if section.btf and section.program_type == row.name:
            kernel = RunningKernel()
            place = target_of(section, kernel.types, kernel.named_modules)
            self._check(one, arguments.at(section, place, kernel.types, kernel.named_modules))
            target = self._open_modules.target(place)
        elif row.name in ("raw_tracepoint", "kprobe") and section.target:
            self._check(one, arguments.by_name(section, RunningKernel()))
        if row.name == "struct_ops":
            table, at = struct_ops.member_of(self.spec, name)
            there = self._layout(table)
            member = struct_ops.index_of(self.spec, table, at, there)
            self._check(one, arguments.of_member(there.types, there.struct, member))
            target = replace(self._open_modules.target(Place(there.table, there.module)), member=member)
        modules = [self._open_modules.number(module) for module in self._modules]
        try:
            fd = load_program(
                one, self.spec.license, self.maps, self.spec.maps, self._types.records(one), target, modules,
                self._lacks, self._told,
            )  # fmt: skip
        except (VerifierReject, Unavailable) as error:
            from bpfvm.kernel.programs.requirements import explained  # which loads programs to find out

            raise explained(self.spec, name, error) from None
        self._opened.enter_context(fd)
        self.programs[name], self._named["program"][name] = fd, fd.number
        return fd

    def _check(self, one: ProgramSpec, there: arguments.Prototype | None) -> None:
        """LoadError where the program takes its arguments for what they are not in this kernel."""
        if there is not None:
            arguments.check(one, self.spec.btf, self._given.programs[one.name].core, self._data(), there)

    def _data(self) -> dict[str, bytes]:
        """What stays in maps as it is: constants, and what the kernel says of itself."""
        found = {}
        for name, one in self.spec.maps.items():
            given = self._contents.get(name, [])
            if one.initial is not None and name.startswith((_CONSTANTS, KCONFIG)) and name not in self._there:
                found[name] = with_variables(one, self.spec, given) if isinstance(given, Mapping) else one.initial
        return found

    def table(self, name: str) -> bytes:
        """The map of a table of functions, with what registers it when it is stored there: its programs must be loaded,
        and those that are not are left out."""
        there = self._layout(name)
        stored = struct_ops.value(self.spec, name, there, self._named["program"])
        module = self._open_modules.number(there.module) if there.module else 0
        fd, made = struct_ops.create(self.spec, name, there, self._types.number, module)
        self.maps[name] = KernelMap(made, fd=Fd(fd))
        self._opened.callback(self.maps[name].close)
        return stored

    def _layout(self, table: str) -> struct_ops.Layout:
        kernel = RunningKernel()
        return struct_ops.layout(self.spec, table, kernel.types, kernel.named_modules)

    def bind(self) -> None:
        """Tie each program to the constants of its object, as libbpf does: bpftool reads what they tell of it
        (variables bpf_metadata_…). Kernels before 5.10 cannot, and nothing depends on it."""
        constants = [one.fd for name, one in self.maps.items() if name.startswith(_CONSTANTS)]
        for program in self.programs.values():
            for fd in constants:
                with suppress(OSError):
                    bpf(PROG_BIND_MAP, BindMap(prog_fd=program.number, map_fd=fd.number))

    def fill_programs(self) -> None:
        """The programs of prog arrays, loaded for it; and of the prog arrays that these have."""
        while waiting := [name for name in self.maps if name not in self._filled]:
            for name in waiting:
                self._filled.add(name)
                one = self.maps[name]
                if one.spec.type == _PROGRAMS:
                    for inner in _standing(one.spec, self._contents.get(name, [])):
                        self.program(inner)
                    self._fill(one)


def with_variables(data: MapSpec, spec: ObjectSpec, given: Mapping[str, Any]) -> bytes:
    """The contents of a data section with other values of some variables. UsageError for one that it does not have."""
    known, contents = variables(data, spec.btf, spec.endian), bytearray(data.initial or b"")
    for name, value in given.items():
        one = known.get(name)
        if one is None:
            names = ", ".join(known) or "not described"
            raise UsageError(f"map {data.name}: there is no variable {name!r}; the variables are {names}")
        contents[one.offset : one.offset + one.codec.size] = one.codec.encode(value, f"variable {name}")
    return bytes(contents)


def reached(spec: ObjectSpec, programs: Iterable[str], contents: Mapping[str, Contents]) -> tuple[str, ...]:
    """The programs, and those that they jump to by prog arrays or that `contents` puts there."""
    found, waiting = dict[str, None](), list(programs)
    waiting += [name for key in contents if _type_of(spec, key) == _PROGRAMS for name in _names(contents[key])]
    while waiting:
        name = waiting.pop(0)
        if name in found or name not in spec.programs:
            continue
        found[name] = None
        for one in map_names(spec.programs[name], spec.maps):
            if _type_of(spec, one) == _PROGRAMS:
                waiting += [inside for _, inside in spec.maps[one].contents]
    return tuple(name for name in spec.programs if name in found)


def _type_of(spec: ObjectSpec, name: str) -> str:
    return spec.maps[name].type if name in spec.maps else ""


def _standing(spec: MapSpec, given: Contents) -> list[str]:
    """Names of the programs or maps that stand in a map at load."""
    if MAP_TYPES[spec.type].holds not in ("prog", "map"):
        return []
    return [*(name for _, name in spec.contents), *_names(given)]


def _names(given: Contents) -> list[str]:
    values = given.values() if isinstance(given, Mapping) else (value for _, value in given)
    found = (value.decode(errors="replace") if isinstance(value, bytes) else value for value in values)
    return [one for one in found if isinstance(one, str)]
