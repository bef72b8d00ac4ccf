"""Kernel functions offline: what the verifier would refuse is a fault, weak ones are asked for, users' go before them.

What they give is compared with the kernel in kernel_tests/helpers/test_kernel_functions.py and test_packets.py.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bpfvm.core.errors import Unavailable
from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.emulator.kfuncs import IMPLEMENTED
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import FuncProto, Int
from bpfvm.obj.model import ExternSpec, MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.kfuncs import BY_NAME

TIERS = ("interp", "portable")
MAPS = {"v": MapSpec("v", "array", 4, 32, 1)}
TYPES = Btf([Int("int", 4, 32, is_signed=True), FuncProto(1, ())])


def run(text: str, engine: str, kind: str = "syscall", weak: bool = False, **answers: object) -> Result:
    insns = tuple(one if one.op.name != "lddw" else replace(one, symbol="bpf_of_tomorrow") for one in assemble(text))
    called = {one.symbol for one in insns if one.op.name == "call_kfunc" and one.symbol}
    externs = {name: ExternSpec(name, "kfunc", 2, weak) for name in called}
    spec = ObjectSpec({"p": ProgramSpec("p", kind, kind, insns)}, MAPS, TYPES, externs=externs)
    given = Input(ctx=bytes(8)) if kind == "syscall" else Input(packet=bytes(range(64)))
    with Emulator(engine, answers=answers).load(spec, "p", {}) as loaded:  # type: ignore[arg-type]
        return loaded.run(given)


def call(name: str, *arguments: str) -> str:
    given = "".join(f"{text.format(f'r{number}')}\n" for number, text in enumerate(arguments, 1))
    return f"{given}call kfunc[bpf_{name}]@0\n"


AT = "{0} = r10\n{0} += -16"
NUMBERS, MADE = call("iter_num_new", AT, "{0} = 0", "{0} = 3"), call("dynptr_from_xdp", "{0} = r6", "{0} = 0", AT)
NEXT, DESTROY = call("iter_num_next", AT), call("iter_num_destroy", AT)
END = "r0 = 0\nexit"

REFUSED = [
    ("syscall", NEXT, "points to stack of frame 0+496, where none was begun"),
    ("syscall", NUMBERS, "still owns an iterator of numbers, never destroyed"),
    ("syscall", NUMBERS + call("iter_bits_next", AT), "an iterator of bits points to stack of frame 0+496"),
    ("syscall", NUMBERS + DESTROY + NEXT, "where none was begun"),
    ("syscall", call("iter_num_new", "{0} = map[v]+0", "{0} = 0", "{0} = 3"), "is not an iterator on the stack"),
    ("syscall", call("dynptr_size", AT), "where no dynptr was made"),
    ("syscall", call("rcu_read_unlock"), "ends an RCU section, and there is none"),
    ("syscall", call("preempt_enable"), "ends a section without preemption, and there is none"),
    ("syscall", call("rcu_read_lock"), "an RCU section that began here"),
    ("syscall", call("preempt_disable") * 2 + call("preempt_enable"), "a section without preemption that began here"),
    ("syscall", call("local_irq_save", AT), "a section without interrupts that began here"),
    ("syscall", call("local_irq_restore", "*(u64 *)(r10 -16) = 512\n" + AT), "and there is none"),
    ("syscall", call("dynptr_from_xdp", "{0} = r6", "{0} = 0", AT), "is not for syscall programs"),
    ("xdp", call("dynptr_from_skb", "{0} = r6", "{0} = 0", AT), "is not for xdp programs"),
    ("syscall", call("dynptr_slice_rdwr", AT, "{0} = 0", "{0} = 0", "{0} = 4"), "is not for syscall programs"),
    ("xdp", MADE + call("dynptr_slice", AT, "{0} = 0", "{0} = 0", "{0} = 0"), "must be 1 to"),
    ("xdp", MADE + call("dynptr_slice", AT, "{0} = 62", "{0} = 0", "{0} = 2") + "r7 = *(u32 *)(r0 +0)\n",
     "read of 4 bytes at packet+62, packet is 64 bytes"),
]  # fmt: skip


@pytest.mark.parametrize("engine", TIERS)
@pytest.mark.parametrize(("kind", "text", "message"), REFUSED)
def test_what_the_verifier_refuses_is_a_fault(kind: str, text: str, message: str, engine: str) -> None:
    fault = run(f"r6 = r1\n{text}{END}", engine, kind).fault
    assert fault is not None
    assert message in fault.message
    assert fault.machine


@pytest.mark.parametrize("engine", TIERS)
def test_a_slice_is_of_the_packet_that_was(engine: str) -> None:
    text = f"r6 = r1\n{MADE}" + call("dynptr_slice", AT, "{0} = 4", "{0} = 0", "{0} = 4")
    text += "r7 = r0\nr1 = r6\nr2 = 4\ncall 44\nr0 = *(u8 *)(r7 +0)\nexit"
    result = run(text, engine, "xdp")
    if engine == "interp":  # the other reads what lies there
        assert result.fault is not None
        assert "which was moved by bpf_xdp_adjust_head" in result.fault.message
    else:
        assert (result.fault, result.r0) == (None, 4)


@pytest.mark.parametrize("engine", TIERS)
def test_what_is_weak_is_asked_for(engine: str) -> None:
    asked = "r0 = 7\nr1 = 0 ll\nif r1 == 0 goto out\ncall kfunc[{0}]@0\nout: exit"
    assert run(asked.format("bpf_of_tomorrow"), engine, weak=True).r0 == 7
    assert run(asked.format("bpf_of_tomorrow"), engine, weak=True, bpf_of_tomorrow=lambda: 9).r0 == 9
    fault = run("call kfunc[bpf_of_tomorrow]@0\nexit", engine, weak=True).fault
    assert fault is not None
    assert "bpf_of_tomorrow, a kernel function that is not emulated in this version; give it" in fault.message
    with pytest.raises(Unavailable, match="a kernel function that is not emulated in this version; give it as"):
        run("call kfunc[bpf_of_tomorrow]@0\nexit", engine)
    with pytest.raises(Unavailable, match="takes the address of the kernel's bpf_of_tomorrow"):
        run(asked.format("bpf_of_tomorrow"), engine)


@pytest.mark.parametrize("engine", TIERS)
def test_what_users_give_goes_first(engine: str) -> None:
    assert run(f"{call('strlen', '{0} = 0')}exit", engine).r0 == (1 << 64) - 34  # -ERANGE
    assert run(f"{call('strlen', '{0} = 0')}exit", engine, bpf_strlen=lambda: 40).r0 == 40


def test_every_row_has_a_function() -> None:
    assert set(IMPLEMENTED) == set(BY_NAME)
