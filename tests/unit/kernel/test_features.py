"""Answers that no kernel is asked for: what an errno means, other systems, a kernel that is switched off."""

from __future__ import annotations

import errno
import platform
from collections.abc import Iterator

import pytest

from bpfvm.kernel import features
from bpfvm.kernel.host import privilege
from bpfvm.kernel.probes import answers
from bpfvm.kernel.probes.answers import Answer, Logged, refused, words

_ALL = ("CAP_BPF", "CAP_NET_ADMIN")
_TEXTS = [
    # errno, log, what the process lacks, cause, words of the reason
    (errno.EINVAL, "", (), "absent", "this kernel does not know it (EINVAL)"),
    (errno.E2BIG, "", (), "absent", "this kernel does not know it (E2BIG)"),
    (524, "", (), "absent", "this kernel does not know it (ENOTSUPP)"),
    (errno.ENOSYS, "", (), "absent", "seccomp profile round this process, has no such system call (ENOSYS)"),
    (errno.EPERM, "", (), "policy", "this host's policy forbids it (EPERM without a verifier log)"),
    (errno.EPERM, "", ("CAP_BPF",), "privilege", "this process lacks CAP_BPF (EPERM)"),
    (errno.EACCES, "", _ALL, "privilege", "this process lacks CAP_BPF and CAP_NET_ADMIN (EACCES)"),
    (errno.E2BIG, "", ("CAP_BPF",), "privilege", "this process lacks CAP_BPF (E2BIG)"),
    (errno.EINVAL, "back-edge from insn 2 to 1\n", ("CAP_BPF",), "privilege", "EINVAL: back-edge from insn 2 to 1"),
    (errno.EINVAL, "0: (85) call x\nunknown func x#9\nprocessed 1 insns\n", (), "absent", "EINVAL): unknown func x#9"),
    (errno.ENOMEM, "", (), "unasked", "(ENOMEM), which says nothing of it"),
]


@pytest.mark.parametrize(("number", "log", "lacks", "cause", "text"), _TEXTS)
def test_what_an_errno_means(
    number: int, log: str, lacks: tuple[str, ...], cause: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(privilege, "lacking", lambda needs: lacks)
    monkeypatch.setattr(privilege, "in_user_namespace", lambda: False)
    answer = refused(Logged(number, log), (), _ALL)
    assert answer.cause == cause, answer
    assert answer.have is (None if cause == "unasked" else False)
    assert text in answer.reason


def test_a_user_namespace_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "lacking", lambda needs: ())
    monkeypatch.setattr(privilege, "in_user_namespace", lambda: True)
    answer = refused(OSError(errno.EPERM, "no"), (), _ALL)
    assert answer == Answer(False, "this process has its capabilities in a user namespace only (EPERM)", "privilege")


def test_where_proc_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privilege, "lacking", lambda needs: None)
    answer = refused(OSError(errno.EPERM, "no"), (), _ALL)
    assert answer == Answer(False, "refused (EPERM); it takes CAP_BPF and CAP_NET_ADMIN", "privilege")


@pytest.mark.parametrize(
    ("options", "cause"),
    [(None, "absent"), (frozenset({"NETKIT"}), "absent"), (frozenset({"NET"}), "configuration")],
)
def test_the_configuration_explains(
    options: frozenset[str] | None, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "configuration", lambda: options)
    answer = answers.absent("not known (EINVAL)", ("NETKIT",))
    assert answer.cause == cause
    assert ("CONFIG_NETKIT" in answer.reason) == (cause == "configuration")


def test_the_last_words_of_a_log() -> None:
    assert words("") == ""
    log = "func#0 @0\n0: R1=ctx()\n0: (85) call bpf_x#9\nthe reason\nprocessed 1 insns (limit 9)\n"
    assert words(log) == "the reason"
    assert words("processed 4098 insns\n") == "processed 4098 insns"


@pytest.fixture
def anew() -> Iterator[None]:
    features.forget()
    yield None
    features.forget()


@pytest.mark.usefixtures("anew")
def test_a_kernel_that_is_switched_off_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BPFVM_KERNEL", "off")
    for name in ("bpf", "ringbuf", "xdp", "fentry", "perf_link", "uprobe_pmu", "prog_by_id"):
        assert features.probe(name) == Answer(None, "bpf(2) is switched off by BPFVM_KERNEL=off", "unasked"), name


@pytest.mark.usefixtures("anew")
@pytest.mark.parametrize("system", ["Darwin", "Windows", ""])
def test_other_systems(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    for name in ("bpf", "ringbuf", "xdp", "uprobe_pmu", "tracefs", "vmlinux_btf"):
        answer = features.probe(name)
        assert answer.have is False
        assert answer.reason == f"it is of Linux, and this is {system or 'an unknown system'}"
