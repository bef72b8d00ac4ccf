"""What instructions name: data, externs and maps of compiled objects, and every relocation that means nothing."""

from __future__ import annotations

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import EXTERN, DataSec, SecVar
from bpfvm.obj.elf import container as elf
from bpfvm.obj.elf.build import NewSymbol
from bpfvm.obj.model import ExternSpec, ObjectSpec
from bpfvm.obj.reader.object import parse_object, read_object
from tests.unit.obj.made import (
    CALL,
    LDDW,
    MAIN,
    OBJECTS,
    RETURN,
    built,
    data,
    debug,
    function,
    of_section,
    section,
    undefined,
    variable,
)

RODATA = [data(".rodata", bytes(range(16)), elf.ALLOC)]
NUMBER, OTHER = variable("number", ".rodata", 4, 4), variable("other", "elsewhere", 0, 4)


def first(file: bytes) -> Insn:
    return parse_object(file).programs["main"].insns[0]


def named(spec: ObjectSpec, program: str) -> list[tuple[str, str, int]]:
    """Operation, name and byte offset (or imm) of each instruction that names something."""
    insns = spec.programs[program].insns
    return [
        (one.op.name, one.symbol, one.imm >> 32 if one.op.name == "lddw_map_value" else one.imm)
        for one in insns
        if one.symbol is not None
    ]


@pytest.mark.parametrize(
    ("symbol", "addend", "offset"),
    [(of_section(".rodata"), 0, 0), (of_section(".rodata"), 8, 8), (NUMBER, 0, 4), (NUMBER, 3, 7),
     (NUMBER, 12, 16), (NUMBER, -8, -4)],
)  # fmt: skip
def test_data_is_named_by_its_symbol_or_section_and_an_addend(symbol: NewSymbol, addend: int, offset: int) -> None:
    code = [insn("lddw", 3, imm=addend & 0xFFFF_FFFF), *RETURN]
    one = first(built(code, (0, elf.R_64_64, symbol), RODATA, [symbol]))
    assert (one.op.name, one.dst, one.src, one.symbol) == ("lddw_map_value", 3, 2, ".rodata")
    assert one.imm == (offset & 0xFFFF_FFFF) << 32


@pytest.mark.parametrize("name", ["extern_kconfig.o", "extern_kconfig_big.o"])
def test_values_of_the_configuration_stand_where_libbpf_puts_them(name: str) -> None:
    """The order is that of `bpftool gen skeleton` for the same variables: by alignment, size, name."""
    spec = read_object(OBJECTS / name)
    places = {one.name: (one.offset, one.size, one.weak) for one in spec.externs.values()}
    assert places == {
        "CONFIG_HZ": (0, 8, False),
        "CONFIG_VETH": (8, 4, True),
        "LINUX_KERNEL_VERSION": (12, 4, False),
        "CONFIG_NOT_THERE": (16, 2, True),
        "CONFIG_BPF": (18, 1, False),
        "CONFIG_MODULES": (19, 1, False),
        "CONFIG_DEFAULT_HOSTNAME": (20, 16, False),
    }
    assert {one.kind for one in spec.externs.values()} == {"kconfig"}
    assert spec.btf is not None
    assert spec.btf.name_of(spec.externs["CONFIG_DEFAULT_HOSTNAME"].type) == "char[16]"
    kconfig = spec.maps[".kconfig"]
    assert (kconfig.type, kconfig.value_size, kconfig.initial, kconfig.flags) == ("array", 36, bytes(36), 0x480)
    section = spec.btf[kconfig.value_type]
    assert isinstance(section, DataSec)
    assert (section.size, [one.offset for one in section.vars]) == (36, [0, 8, 12, 16, 18, 19, 20])
    used = {
        offset for op, symbol, offset in named(spec, "configuration") if (op, symbol) == ("lddw_map_value", ".kconfig")
    }
    assert {0, 8, 12, 16, 18, 19, 20} <= used


@pytest.mark.parametrize("name", ["extern_ksyms.o", "extern_ksyms_big.o"])
def test_symbols_of_the_kernel(name: str) -> None:
    spec = read_object(OBJECTS / name)
    assert spec.btf is not None
    kinds = {one.name: (one.kind, one.weak, spec.btf.name_of(one.type)) for one in spec.externs.values()}
    assert kinds == {
        "bpf_prog_active": ("ksym", False, "int"),
        "runqueues_not_there": ("ksym", True, "u64"),
        "init_task": ("ksym", False, "void"),
        "no_such_symbol": ("ksym", True, "void"),
    }
    found = named(spec, "symbols")
    for one in (("lddw_btf_id", "bpf_prog_active", 0), ("lddw", "init_task", 0), ("lddw", "no_such_symbol", 0),
                ("lddw_btf_id", "runqueues_not_there", 0), ("lddw_map_value", ".bss", 0)):  # fmt: skip
        assert one in found


def test_functions_of_the_kernel() -> None:
    spec = read_object(OBJECTS / "extern_kfuncs.o")
    assert spec.btf is not None
    kinds = {one.name: (one.kind, one.weak, spec.btf.name_of(one.type)) for one in spec.externs.values()}
    assert kinds == {
        "bpf_task_acquire": ("kfunc", False, "function"),
        "bpf_task_release": ("kfunc", False, "function"),
        "bpf_no_such_function": ("kfunc", True, "function"),
    }
    assert named(spec, "newtask") == [
        ("call_kfunc", "bpf_task_acquire", 0),
        ("lddw_btf_id", "bpf_no_such_function", 0),
        ("call_kfunc", "bpf_no_such_function", 0),
        ("call_kfunc", "bpf_task_release", 0),
    ]


