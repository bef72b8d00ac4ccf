"""References of map values that are exchanged, and what a system call will return."""

from __future__ import annotations

import pytest

from bpfvm.core.machine import Input, Result
from bpfvm.emulator import Emulator
from bpfvm.isa.asm import assemble
from bpfvm.obj.btf.table import Btf
from bpfvm.obj.btf.types import Int, Member, Ptr, Struct, TypeTag
from bpfvm.obj.model import MapSpec, ObjectSpec, ProgramSpec
from bpfvm.tables.helpers import BY_NAME
from tests.engines import EMULATORS

TYPES = Btf([
    Int("unsigned int", 4, 32), Struct("task_struct", 8, (Member("pid", 1, 0),)), TypeTag("kptr", 2), Ptr(3),
    Struct("value", 16, (Member("n", 1, 0), Member("task", 4, 64))),
])  # fmt: skip
MAPS = {"m": MapSpec("m", "array", 4, 16, 1, key_type=1, value_type=5)}
GIVE = {"get_current_task": lambda: b"\x2a" + bytes(7)}
EXCHANGE = "r1 = map[m]+8\nr2 = {}\ncall kptr_xchg\n"


def run(text: str, name: str, kind: str = "syscall", times: int = 1) -> Result:
    insns = assemble(text, helper=lambda name: BY_NAME[name].id if name in BY_NAME else None)
    section = "syscall" if kind == "syscall" else "cgroup/sock_create"
    spec = ObjectSpec({"p": ProgramSpec("p", section, kind, tuple(insns))}, MAPS, TYPES)
    with Emulator(name, answers=GIVE).load(spec, "p", {}) as loaded:
        results = [loaded.run(Input(ctx=bytes(8)) if kind == "syscall" else Input()) for _ in range(times)]
    return results[-1]


@pytest.mark.parametrize("name", EMULATORS)
def test_a_reference_goes_in_and_comes_out(name: str) -> None:
    put = "call get_current_task\nr7 = r0\n" + EXCHANGE.format("r7")
    assert run(put + "exit", name).r0 == 0  # there was none
    assert run(put + EXCHANGE.format("0") + "r1 = r0\nr0 = *(u64 *)(r1 +0)\nexit", name).r0 == 42
    assert run(put + EXCHANGE.format("0") + EXCHANGE.format("0") + "exit", name).r0 == 0
    again = put + EXCHANGE.format("0") + "r8 = r0\nr0 = 0\nif r8 != r7 goto out\nr0 = 1\nout: exit"
    assert run(again, name).r0 == 1
    assert run(put + EXCHANGE.format("r7") + "r0 = *(u64 *)(r0 +0)\nexit", name, times=2).r0 == 42


@pytest.mark.parametrize("name", EMULATORS)
def test_a_place_that_holds_no_reference(name: str) -> None:
    fault = run("r1 = map[m]+0\nr2 = 0\ncall kptr_xchg\nexit", name).fault
    assert fault is not None
    assert "argument 1 of bpf_kptr_xchg#194 is not a place for a kernel object's pointer" in fault.message


@pytest.mark.parametrize("name", EMULATORS)
@pytest.mark.parametrize(("given", "told"), [(0, 0), (-13, -13), (5, 5), ((1 << 32) - 1, -1), (1 << 40, 0)])
def test_what_the_system_call_returns(given: int, told: int, name: str) -> None:
    text = f"r1 = {given} ll\ncall set_retval\nr6 = r0\ncall get_retval\nr0 += r6\nexit"
    assert run(text, name, "cgroup_sock").r0 == told % (1 << 64)
    assert run("call get_retval\nr6 = r0\nr1 = -5\ncall set_retval\nr0 = r6\nexit", name, "cgroup_sock", 2).r0 == 0
