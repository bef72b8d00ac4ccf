"""Externs: values of .kconfig, kernel symbols, variables and functions, bound by what a kernel says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bpfvm.core.errors import LoadError
from bpfvm.isa.disasm import text
from bpfvm.isa.insn import Insn, insn
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Array, Enum, Enum64, Func, FuncProto, Int, Ptr, Struct, Type, Typedef, Var
from bpfvm.obj.core import kconfig
from bpfvm.obj.core.externs import SymbolsHidden, addresses, resolved
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.obj.reader.object import read_object

OBJECTS = Path(__file__).resolve().parents[3] / "objects"


@dataclass
class Kernel:
    """A KernelNames that says what a test wants, and notes what it was asked."""

    config: str = ""
    kallsyms: bytes = b"ffffffff81000000 T _stext\n"
    facts: Mapping[str, int] = field(default_factory=dict)
    types: Btf = field(default_factory=Btf)


BOOL, CHAR = Int("_Bool", 1, 8, 0, False, False, True), Int("char", 1, 8, 0, True, True)
VALUES: list[tuple[Type, str, bytes | str]] = [
    (BOOL, "y", b"\1"),
    (BOOL, "n", b"\0"),
    (BOOL, "1", b"\1"),
    (BOOL, "m", "kind bool"),
    (BOOL, "2", "neither 0 nor 1"),
    (BOOL, '"y"', "the value is a string"),
    (CHAR, "y", b"y"),
    (CHAR, "m", b"m"),
    (CHAR, "-128", b"\x80"),
    (CHAR, "127", b"\x7f"),
    (CHAR, "128", "does not fit in the 1 byte"),
    (Int("u8", 1, 8), "255", b"\xff"),
    (Int("u8", 1, 8), "-1", "does not fit in the 1 byte of u8"),
    (Int("s16", 2, 16, 0, True), "-2", b"\xfe\xff"),
    (Int("u32", 4, 32), "0x1000", b"\0\x10\0\0"),
    (Int("u32", 4, 32), "010", b"\x08\0\0\0"),
    (Int("u32", 4, 32), "4294967296", "does not fit in the 4 bytes"),
    (Int("s32", 4, 32, 0, True), "0x80000000", "does not fit"),
    (Int("u64", 8, 64), "0xffffffffffffffff", b"\xff" * 8),
    (Int("s64", 8, 64, 0, True), "0xffffffffffffffff", b"\xff" * 8),
    (Int("u64", 8, 64), "0x10000000000000000", "is no integer, letter or string"),
    (Int("u64", 8, 64), "1_0", "is no integer"),
    (Int("u64", 8, 64), "y", "extern is of kind int"),
    (Int("u64", 8, 64), "", "is no integer"),
    (Int("u64", 8, 64), "09", "is no integer"),
    (Int("u64", 8, 64), "+7", b"\7" + bytes(7)),
    (Enum("libbpf_tristate", 4, ()), "m", b"\2\0\0\0"),
    (Enum64("libbpf_tristate", 8, ()), "y", b"\1" + bytes(7)),
    (Enum("libbpf_tristate", 4, ()), "7", "the extern is a tristate, and the value is an integer"),
    (Enum("tristate", 4, ()), "m", "is of type enum tristate; it may be bool, char, an integer, enum libbpf_tristate"),
    (Array(2, 3, 4), '"abcdef"', b"abc\0"),
    (Array(2, 3, 4), '""', bytes(4)),
    (Array(2, 3, 4), '"', "has no closing quote"),
    (Array(2, 3, 4), "5", "the extern is a string, and the value is an integer"),
    (Array(2, 3, 0), '"x"', "is of type char[0]"),
    (Array(3, 3, 4), '"x"', "is of type int[4]"),
    (Ptr(2), "5", "is of type char *"),
    (Int("u128", 16, 128), "5", "is of type u128"),
]


@pytest.mark.parametrize(("kind", "value", "wanted"), VALUES)
def test_values_of_a_configuration_take_the_type_of_their_extern(kind: Type, value: str, wanted: bytes | str) -> None:
    btf = Btf([Typedef("its_name", 4), CHAR, Int("int", 4, 32, 0, True), kind])
    one = ExternSpec("CONFIG_X", "kconfig", 4, size=btf.size_of(4))
    if isinstance(wanted, bytes):
        assert kconfig.encode(btf, one, value, "little") == wanted
        if len(wanted) in (2, 4, 8) and not isinstance(kind, Array):
            assert kconfig.encode(btf, replace(one, type=1), value, "big") == wanted[::-1]
        return
    with pytest.raises(LoadError) as caught:
        kconfig.encode(btf, one, value, "little")
    assert wanted in str(caught.value)


def test_lines_of_a_configuration() -> None:
    lines = '# comment\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_A=n\nCONFIG_C="a=b"\n CONFIG_D=1\nCONFIG_E\n'
    assert kconfig.values(lines, {"CONFIG_A", "CONFIG_B", "CONFIG_C", "CONFIG_D", "CONFIG_E"}) == {
        "CONFIG_A": "y", "CONFIG_C": '"a=b"',
    }  # fmt: skip


CONFIG = """CONFIG_BPF=y
CONFIG_HZ=250
CONFIG_LONG=-5
CONFIG_LOADABLE=m
CONFIG_LETTER=y
CONFIG_WORDS="abcdefghijk"
"""
FACTS = {"LINUX_KERNEL_VERSION": 0x61200, "LINUX_HAS_BPF_COOKIE": 1, "LINUX_HAS_SYSCALL_WRAPPER": 0}
SYMBOLS = b"ffffffff81000000 T _stext\nffffffff81234560 T __x64_sys_bpf\nffffffffc0000000 t other\t[module]\n"


def kernel_types() -> Btf:
    btf = Btf()
    number = btf.add_int("int", 4, is_signed=True)
    task = btf.add_ptr(btf.add_struct("task_struct", 4, [("pid", number, 0)]))
    btf.add_func("bpf_task_from_pid", btf.add_func_proto(task, [("vpid", number)]))
    btf.add_func("bpf_task_release", btf.add_func_proto(0, [("p", task)]))
    btf.add_var("bpf_prog_active", number)
    return btf


def test_an_object_is_bound_whole() -> None:
    spec = read_object(OBJECTS / "core_externs.o")
    types = kernel_types()
    found = resolved(spec, Kernel(CONFIG, SYMBOLS, FACTS, types))
    values = found.maps[".kconfig"].initial or b""
    at = {
        name: values[one.offset : one.offset + one.size] for name, one in spec.externs.items() if one.kind == "kconfig"
    }
    assert at == {
        "LINUX_KERNEL_VERSION": b"\0\x12\6\0", "LINUX_HAS_BPF_COOKIE": b"\1", "LINUX_HAS_SYSCALL_WRAPPER": b"\0",
        "LINUX_SOMETHING_NEW": b"\0", "CONFIG_HZ": b"\xfa\0", "CONFIG_LONG": b"\xfb" + b"\xff" * 7, "CONFIG_BPF": b"\1",
        "CONFIG_LOADABLE": b"\2\0\0\0", "CONFIG_NOWHERE": bytes(4), "CONFIG_LETTER": b"y", "CONFIG_WORDS": b"abcdefg\0",
    }  # fmt: skip
    before, after = spec.programs["externs"].insns, found.programs["externs"].insns
    bound = {(two.symbol, text(two)) for one, two in zip(before, after, strict=True) if one != two}
    task, release = (types.find(Func, name) for name in ("bpf_task_from_pid", "bpf_task_release"))
    assert bound == {
        ("bpf_task_from_pid", f"call kfunc[bpf_task_from_pid#{task}]@0"),
        ("bpf_task_release", f"call kfunc[bpf_task_release#{release}]@0"),
        ("__x64_sys_bpf", "r3 = 0xffffffff81234560 ll"),
        ("bpf_no_such_function", "r1 = 0x0 ll"),
    }
    assert [one.imm for one in after if one.op.name == "call_kfunc"][-1] == 0
    assert found.externs == {}
    assert resolved(found, Kernel()) == found


def test_variables_are_bound_by_the_id_of_their_declaration() -> None:
    spec, types = read_object(OBJECTS / "core_variables.o"), kernel_types()
    found = resolved(spec, Kernel(types=types)).programs["variables"].insns
    number = types.find(Var, "bpf_prog_active")
    lines = [text(one) for one in found if one.symbol in spec.externs]
    assert lines == [f"r1 = ksym[bpf_prog_active#{number}]@0", "r3 = 0x0 ll"]


def externs(*rows: tuple[ExternSpec, Insn], types: list[Type]) -> ObjectSpec:
    program = ProgramSpec("p", "xdp", "xdp", (*(one for _, one in rows), insn("exit")))
    other = ProgramSpec("q", "xdp", "xdp", (insn("exit"),))
    return ObjectSpec({"p": program, "q": other}, {}, Btf(types), externs={one.name: one for one, _ in rows})


INT = Int("int", 4, 32, 0, True)
CALL, LOAD, PLAIN = insn("call_kfunc", symbol="x"), insn("lddw_btf_id", 1, symbol="x"), insn("lddw", 1, symbol="x")
REFUSED = [
    (
        ExternSpec("x", "kfunc", 2),
        CALL,
        [INT, FuncProto(1, ())],
        [INT],
        "extern x: the kernel's BTF describes no function",
    ),
    (
        ExternSpec("x", "kfunc", 2),
        CALL,
        [INT, FuncProto(1, ())],
        [INT, FuncProto(0, ()), Func("x", 2)],
        "extern x: its type is function [2] here and function [2] in the kernel, which are not compatible",
    ),
    (ExternSpec("x", "ksym", 1), LOAD, [INT], [INT, Func("x", 1)], "extern x: the kernel's BTF describes no variable"),
    (
        ExternSpec("x", "ksym", 1),
        LOAD,
        [INT],
        [Struct("s", 4, ()), Var("x", 1)],
        "its type is int [1] here and struct s [1] in",
    ),
    (
        ExternSpec("x", "ksym", 0),
        PLAIN,
        [],
        [],
        "extern x: the kernel has no symbol of this name; declared __weak it would be 0 then",
    ),
    (
        ExternSpec("twice", "ksym", 0),
        replace(PLAIN, symbol="twice"),
        [],
        [],
        "several symbols of this name, at 0x10 and 0x20",
    ),
]


@pytest.mark.parametrize(("one", "use", "local", "types", "reason"), REFUSED)
def test_what_the_kernel_does_not_have_is_named(
    one: ExternSpec, use: Insn, local: list[Type], types: list[Type], reason: str
) -> None:
    kernel = Kernel(kallsyms=b"10 T twice\n20 t twice\n20 t twice2\n", types=Btf(types))
    spec = externs((one, use), types=local)
    with pytest.raises(LoadError) as caught:
        resolved(spec, kernel)
    assert reason in str(caught.value)
    assert resolved(spec, kernel, "q") == spec, "a program that does not need it can do without"
    if "several" in reason or "struct s" in reason:
        return  # these are errors of weak ones too
    weak = externs((replace(one, weak=True), use), types=local)
    found = resolved(weak, kernel, "p").programs["p"].insns[0]
    assert text(found) in ("call kfunc[x#0]@0", "r1 = 0x0 ll", "call kfunc[x]@0")


def test_a_flavoured_function_is_the_one_without_flavour() -> None:
    local: list[Type] = [INT, FuncProto(1, ())]
    spec = externs((ExternSpec("x___v2", "kfunc", 2), replace(CALL, symbol="x___v2")), types=local)
    assert resolved(spec, Kernel(types=Btf([*local, Func("x", 2)]))).programs["p"].insns[0].imm == 3


@pytest.mark.parametrize(
    ("name", "weak", "reason"),
    [
        (
            "CONFIG_GONE",
            False,
            "extern CONFIG_GONE: the kernel's configuration does not set it, and it is not declared __weak",
        ),
        ("LINUX_NEW", False, "wanted a name CONFIG_… or one of LINUX_KERNEL_VERSION"),
        ("OTHER", True, "extern OTHER of .kconfig: wanted a name CONFIG_…"),
        ("CONFIG_GONE", True, ""),
        ("LINUX_NEW", True, ""),
    ],
)
def test_values_that_are_not_there(name: str, weak: bool, reason: str) -> None:
    one = ExternSpec(name, "kconfig", 1, weak, 0, 4)
    values = MapSpec(".kconfig", "array", 4, 4, 1, initial=bytes(4), section=".kconfig")
    spec = ObjectSpec({}, {".kconfig": values}, Btf([INT]), externs={name: one})
    if not reason:
        assert resolved(spec, Kernel(facts=FACTS)).maps[".kconfig"].initial == bytes(4)
        return
    with pytest.raises(LoadError) as caught:
        resolved(spec, Kernel(facts=FACTS))
    assert reason in str(caught.value)


def test_values_need_their_map() -> None:
    spec = ObjectSpec({}, {}, Btf([INT]), externs={"CONFIG_X": ExternSpec("CONFIG_X", "kconfig", 1, False, 0, 4)})
    with pytest.raises(LoadError, match=r"CONFIG_X is a value of map \.kconfig, which the object does not have"):
        resolved(spec, Kernel("CONFIG_X=1"))


def test_addresses_of_symbols() -> None:
    table = (
        b"ffffffff81000000 T _stext\nffffffff81000010 t a.b\nffffffff81000020 d name.llvm.123\n"
        b"ffffffff81000030 t f.llvm.9\n"
        b"ffffffff81000040 t long_name\nffffffffc0000000 t in_module\t[nf]\nffffffff81000050 ? odd\n"
    )
    wanted = {"a.b", "name", "f", "name_", "long", "in_module", "odd", "aXb"}
    assert addresses(table, wanted) == {
        "a.b": 0xFFFFFFFF81000010,
        "name": 0xFFFFFFFF81000020,
        "in_module": 0xFFFFFFFFC0000000,
        "odd": 0xFFFFFFFF81000050,
    }
    hidden = b"0000000000000000 T _stext\n0000000000000000 T other\n"
    with pytest.raises(SymbolsHidden, match="extern other: the kernel hides the addresses of its symbols from this pr"):
        addresses(hidden, {"other"})
    assert addresses(b"0000000000000000 A per_cpu_start\nffffffff81000000 T _stext\n", {"per_cpu_start"}) == {
        "per_cpu_start": 0
    }
    assert addresses(table, set()) == {}