def externs(section: str = ".ksyms") -> Btf:
    """An extern int `value`, an extern function `work` and a struct `odd` in `section`; `far` in none."""
    btf = Btf()
    number = btf.add_int("int", 4, is_signed=True)
    proto = btf.add_func_proto(0)
    kinds = [btf.add_var("value", number, EXTERN), btf.add_func("work", proto, EXTERN)]
    if section == ".kconfig":
        kinds = [btf.add_var("odd", btf.add_struct("odd", 4, [("a", number, 0)]), EXTERN)]
    btf.add_func("far", proto, EXTERN)
    btf.add_datasec(section, 0, [SecVar(one, 0, 4) for one in kinds])
    return btf


def test_names_that_the_btf_has_and_no_code_needs_are_no_externs() -> None:
    spec = parse_object(built(LDDW, (0, elf.R_64_64, undefined("value")), debug(externs())))
    assert spec.btf is not None
    assert spec.externs == {"value": ExternSpec("value", "ksym", 1)}


ELSEWHERE = [data("elsewhere", bytes(8))]
TEXT = [section(".text")]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (built(LDDW, (0, elf.R_64_64, OTHER), ELSEWHERE, [OTHER]),
         "function main in section xdp: instruction 0 (lddw) refers to other in section elsewhere, which holds no map, "
         "data or code"),
        (built(LDDW, (0, elf.R_64_64, undefined("jiffies"))),
         "instruction 0 (lddw) refers to the extern symbol jiffies, and .BTF is missing"),
        (built(LDDW, (0, elf.R_64_64, undefined("jiffies")), debug(externs())),
         "refers to the extern symbol jiffies, which .BTF declares neither in .kconfig nor in .ksyms"),
        (built(CALL, (0, elf.R_64_32, undefined("far")), debug(externs())),
         "refers to function far, which another object defines, or the kernel in section .ksyms; link the objects"),
        (built(CALL, (0, elf.R_64_32, undefined("value")), debug(externs())),
         "calls the extern symbol value, which is a variable"),
        (built([insn("lddw", 1, imm=4), *RETURN], (0, elf.R_64_64, undefined("value")), debug(externs())),
         "refers to value + 0x4, and only the start of an extern symbol has an address"),
        (built(LDDW, (0, elf.R_64_64, undefined("odd")), debug(externs(".kconfig"))),
         "extern odd: .kconfig holds numbers, enums and arrays of char, and not struct odd"),
        (built(CALL, (0, elf.R_64_32, of_section(".rodata")), RODATA),
         "instruction 0 (call_local) calls .rodata in section .rodata, which is no code"),
        (built(LDDW, (0, elf.R_64_ABS64, OTHER), ELSEWHERE, [OTHER]),
         "instruction 0 (lddw) has R_BPF_64_ABS64 to other"),
        (built(LDDW, (0, 99, OTHER), ELSEWHERE, [OTHER]), "instruction 0 (lddw) has relocation type 99 to other"),
        (built(RETURN, (0, elf.R_64_64, MAIN)), "instruction 0 (mov64_k) has R_BPF_64_64 to main"),
        (built(LDDW, (8, elf.R_64_64, OTHER), ELSEWHERE, [OTHER]),
         "a relocation at slot 1 (to other), where no instruction starts"),
        (built(RETURN, (4, elf.R_64_64, MAIN)), "R_BPF_64_64 is not the one relocation of an instruction"),
        (built([insn("lddw_map", 1, imm=3), *RETURN]),
         "instruction 0 (lddw_map) names something by number and has no relocation"),
        (built([insn("call_kfunc", imm=3), *RETURN]), "instruction 0 (call_kfunc) names something by number"),
        (built([insn("lddw", 1, imm=1 << 32), *RETURN], (0, elf.R_64_64, of_section(".rodata")), RODATA),
         "refers to .rodata, and the upper half of imm is 1, not 0"),
        (built([insn("call_local", imm=0), *RETURN]),
         "function main in section xdp: instruction 0 calls slot 1 of its section, where no function starts"),
        (built([insn("call_local", imm=0), *RETURN], (0, elf.R_64_32, function("f", ".text")), TEXT),
         "instruction 0 calls slot 1 of section number 2, where no function starts"),
        (built([insn("lddw", 1, imm=4), *RETURN], (0, elf.R_64_64, of_section(".text")), TEXT),
         "refers to .text + 0x4, where no instruction starts"),
    ],
)  # fmt: skip
def test_what_cannot_be_bound_is_named(file: bytes, reason: str) -> None:
    with pytest.raises(LoadError) as caught:
        parse_object(file, "prog.o")
    assert str(caught.value).startswith("prog.o: ")
    assert reason in str(caught.value)


def test_a_relocation_of_no_kind_changes_nothing() -> None:
    assert parse_object(built(RETURN, (0, elf.R_NONE, MAIN))).programs == parse_object(built()).programs


def test_a_map_whose_load_has_the_selector_already() -> None:
    maps = data("maps", b"".join(number.to_bytes(4, "little") for number in (2, 4, 8, 1, 0)))
    symbol = variable("m", "maps", 0, 20)
    one = first(built([insn("lddw_map", 1), *RETURN], (0, elf.R_64_64, symbol), [maps], [symbol]))
    assert (one.op.name, one.symbol) == ("lddw_map", "m")
