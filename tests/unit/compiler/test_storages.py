"""Values that belong to tasks, inodes, cgroups and sockets: the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bpfvm import Program, TaskStorage, UsageError, u8, u64
from bpfvm.core.diag import CompileError
from tests import kernel_btf
from tests.engines import EMULATORS
from tests.unit.compiler import storage_programs as programs
from tests.unit.compiler.test_core import PARENT, SOCK, TASK, sock, task

FILE, INODE, GROUPS, GROUP = (0xFFFF_8880_0009_0000 + 0x1000 * at for at in range(4))
MEMORY = {
    TASK: bytes(8) + GROUPS.to_bytes(8, "little") + task(5, 6, PARENT)[16:],
    PARENT: task(3, 4, TASK),
    SOCK: sock(),
    FILE: INODE.to_bytes(8, "little"),
    INODE: bytes(8) + (7).to_bytes(8, "little"),
    GROUPS: GROUP.to_bytes(8, "little"),
}
# Arguments of `counted` with what each call gives, in one session: kernel_tests/maps/test_storages.py has the kernel's
CALLS = ((1, 2102), (2, 4104), (5, 50108), (6, 50), (6, 7126), (7, 8134), (7, 8141), (8, 142), (8, 108))


@pytest.mark.parametrize("engine", ["cpython", *EMULATORS])
def test_values_of_the_current_task(engine: str) -> None:
    with (
        kernel_btf.in_use(),
        programs.counted.session(engine, helpers={"get_current_task_btf": lambda: TASK}) as session,
    ):
        given = [replace(programs.counted.input((one,)), memory=MEMORY) for one, _ in CALLS]
        found = [session.outcome(one) for one in given]
    assert [one.value for one in found] == [want for _, want in CALLS]
    assert all(one.fault is None for one in found)


CASES: tuple[tuple[Program, tuple[int, ...], Mapping[int, int]], ...] = (
    (programs.switched, (TASK, PARENT), {0: 0, 1: 0, 2: 9}),
    (programs.switched, (PARENT, PARENT), {0: 8, 1: 1, 2: 9}),
    (programs.opened, (FILE,), {0: 10}),
    (programs.woken, (TASK,), {0: 4, 1: 1}),
    (programs.connecting, (SOCK,), {0: 42}),
)


@pytest.mark.parametrize(("program", "given", "want"), CASES, ids=lambda one: getattr(one, "name", "_"))
def test_values_of_the_kernels_objects(program: Program, given: tuple[int, ...], want: Mapping[int, int]) -> None:
    with kernel_btf.in_use():
        outcome = program.check(*given, memory=MEMORY)
    assert outcome.fault is None
    assert outcome.maps["out"] == {at: want.get(at, 0) for at in range(8)}
    assert len(outcome.engines) > len(EMULATORS)


@pytest.mark.parametrize(("program", "given"), [(programs.switched, (0, 0)), (programs.woken, (PARENT,))])
def test_a_store_by_null_is_a_fault(program: Program, given: tuple[int, ...]) -> None:
    with kernel_btf.in_use():
        outcome = program.check(*given, memory=MEMORY)
    assert outcome.fault is not None
    assert outcome.fault.kind == "MapError"
    assert "has no value for this object" in outcome.fault.message


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (programs.unknown, "does not know that a task_struct is there"),
        (programs.pointed, "does not know that a task_struct is there"),
        (programs.other, "a key of `socks` is a socket, such as skb.sk, or a sock of the kernel's, got a KernelPtr"),
        (programs.forbidden, "`skb.sk` may be None here"),
    ],
)
def test_what_is_no_key(program: Program, words: str) -> None:
    with kernel_btf.in_use(), pytest.raises(CompileError) as caught:
        program.compiled  # noqa: B018
    assert any(words in one.message for one in caught.value.diags), caught.value.diags


def test_declarations() -> None:
    assert TaskStorage(u64).max_entries == 0
    with pytest.raises(UsageError, match="a default is a number"):
        TaskStorage(u8[4], default=0)  # type: ignore[misc, valid-type]
