"""What is compiled for the running kernel: by what it answers, and by default where it answers nothing."""

from __future__ import annotations

import pytest

from bpfvm import bpf, u32
from bpfvm.kernel import features
from bpfvm.kernel.features import Answer
from bpfvm.kernel.programs import target
from bpfvm.lang.target import DEFAULT, Target

OLD = {"isa_v3": Answer(False, "", "absent"), "may_goto": Answer(False, "", "absent"), "bpf_loop": Answer(True)}


def collatz(n: u32) -> u32:
    while n > 1:
        n = n // 2 if n % 2 == 0 else (3 * n + 1) & 0xFFFF
    return n


def test_an_old_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "probe", OLD.get)
    assert target.running() == Target(2, may_goto=False, loop=True)
    program = bpf.xdp(on_fault=0)(lambda ctx: collatz(u32(ctx.rx_queue_index)))
    ops = {one.op.name for one in program._counted.spec.programs[program.name].insns}
    assert "lddw_func" in ops
    assert "may_goto" not in ops
    assert "may_goto" in {one.op.name for one in program.object.programs[program.name].insns}


def test_who_may_not_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    for cause in ("privilege", "policy", "unasked"):
        have = None if cause == "unasked" else False
        monkeypatch.setattr(features, "probe", lambda name, have=have, cause=cause: Answer(have, "", cause))
        assert target.running() == DEFAULT
