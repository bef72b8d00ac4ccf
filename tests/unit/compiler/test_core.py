"""The kernel's types in programs: CO-RE relocations, the types of an object, what loaders make of them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bpfvm import vmlinux
from bpfvm.core.errors import LoadError
from bpfvm.lang.types import kernel as kernel_types
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Member, Struct
from bpfvm.obj.core.relocations import missing, relocate
from tests import kernel_btf
from tests.unit.compiler import core_programs

TASK, PARENT, SOCK = 0xFFFF_8880_0000_1000, 0xFFFF_8880_0000_2000, 0xFFFF_8880_0000_3000


@pytest.fixture
def kernel() -> Iterator[Any]:
    """`bpfvm.vmlinux`, of the made-up kernel."""
    with kernel_btf.in_use() as found:
        yield found


def task(pid: int, tgid: int, parent: int, bits: int = 0, nice: int = 0) -> bytes:
    """A task_struct as the made-up kernel lays it out."""
    out = bytearray(152)
    struct.pack_into("<I12xiiQ16s", out, 24, 2, pid, tgid, parent, b"comm of it")
    struct.pack_into("<II", out, 76, bits, nice)
    struct.pack_into("<QQ", out, 88, 7, 9)
    struct.pack_into("<Q4I?", out, 112, 1 << 40, 10, 20, 30, 40, True)
    return bytes(out)


def sock() -> bytes:
    """A sock as the made-up kernel lays it out."""
    out = bytearray(128)
    struct.pack_into("<II4xHHHB", out, 0, 0x0100007F, 0x0200007F, 0x5000, 99, 2, 2)
    out[24:40] = bytes(range(16))
    return bytes(out)


MEMORY = {TASK: task(5, 6, PARENT, 0b11111 << 4 | 8, 0b100001 << 2), PARENT: task(3, 4, 0), SOCK: sock()}


PROGRAMS = {
    "chain": (core_programs.chain, TASK, 456),
    "kinds": (core_programs.kinds, TASK, 2 + 1000 + 30 + 30 + 9 + 1 + (1 << 40)),
    "fields": (core_programs.fields, TASK, 1000 + 310 - 31),
    "unions": (core_programs.unions, SOCK, 0x0100007F + 0x5000 + 99 + 3 + 0x0F0E0D0C),
    "static": (core_programs.static, 0, 152040),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_all_machines_read_the_same(name: str) -> None:
    program, given, want = PROGRAMS[name]
    outcome = program.check(given, memory=MEMORY)
    assert outcome.value == want
    assert len(outcome.engines) >= 3


def moved() -> Btf:
    """The made-up kernel, its tasks laid out another way."""
    types = kernel_btf.types()
    number = types.find(Struct, "task_struct")
    assert number is not None
    old = types[number]
    assert isinstance(old, Struct)
    members = tuple(Member(one.name, one.type, one.offset + 8 * 64, one.bits) for one in old.members)
    types.define(number, Struct(old.name, old.size + 64, (Member("first", 1, 0), *members)))
    return types


@pytest.mark.parametrize(("name", "want"), [("chain", 456), ("fields", 1279)])
def test_another_kernels_layout(name: str, want: int) -> None:
    """What is compiled for one kernel reads the right fields on another."""
    from bpfvm.emulator import INTERP
    from bpfvm.run.session import Session

    program = PROGRAMS[name][0]
    spec = relocate(program.object, moved())
    memory = {at: bytes(64) + data for at, data in MEMORY.items()}
    with Session(INTERP, spec, name, program.signature) as session:
        assert session.outcome(program.input((TASK,), memory=memory)).value == want
        assert session.outcome(program.input((TASK,), memory=MEMORY)).value != want


def test_a_kernel_without_the_field() -> None:
    types = kernel_btf.types()
    number = types.find(Struct, "task_struct")
    assert number is not None
    types.define(number, Struct("task_struct", 8, (Member("pid", 5, 0),)))
    spec = relocate(PROGRAMS["chain"][0].object, types)
    lacking = [text for one in spec.programs["chain"].insns if (text := missing(one)) is not None]
    assert lacking == [
        "struct task_struct.real_parent, which the target does not have",
        "struct task_struct.tgid, which the target does not have",
        "struct task_struct.tgid, which the target does not have",
    ]


def test_the_object_holds_what_is_asked_for() -> None:
    spec = PROGRAMS["unions"][0].object
    assert spec.btf is not None
    number = spec.btf.find(Struct, "sock")
    assert number is not None
    (common,) = spec.btf[number].members  # type: ignore[union-attr]
    names = [one.name for one in spec.btf[common.type].members]  # type: ignore[union-attr]
    assert names == ["skc_daddr", "skc_dport", "skc_num", "skc_state", "skc_v6_daddr"]
    asked = [(one.kind, one.access) for one in spec.programs["unions"].core]
    assert asked == [
        ("field_byte_offset", access) for access in ("0:0:3", "0:0:4:0:1", "0:0:0", "0:0:1", "0:0:2", "0:0:4:0:0")
    ]


def test_it_is_told_in_words() -> None:
    text = PROGRAMS["fields"][0].disasm()
    for words in ("field_byte_offset struct task_struct.in_execve", "field_lshift_u64 struct task_struct.jobctl",
                  "field_byte_size struct task_struct.nice"):  # fmt: skip
        assert f"CO-RE {words}" in text, text


def test_the_file_is_read_back(tmp_path: Path) -> None:
    from bpfvm.obj.reader.object import read_object
    from bpfvm.obj.writer.object import write_object

    spec = PROGRAMS["chain"][0].object
    path = tmp_path / "chain.o"
    path.write_bytes(write_object(spec))
    again = read_object(str(path))
    assert [(one.slot, one.kind, one.access) for one in again.programs["chain"].core] == [
        (one.slot, one.kind, one.access) for one in spec.programs["chain"].core
    ]


def test_types_in_python(kernel: Any) -> None:
    task_struct = kernel.task_struct
    assert kernel.task_struct is task_struct
    assert repr(task_struct) == "<struct task_struct of the kernel>"
    assert repr(task_struct.pid) == "s32 pid at 40"
    assert repr(task_struct.in_execve) == "u32 in_execve at 76 (1 bits from 3 on)"
    assert task_struct["__state"].offset == 24
    assert task_struct.stime.offset == 96
    assert isinstance(task_struct.fields["stack"], kernel_types.Field)
    assert not hasattr(task_struct, "state")
    assert not hasattr(kernel, "nothing")
    assert kernel.enum.TCP_SYN_RECV == 3
    with pytest.raises(AttributeError, match="no enumerator 'TCP_NOTHING'"):
        kernel.enum.TCP_NOTHING  # noqa: B018
    with pytest.raises(AttributeError, match="no 'task_strict'; did you mean 'task_struct'"):
        kernel.task_strict  # noqa: B018
    with pytest.raises(ImportError, match="the kernel's types have no 'sock_'"):
        exec("from bpfvm.vmlinux import sock_")


def test_a_file_without_types(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    before = vmlinux._kernel.path
    with pytest.raises(LoadError, match="neither BTF nor ELF"):
        vmlinux.load(tmp_path / "empty")
    vmlinux._kernel.path = before
