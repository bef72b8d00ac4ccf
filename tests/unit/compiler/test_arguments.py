"""Parameters that are arguments: where each comes from, the same on every machine."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pytest

from bpfvm import Program, UsageError, bpf, vmlinux
from bpfvm.core.diag import CompileError
from bpfvm.lang.contexts import usdt
from bpfvm.lang.contexts.formats import of_syscall, of_text
from bpfvm.obj.reader.object import parse_object
from bpfvm.obj.writer.object import write_object
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.syscalls import ARGUMENTS
from tests import kernel_btf
from tests.unit.compiler import argument_programs as programs
from tests.unit.compiler.test_core import MEMORY, PARENT, SOCK, TASK, task

M64 = (1 << 64) - 1
GRAND = 0xFFFF_8880_0000_4000
ALL = {**MEMORY, TASK: task(5, 6, PARENT, nice=0b111111 << 2), PARENT: task(3, 4, GRAND), GRAND: task(1, 9, 0),
       0x1000: b"\x02\x00", 0x2000: b"exit\0", 0x3000: b"/tmp/x\0"}  # fmt: skip


def _switch(prev: bytes = b"bash", pid: int = 7) -> bytes:
    return struct.pack("<8x16siiq16sii", prev, 11, 120, -2, b"next", pid, 120)


def _exec(text: bytes) -> bytes:
    return struct.pack("<8xIii", (len(text) + 1) << 16 | 20, 42, 41) + text + b"\0" * 12


CASES: tuple[tuple[Program, tuple[Any, ...], Mapping[str, Any], Mapping[int, int]], ...] = (
    (programs.connect, (SOCK, 0x1000, -5), {}, {0: 2, 1: 2, 2: -5 & M64}),
    (programs.connect, (), {"regs": {"parm1": SOCK, "si": 0x1000, "dx": 16 | 1 << 32}}, {0: 2, 1: 2, 2: 16}),
    (programs.readline, (0x2000,), {}, {0: 1, 1: 0x2000}),
    (programs.readline, (), {"regs": {"ret": 0x3000}}, {1: 0x3000}),
    (programs.registers, (), {"regs": {"di": 1, "ax": 2, "ip": 3}}, {0: 1, 1: 2, 2: 3}),
    (programs.switch, (TASK, PARENT, 1), {}, {0: 3, 1: 5, 2: 9, 3: ord("o") + 1, 4: 1, 5: M64}),
    (programs.switch, (PARENT, 0, 0), {}, {1: 3, 2: 0, 3: ord("o"), 5: 0}),
    (programs.switch, (0, 5, 0), {}, {}),
    (programs.nullable, (TASK, TASK), {}, {0: 5, 1: 3}),
    (programs.nullable, (PARENT, 0), {}, {0: 3}),
    (programs.connected, (SOCK, -111), {}, {0: 0x5000, 1: -111 & M64}),
    (programs.opened, (77,), {}, {0: 77}),
    (programs.raw, (TASK,), {}, {0: 5}),
    (programs.openat, (0x3000, 577), {}, {0: ord("/"), 1: 577}),
    (programs.open_exit, (-2,), {}, {0: -2 & M64}),
    (programs.event, (_switch(),), {}, {0: 7, 1: -2 & M64}),
    (programs.event, (_switch(b"zsh"),), {}, {1: -2 & M64}),
    (programs.whole, (_switch(),), {}, {0: 7, 1: ord("n")}),
    (programs.declared, (_switch(),), {}, {0: 11}),
    (programs.located, (_exec(b"/bin/ls"),), {}, {0: 42}),
    (programs.located, (_exec(b"/bin/cat"),), {}, {}),
    (programs.sale, (), {"regs": {"di": (1 << 40) | 0xFFFF_FFFE, "si": 0x2000}}, {0: M64 - 1, 1: 1}),
    (
        programs.narrow,
        (0x1FF, 0x100, -1, 0x1FFFF, M64, M64),
        {},
        {0: 255, 1: 0, 2: M64, 3: 0xFFFF, 4: M64, 5: M64 >> 32},
    ),
    (programs.narrow, (1, 2, 1 << 31, 3, 4, 5), {}, {0: 1, 1: 1, 2: -(1 << 31) & M64, 3: 3, 4: 4, 5: 5}),
)


@pytest.mark.parametrize(("program", "given", "named", "want"), CASES, ids=lambda one: getattr(one, "name", "_"))
def test_all_machines_see_them(
    program: Program, given: tuple[Any, ...], named: Mapping[str, Any], want: Mapping[int, int]
) -> None:
    with kernel_btf.in_use():
        outcome = program.check(*given, memory=ALL, **named)
    assert outcome.fault is None
    assert outcome.maps["out"] == {at: want.get(at, 0) for at in range(8)}
    assert len(outcome.engines) >= 3


@pytest.mark.parametrize(
    ("given", "signs", "halves", "wide"),
    [
        ((-1, 0xFFFF, M64), {M64 >> 32: 1}, {-1: 1}, {-1: 1}),
        ((-(1 << 31), 0x8000, 1 << 63), {1 << 31: 1}, {-(1 << 15): 1}, {-(1 << 63): 1}),
        ((7, 0x7FFF, 0), {}, {0x7FFF: 1, 5: 1}, {}),
    ],
)
def test_signed_arguments_are_keys_by_their_bits(
    given: tuple[int, ...], signs: Mapping[int, int], halves: Mapping[int, int], wide: Mapping[int, int]
) -> None:
    outcome = programs.keyed.check(*given)
    assert outcome.fault is None
    assert outcome.maps == {"signs": signs, "halves": halves, "wide": wide}
    assert len(outcome.engines) >= 3


def test_a_program_for_each_target() -> None:
    """One function's code, in the object once for each target, and so in its ELF file."""
    with kernel_btf.in_use():
        made = programs.connected.object
    assert {name: one.section for name, one in made.programs.items()} == {
        "connected": "fexit/tcp_v4_connect",
        "connected_tcp_v6_connect": "fexit/tcp_v6_connect",
    }
    read = parse_object(write_object(made))
    assert {name: one.section for name, one in read.programs.items()} == {
        name: one.section for name, one in made.programs.items()
    }
    first, second = read.programs.values()
    assert (first.insns, len(first.core)) == (second.insns, len(second.core))
    assert programs.connected.places == [("connected", None), ("connected_tcp_v6_connect", None)]


