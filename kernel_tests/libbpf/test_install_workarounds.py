"""Kernels that lack something, played by this one: what they would refuse is refused before it gets the call.

The probes run against the same play, so that a load finds out by itself what is lacking; nothing tells it.
"""

from __future__ import annotations

import ctypes
import errno
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bpfvm.core.errors import Unavailable, VerifierReject
from bpfvm.core.machine import Input
from bpfvm.isa.insn import insn
from bpfvm.kernel import KERNEL, features
from bpfvm.kernel.attr import MapInfo, inform
from bpfvm.kernel.maps import map as maps
from bpfvm.kernel.objects.install import install
from bpfvm.kernel.probes import load as probes_load
from bpfvm.kernel.probes import map as probes_map
from bpfvm.kernel.programs import lacks, types
from bpfvm.kernel.programs import program as programs
from bpfvm.kernel.programs.workarounds import READS, without_kinds
from bpfvm.kernel.sys import BTF_LOAD, MAP_CREATE, PROG_LOAD, BtfLoad, MapCreate, ProgLoad, bpf
from bpfvm.obj.btf.codec import BY_NUMBER
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object
from bpfvm.tables.maps import BY_NAME as MAP_TYPES
from kernel_tests.libbpf.whole import ProgramInfo, program_facts

OBJECTS = Path(__file__).parents[2] / "tests" / "objects"
FRAME = bytes(64)
MMAPABLE = 1 << 10
PASS = (insn("mov64_k", 0, imm=2), insn("exit"))
LDDW, MAP_VALUE = 0x18, 2  # the opcode of lddw; its source register for a map's value


@dataclass(frozen=True, slots=True)
class Old:
    """An old kernel: `refuses` tells of an attribute whether it says EINVAL to it."""

    lacks: frozenset[str]
    refuses: Callable[[int, Any], bool]


def instructions(attr: ProgLoad) -> list[tuple[int, int, int, int]]:
    """Opcode, registers, offset, immediate of each slot."""
    return list(struct.iter_unpack("=BBhi", ctypes.string_at(attr.insns, attr.insn_cnt * 8)))


def kinds(attr: BtfLoad) -> set[str]:
    """Names of the kinds in BTF that is loaded, in the words of the features."""
    data = ctypes.string_at(attr.btf, attr.btf_size)
    head, offset, length = struct.unpack_from("=I", data, 4)[0], *struct.unpack_from("=II", data, 8)
    at, end, found = head + offset, head + offset + length, set()
    while at < end:
        _, info, _ = struct.unpack_from("=III", data, at)
        number, count = info >> 24 & 0x1F, info & 0xFFFF
        name = BY_NUMBER[number].type.__name__
        found.add(name + ("Global" if name == "Func" and count == 1 else ""))
        at += 12 + _behind(name, count)
    return found


def _behind(name: str, count: int) -> int:
    """Bytes behind struct btf_type (Documentation/bpf/btf.rst)."""
    each = {"Enum": 8, "FuncProto": 8, "Struct": 12, "Union": 12, "DataSec": 12, "Enum64": 12}
    return {"Int": 4, "Var": 4, "DeclTag": 4, "Array": 12}.get(name, each.get(name, 0) * count)


def calls(attr: ProgLoad, number: int) -> bool:
    return any(one[0] == 0x85 and one[1] >> 4 == 0 and one[3] == number for one in instructions(attr))


def uses_values(attr: ProgLoad) -> bool:
    return any(one[0] == LDDW and one[1] >> 4 == MAP_VALUE for one in instructions(attr))


