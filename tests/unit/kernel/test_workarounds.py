"""Objects made fit for kernels that lack something: no kernel is asked."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError, Unavailable, UsageError, VerifierReject
from bpfvm.isa.insn import Insn, insn
from bpfvm.kernel.host.modules import Target
from bpfvm.kernel.programs import lacks as lacking
from bpfvm.kernel.programs import workarounds
from bpfvm.kernel.programs.program import attributes
from bpfvm.kernel.programs.types import Records
from bpfvm.kernel.programs.workarounds import Lacks, without, without_kinds
from bpfvm.obj.btf import codec as btf_codec
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import (
    GLOBAL,
    Const,
    DataSec,
    DeclTag,
    Enum64,
    Float,
    Func,
    FuncProto,
    Fwd,
    Int,
    SecVar,
    Struct,
    Type,
    Typedef,
    TypeTag,
    Var,
)
from bpfvm.obj.cursor import StringTable
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.features import feature
from bpfvm.tables.progs import BY_NAME

DATA = MapSpec(".bss", "array", 4, 8, 1, flags=1 << 10, initial=bytes(8))
COUNTS = MapSpec("counts", "array", 4, 8, 1, flags=1 << 10)


def of(*parts: MapSpec, code: tuple[Insn, ...] = (insn("exit"),)) -> ObjectSpec:
    return ObjectSpec({"p": ProgramSpec("p", "xdp", "xdp", code)}, {one.name: one for one in parts})


def lacks(*names: str) -> Lacks:
    return frozenset(names)


def test_a_kernel_that_lacks_nothing_gets_the_object_as_it_is() -> None:
    spec = of(DATA, COUNTS, code=(insn("call", imm=113), insn("exit")))
    assert without(spec, lacks()) is spec


def test_data_is_no_memory_of_user_space_where_arrays_cannot_be_mapped() -> None:
    found = without(of(DATA, COUNTS), lacks("map_mmap"))
    assert (found.maps[".bss"].flags, found.maps["counts"].flags) == (0, 1 << 10)
    assert workarounds.with_mapped_data(found).maps[".bss"] == DATA


def test_data_that_no_program_refers_to_is_left_out_where_there_is_no_global_data() -> None:
    assert list(without(of(DATA, COUNTS), lacks("global_data")).maps) == ["counts"]


def test_data_that_a_program_refers_to_is_named_where_there_is_no_global_data() -> None:
    spec = of(DATA, code=(insn("lddw_map_value", 1, symbol=".bss"), insn("exit")))
    with pytest.raises(Unavailable) as caught:
        without(spec, lacks("global_data"))
    assert str(caught.value) == (
        "p uses global variables (map .bss), which this kernel does not have (since 5.2); keep them in a map of one "
        "element"
    )


@pytest.mark.parametrize(("number", "old"), [(112, 4), (113, 4), (114, 45), (115, 45), (4, 4), (1, 1)])
def test_reads_that_say_whose_memory_it_is_become_old_ones(number: int, old: int) -> None:
    spec = of(code=(insn("call", imm=number), insn("call_local", imm=113), insn("exit")))
    found = without(spec, lacks("probe_read_kernel")).programs["p"]
    assert [one.imm for one in found.insns] == [old, 113, 0]


def test_map_types_are_named() -> None:
    ring, outer = MapSpec("events", "ringbuf", 0, 0, 4096), MapSpec("o", "array_of_maps", 4, 4, 1, inner=COUNTS)
    with pytest.raises(Unavailable) as caught:
        without(of(ring), lacks("map/ringbuf"))
    assert str(caught.value) == (
        "map events: this kernel has no maps of type ringbuf (since 5.8); there, events go through a perf_event_array"
    )
    with pytest.raises(Unavailable, match=r"^map o: this kernel has no maps of type array \(since 3.19\)$"):
        without(of(outer), lacks("map/array"))


# types

INT = Int("int", 4, 32)
KINDS: list[tuple[str, Type, Type]] = [
    ("btf_func", Func("f", 2, GLOBAL), Typedef("f", 2)),
    ("btf_func", FuncProto(1, (("a", 1),)), Fwd("function")),
    ("btf_global_func", Func("f", 2, GLOBAL), Func("f", 2, 0)),
    ("btf_datasec", DataSec(".bss", 8, (SecVar(3, 0, 8),)), Struct("_bss", 8, ())),
    ("btf_datasec", Var("v", 1), Typedef("v", 1)),
    ("btf_float", Float("long double", 16), Struct("long_double", 16, ())),
    ("btf_decl_tag", DeclTag("bpf_kptr:x", 1), Fwd("tag")),
    ("btf_type_tag", TypeTag("user", 1), Const(1)),
    ("btf_enum64", Enum64("big", 8, (("A", 1 << 40),), True), Int("big", 8, 64, is_signed=True)),
    ("btf_enum64", Enum64("", 8, (("A", 1),)), Int("_", 8, 64)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "one", "instead"), KINDS)
def test_a_kind_that_a_kernel_lacks_becomes_another_under_the_same_number(name: str, one: Type, instead: Type) -> None:
    btf = Btf([INT, FuncProto(1, ()), Var("w", 1), one])
    same = lacks("btf_func", "btf_global_func") if isinstance(one, Func) else lacks()
    others = lacks(*lacking.KINDS) - {name} - same
    assert without_kinds(btf, others)[4] == one
    assert without_kinds(btf, lacks(name))[4] == instead
    assert btf[4] == one


def test_types_can_be_written_whatever_is_lacking() -> None:
    btf = Btf([INT, *(one for _, one, _ in KINDS)])
    for names in [*((one,) for one in lacking.KINDS), lacking.KINDS]:
        assert btf_codec.encode(without_kinds(btf, lacks(*names)), StringTable(), "little")


# what is handed over beside the instructions


def test_names_and_records_are_left_away() -> None:
    program, row = ProgramSpec("p", "cgroup_skb/egress", "cgroup_skb", (insn("exit"),)), BY_NAME["cgroup_skb"]
    records = Records(bytes(8), bytes(16), 7)
    whole = attributes(program, row, records, Target(5, 6), lacks())
    assert (whole.prog_name, whole.func_info_cnt, whole.line_info_cnt, whole.prog_btf_fd) == (b"p", 1, 1, 7)
    assert (whole.expected_attach_type, whole.attach_btf_id, whole.attach_prog_fd) == (1, 5, 6)
    for name, left in (
        ("prog_names", (b"", 1, 1, 7)), ("func_info", (b"p", 0, 0, 0)), ("line_info", (b"p", 1, 0, 7)),
    ):  # fmt: skip
        attr = attributes(program, row, records, Target(), lacks(name))
        assert (attr.prog_name, attr.func_info_cnt, attr.line_info_cnt, attr.prog_btf_fd) == left


# when it is tried again


def test_what_an_object_uses() -> None:
    always = ("prog_names", "map_names", "func_info", "line_info")
    assert lacking.used(of()) == always
    spec = of(DATA, MapSpec("r", "ringbuf", 0, 0, 4096), code=(insn("call", imm=115), insn("exit")))
    more = ("global_data", "map_mmap", "probe_read_kernel", "map/array", "map/ringbuf")
    assert lacking.used(spec) == (*always, *more)
    assert all(feature(name) for name in (*always, *more, *lacking.KINDS))


def test_a_load_is_tried_again_without_what_is_lacking(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[tuple[int, Lacks]] = []

    def build(spec: ObjectSpec, without: Lacks) -> str:
        tried.append((spec.maps[".bss"].flags, without))
        if not without:
            raise LoadError("no")
        return "done"

    monkeypatch.setattr(lacking, "raise_memory_limit", lambda: False)
    monkeypatch.setattr(lacking, "lacking", lambda *names: lacks("map_mmap"))
    assert lacking.attempted(of(DATA), build) == "done"
    assert tried == [(1 << 10, lacks()), (0, lacks("map_mmap"))]


@pytest.mark.parametrize("error", [LoadError("first"), Unavailable("first"), VerifierReject("first", "log")])
def test_the_first_error_counts_where_nothing_is_lacking(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def build(spec: ObjectSpec, without: Lacks) -> None:
        raise error

    monkeypatch.setattr(lacking, "raise_memory_limit", lambda: False)
    monkeypatch.setattr(lacking, "lacking", lambda *names: lacks())
    with pytest.raises(type(error), match=r"^first$") as caught:
        lacking.attempted(of(), build)
    assert caught.value is error


def test_what_the_caller_did_wrong_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def build(spec: ObjectSpec, without: Lacks) -> None:
        raise UsageError("wrong")

    monkeypatch.setattr(lacking, "lacking", lambda *names: pytest.fail("the kernel was asked"))
    with pytest.raises(UsageError, match=r"^wrong$"):
        lacking.attempted(of(), build)


def test_a_load_is_tried_again_with_more_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def build(spec: ObjectSpec, without: Lacks) -> int:
        tried.append(1)
        if len(tried) == 1:
            raise Unavailable("EPERM")
        return len(tried)

    monkeypatch.setattr(lacking, "raise_memory_limit", lambda: True)
    monkeypatch.setattr(lacking, "lacking", lambda *names: lacks())
    assert lacking.attempted(of(), build) == 2