def test_trusted_pointers_are_loaded_through() -> None:
    with kernel_btf.in_use():
        trusted, probed = programs.switch.disasm(), programs.raw.disasm()
    assert "CO-RE field_byte_offset struct task_struct.real_parent" in trusted
    assert trusted.count("probe_read_kernel") == 2  # an element of an array, and a bit-field
    assert probed.count("probe_read_kernel") == 1


def _fails(program: Program) -> list[str]:
    with kernel_btf.in_use(), pytest.raises(CompileError) as caught:
        program.compiled  # noqa: B018
    return [one.message for one in caught.value.diags]


@pytest.mark.parametrize(
    ("decorate", "function", "words"),
    [
        (bpf.kprobe("f"), lambda a, b: 0, "parameter a needs the type that the function has for it"),
        (bpf.uretprobe("/bin/sh:main"), lambda ret, n: 0, "its arguments are gone, and there is only `ret`"),
        (bpf.fentry("tcp_v4_connect"), lambda sk, ret: 0, "there is no argument or field 'ret'"),
        (bpf.fentry("tcp_v4_conect"), lambda sk, n: 0, "the kernel's BTF has no function 'tcp_v4_conect'"),
        (bpf.tp_btf("sched_swich"), lambda prev, next: 0, "the kernel's BTF has no tracepoint 'sched_swich'"),
        (bpf.syscall("openat"), lambda file, flags: 0, "there is no argument or field 'file'"),
        (bpf.tracepoint("sched:nothing"), lambda a, b: 0, "nothing tells the fields of the tracepoint sched:nothing"),
        (bpf.tracepoint("sched:sched_switch"), lambda next_pd: 0, "there is no argument or field 'next_pd'"),
        (bpf.usdt(f"{programs.SHOP}:shop:lost"), lambda a, b: 0, "shop has no USDT probe shop:lost"),
        (bpf.usdt(f"{programs.SHOP}:shop:sale"), lambda a, b, c: 0, "parameter c: the probe has 2 arguments"),
    ],
)
def test_what_has_no_meaning(decorate: Any, function: Any, words: str) -> None:
    found = _fails(decorate(function))
    assert any(words in one for one in found), found