PROGRAMS: dict[str, Callable[[ProgLoad], bool]] = {
    "prog_names": lambda attr: bool(attr.prog_name),
    "func_info": lambda attr: bool(attr.func_info_cnt),
    "line_info": lambda attr: bool(attr.line_info_cnt),
    "global_data": uses_values,
}
CREATED: dict[str, Callable[[MapCreate], bool]] = {
    "map_names": lambda attr: bool(attr.map_name),
    "map_mmap": lambda attr: bool(attr.map_flags & MMAPABLE),
    "map/ringbuf": lambda attr: attr.map_type == MAP_TYPES["ringbuf"].number,
}
LOADED: dict[str, tuple[str, ...]] = {
    "btf_func": ("Func", "FuncGlobal", "FuncProto"), "btf_global_func": ("FuncGlobal",), "btf_float": ("Float",),
    "btf_datasec": ("DataSec", "Var"), "btf_decl_tag": ("DeclTag",), "btf_type_tag": ("TypeTag",),
    "btf_enum64": ("Enum64",), "btf_load": tuple(one.type.__name__ for one in BY_NUMBER.values()),
}  # fmt: skip


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Make the kernel lack the features of these names, until the test ends."""

    def lacking(*names: str) -> None:
        def played(command: int, attr: Any) -> int:
            number = refusal(command, attr, names)
            if number:
                raise OSError(number, "an old kernel's no")
            return bpf(command, attr)

        for module in (programs, maps, types, probes_load, probes_map):
            monkeypatch.setattr(module, "bpf", played)
        features.forget()

    yield lacking
    monkeypatch.undo()
    features.forget()


def refusal(command: int, attr: Any, names: tuple[str, ...]) -> int:
    """The errno of the old kernel, 0 where this one is asked."""
    if command == PROG_LOAD:
        if "probe_read_kernel" in names and any(calls(attr, number) for number in READS):
            text = b"invalid func unknown#113\n"
            if attr.log_buf:
                ctypes.memmove(attr.log_buf, text + b"\0", len(text) + 1)
            return errno.EINVAL
        return errno.EINVAL if any(PROGRAMS[name](attr) for name in names if name in PROGRAMS) else 0
    if command == MAP_CREATE:
        return errno.EINVAL if any(CREATED[name](attr) for name in names if name in CREATED) else 0
    if command == BTF_LOAD:
        unknown = {kind for name in names for kind in LOADED.get(name, ())}
        return errno.EINVAL if kinds(attr) & unknown else 0
    return 0


def program_of(*code: Any) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "tp/a/b", "tracepoint", code)}, {})


@pytest.mark.parametrize("names", [("prog_names",), ("map_names",), ("prog_names", "map_names", "map_mmap")])
def test_without_names(old: Callable[..., None], names: tuple[str, ...]) -> None:
    spec = ObjectSpec(
        {"p": ProgramSpec("p", "xdp", "xdp", (insn("lddw_map_value", 1, symbol=".data"), *PASS))},
        {".data": MapSpec(".data", "array", 4, 8, 1, initial=b"declared")},
    )
    old(*names)
    with install(spec) as installed:
        assert program_facts(installed.programs["p"].fd.number)[-1] == ("" if "prog_names" in names else "p")
        info = MapInfo()
        inform(installed.maps[".data"].fd.number, info)
        assert info.name == (b"" if "map_names" in names else b".data")
        assert bool(info.map_flags & MMAPABLE) == ("map_mmap" not in names)
        assert installed.maps[".data"][0] == b"declared"
        assert installed.programs["p"].run(Input(packet=FRAME)).r0 == 2


@pytest.mark.parametrize(("name", "functions", "lines"), [("func_info", 0, 0), ("line_info", 3, 0), ("", 3, 1)])
def test_without_records(old: Callable[..., None], name: str, functions: int, lines: int) -> None:
    spec = read_object(OBJECTS / "calls_static.o")
    if name:
        old(name)
    with install(spec) as installed:
        info = ProgramInfo()
        inform(next(iter(installed.programs.values())).fd.number, info)
        assert (bool(info.functions), bool(info.lines)) == (bool(functions), bool(lines))


def test_without_reads_that_say_whose_memory_it_is(old: Callable[..., None]) -> None:
    code = (
        insn("mov64_x", 1, 10), insn("add64_k", 1, imm=-8), insn("mov64_k", 2, imm=8), insn("mov64_k", 3),
        insn("call", imm=113), insn("mov64_k", 0), insn("exit"),
    )  # fmt: skip
    old("probe_read_kernel")
    with install(program_of(*code)) as installed:
        assert installed.programs["p"].spec.insns[4].imm == 4
    KERNEL.load(program_of(*code), "p").close()


def test_without_ring_buffers(old: Callable[..., None]) -> None:
    ring = {"events": MapSpec("events", "ringbuf", 0, 0, 4096)}
    old("map/ringbuf")
    with pytest.raises(Unavailable) as caught:
        install(ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", PASS)}, ring))
    assert str(caught.value) == (
        "map events: this kernel has no maps of type ringbuf (since 5.8); there, events go through a perf_event_array"
    )


def test_without_global_data(old: Callable[..., None]) -> None:
    data = {".data": MapSpec(".data", "array", 4, 8, 1, initial=bytes(8))}
    used = ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", (insn("lddw_map_value", 1, symbol=".data"), *PASS))}, data)
    old("global_data")
    with pytest.raises(Unavailable, match=r"^p uses global variables \(map \.data\), which this kernel does not have"):
        install(used)


@pytest.mark.parametrize("name", sorted(LOADED))
def test_without_kinds_of_types(old: Callable[..., None], name: str) -> None:
    """Whole objects with many kinds of types load; those of the map stay where the kernel can have them."""
    old(name)
    loaded, typed = 0, 0
    for file in ("btf_kinds.o", "data_mixed.o", "calls_callbacks.o", "all_together.o", "core_loaded.o"):
        spec = read_object(OBJECTS / file)
        first = next(iter(spec.programs))
        if file == "calls_callbacks.o" and name in ("btf_func", "btf_load"):  # the verifier wants to know of callbacks
            with pytest.raises((VerifierReject, Unavailable)):
                KERNEL.load(spec, first)
            continue
        with KERNEL.load(spec, first) as program:
            info = ProgramInfo()
            inform(program.fd.number, info)
            typed += bool(info.functions)
        loaded += 1
    print(f"without {name}: {loaded} programs loaded, {typed} of them with their functions")
    assert loaded >= 4
    assert bool(typed) == (name not in ("btf_func", "btf_load"))


def test_types_without_any_kind_are_taken_by_this_kernel() -> None:
    """All transformations at once, of every object's types."""
    taken = 0
    for path in sorted(OBJECTS.glob("*.o")):
        btf = read_object(path).btf
        if btf is None:
            continue
        spec = ObjectSpec({}, {}, without_kinds(btf, frozenset(lacks.KINDS)))
        one = types.ObjectTypes(spec)
        assert one.number, path.stem
        one.close()
        taken += 1
    print(f"the types of {taken} objects taken without {', '.join(lacks.KINDS)}")
    assert taken >= 60


@pytest.mark.parametrize(
    "name", ["data_mixed", "xdp_calls", pytest.param("all_together", marks=pytest.mark.needs("kernel_symbols"))]
)
def test_a_kernel_that_takes_the_object_is_asked_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = read_object(OBJECTS / f"{name}.o")
    monkeypatch.setattr(lacks, "lacking", lambda *names: pytest.fail(f"{names} were probed"))
    with install(spec) as installed:
        assert installed.programs


def test_this_kernel_lacks_nothing_of_it() -> None:
    btf, names = Btf(), ("prog_names", "map_names", "func_info", "line_info", "global_data", "map_mmap")
    assert len(btf) == 0
    assert lacks.lacking(*names, *lacks.KINDS, "probe_read_kernel", "map/ringbuf", "map/no_such") == frozenset()
    assert not lacks.raise_memory_limit()
