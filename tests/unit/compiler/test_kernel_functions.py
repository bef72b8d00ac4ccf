"""Kernel functions beyond those that the emulator has: by what is known of them, and by the kernel's BTF."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from bpfvm import Program, Unavailable, bpf
from bpfvm.core.diag import CompileError
from bpfvm.lang.helpers.kernel_functions import names, row_of
from bpfvm.tables.helpers import Arg
from tests import kernel_btf
from tests.engines import EMULATORS
from tests.unit.compiler import kernel_function_programs as programs
from tests.unit.compiler.test_core import PARENT, TASK, task
from tests.unit.compiler.test_storages import GROUP, GROUPS

MEMORY = {TASK: bytes(8) + GROUPS.to_bytes(8, "little") + task(5, 6, PARENT)[16:], GROUPS: GROUP.to_bytes(8, "little")}


def _weight(p: Any, by: int, data: bytearray, size: int) -> int:
    data[0] = 9
    return -(by + len(data) * 100 + size)


ANSWERS: Mapping[str, Callable[..., Any]] = {
    "get_current_task_btf": lambda: TASK,
    "bpf_task_under_cgroup": lambda task, group: 1,
    "bpf_task_weight": _weight,
}


@pytest.mark.parametrize(
    ("program", "given", "want"),
    [
        (programs.under, (4,), 5),
        (programs.woken, (TASK,), {0: 8}),
        (programs.weighed, (TASK,), {0: (1 << 64) - (0x2345 + 404), 1: 9}),
    ],
    ids=lambda one: getattr(one, "name", "_"),
)
def test_users_answer_for_the_kernel(program: Program, given: tuple[int, ...], want: Any) -> None:
    with kernel_btf.in_use():
        asked = {*program.object.externs, "get_current_task_btf"}
        answers = {name: one for name, one in ANSWERS.items() if name in asked}
        outcome = program.check(*given, memory=MEMORY, helpers=answers)
    assert outcome.fault is None
    if isinstance(want, dict):
        assert outcome.maps["out"] == {at: want.get(at, 0) for at in range(8)}
    else:
        assert outcome.value == want
    assert len(outcome.engines) > len(EMULATORS)


def test_without_an_answer_it_is_said() -> None:
    with kernel_btf.in_use(), pytest.raises(Unavailable, match="bpf_task_under_cgroup"):
        programs.woken.cpython(TASK, memory=MEMORY)


@pytest.mark.parametrize(
    ("program", "code", "words"),
    [
        (programs.forbidden, "E011", "is not for programs of type xdp"),
        (programs.numbers, "E020", "`4` is int; `ancestor` of kernel function bpf_task_under_cgroup is"),
        (programs.others, "E020", "`p` is a KernelPtr[task_struct]; `ancestor` of kernel function"),
        (programs.addresses, "E020", "`t` is an address of which the kernel's verifier does not know what is there"),
        (programs.acquired, "E063", "gives an address, a struct task_struct *"),
        (programs.released, "E063", "which this version cannot give"),
        (programs.nowhere, "E037", "has no attribute `bpf_no_such_function`"),
    ],
)
def test_what_has_no_meaning(program: Program, code: str, words: str) -> None:
    with kernel_btf.in_use(), pytest.raises(CompileError) as caught:
        program.compiled  # noqa: B018
    assert any(one.code == code and words in one.message for one in caught.value.diags), caught.value.diags


def test_rows() -> None:
    known = [row for name in names() if (row := row_of(name)) is not None]
    assert len(known) == len(names()) >= 110
    assert dir(bpf.kfunc) == names()
    with kernel_btf.in_use():
        row = row_of("bpf_task_weight")
    assert row is not None
    assert row.prototype == "s32(struct task_struct *p, u16 by, u8 *bytes, u32 bytes__sz)"
    assert row.args == (Arg.BTF, Arg.ANY, Arg.INOUT, Arg.SIZE_OR_ZERO)