@pytest.mark.parametrize(
    ("target", "function", "why", "help"),
    [
        ("sched_swich", lambda prev: prev.pid, "the kernel's BTF has no tracepoint 'sched_swich'", ""),
        ("sched_switch", lambda prv: prv.pid, "there is no argument or field 'prv'", "did you mean prev?"),
    ],
)
def test_what_a_lone_parameter_was_meant_to_be(target: str, function: Any, why: str, help: str) -> None:
    name = function.__code__.co_varnames[0]
    with kernel_btf.in_use():
        (found,) = bpf.tp_btf(target)(function).diagnose()
    assert (found.code, found.help) == ("E037", help)
    assert found.why.startswith(f"`{name}` is the context: {why}")


def test_tracepoints_of_like_names_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmlinux._kernel, "path", vmlinux.SHIPPED)
    (found,) = bpf.tp_btf("sched_swich")(lambda prev, next: 0).diagnose()
    assert "; did you mean sched_switch" in found.message


def test_seven_arguments() -> None:
    names = "".join(f", a{number}: int" for number in range(7))
    space = bpf.exec(f"def many({names[2:]}): return 0\n", {})
    assert _fails(bpf.kprobe("f")(space["many"])) == ["parameter a6: 6 arguments are passed in registers"]


def test_too_few_given() -> None:
    with kernel_btf.in_use(), pytest.raises(UsageError, match=r"connect takes \(sk, uaddr, n\), got 1 arguments"):
        programs.connect.emulate(5)


def test_operands_of_probes() -> None:
    found = usdt.parse("-4@%edi 8@%r15 1@%al 2@$-7 8@-8(%rbp) 4@(%rax,%rcx,4) 8@0x10(%r9)")
    layout = CONTEXTS["pt_regs"]
    di, r15, ax, bp, cx, r9 = (layout.fields[at].offset for at in (14, 0, 10, 4, 11, 8))
    shown = [(one.type.__name__, one.base, one.index, one.scale, one.plus, one.in_memory) for one in found]
    assert shown == [
        ("s32", di, None, 1, 0, False), ("u64", r15, None, 1, 0, False), ("u8", ax, None, 1, 0, False),
        ("u16", None, None, 1, -7, False), ("u64", bp, None, 1, -8, True), ("u32", ax, cx, 4, 0, True),
        ("u64", r9, None, 1, 16, True),
    ]  # fmt: skip
    for wrong in ("8@sym(%rip)", "3@%eax", "8@%xmm0", "8@", "8@$x", "nothing", "8@(%rax,%zz,2)"):
        with pytest.raises(UsageError, match="of a USDT probe is no register, constant or memory of x86-64"):
            usdt.parse(wrong)


def test_a_format_file() -> None:
    text = """
	field:unsigned short common_type;	offset:0;	size:2;	signed:0;
	field:int common_pid;	offset:4;	size:4;	signed:1;

	field:__data_loc char[] name;	offset:8;	size:4;	signed:0;
	field:pid_t pid;	offset:12;	size:4;	signed:1;
	field:char comm[16];	offset:16;	size:16;	signed:0;
	field:const void * where;	offset:32;	size:8;	signed:0;
	field:unsigned char bytes[6];	offset:40;	size:6;	signed:0;
	field:struct odd odd;	offset:48;	size:12;	signed:0;
	field:bool flag;	offset:60;	size:1;	signed:0;
"""
    shown = {name: (one.offset, one.type.__name__, one.located) for name, one in of_text(text).items()}
    assert shown == {
        "name": (8, "u32", True), "pid": (12, "s32", False), "comm": (16, "char[16]", False),
        "where": (32, "KernelPtr[None]", False), "bytes": (40, "u8[6]", False), "flag": (60, "bool8", False),
    }  # fmt: skip


def test_system_calls() -> None:
    found = of_syscall("sys_enter_openat")
    assert found is not None
    assert {name: one.offset for name, one in found.items()} == {
        "__syscall_nr": 8, "dfd": 16, "filename": 24, "flags": 32, "mode": 40,
    }  # fmt: skip
    assert of_syscall("sys_enter_nothing") is None
    print(f"{len(ARGUMENTS)} system calls")
    assert len(ARGUMENTS) >= 350
    assert max(map(len, ARGUMENTS.values())) == 6


def test_a_session_keeps_its_maps() -> None:
    import bpfvm

    with kernel_btf.in_use(), bpfvm.session(programs.openat) as runs:
        runs.run(0x3000, 1, memory=ALL)
        assert runs.maps["out"][0] == ord("/")
        runs.run(0x2000, 2, memory=ALL)
        assert (runs.maps["out"][0], runs.maps["out"][1]) == (ord("e"), 2)
        runs.run(0x2000, 3)
        assert (runs.maps["out"][0], runs.maps["out"][1]) == (0, 3)
