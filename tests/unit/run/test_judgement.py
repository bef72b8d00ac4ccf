"""Verdicts on programs that need the kernel's types: those in use, without a kernel."""

from __future__ import annotations

import pytest

from bpfvm import Hash, bpf, ktime, u32, u64
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.obj.btf.table import Btf
from bpfvm.run.judgement import judged
from bpfvm.vmlinux import task_struct

started = Hash(u32, u64)


@bpf.tp_btf("sched_wakeup")
def woken(p: task_struct) -> None:
    started[p.pid] = ktime()


@bpf.kprobe("do_exit")
def ended(code: u64) -> None:
    started.pop(u32(code), None)


def test_types_in_use_decide() -> None:
    verdict = woken.verify()
    assert (verdict.verdict, verdict.message) == ("accept", "")
    assert verdict.processed > 10
    assert ended.verify().verdict == "accept"


def test_without_the_type_it_stays_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = woken.object
    monkeypatch.setattr(type(KERNEL), "types", property(lambda self: Btf(())))
    verdict, _ = judged(spec, "woken")
    assert (verdict.verdict, verdict.message) == (
        "undecided",
        "uses tracepoint sched_wakeup, which these types do not have",
    )


def test_words_on_members_are_not_those_of_half_the_types(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ships with bpfvm does not have every struct: only a whole kernel's types say that a member is none."""
    from bpfvm.verifier.program.object import verify
    from bpfvm.verifier.report.verdict import Verdict

    words = "access beyond struct task_struct at off 99999 size 8"

    def refusing(*given: object, **options: object) -> Verdict:
        return Verdict("reject", words, 3, 4) if "types" in options else verify(*given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("bpfvm.run.judgement.verify", refusing)
    monkeypatch.setattr(type(KERNEL), "are_shipped", property(lambda self: True))
    assert judged(woken.object, "woken")[0].verdict == "undecided"
    monkeypatch.setattr(type(KERNEL), "are_shipped", property(lambda self: False))
    assert judged(woken.object, "woken")[0].message == words
