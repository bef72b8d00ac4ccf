"""Probes against bpftool's, against the table of who may call which helper, and against the versions of the table."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import time
from typing import Any

import pytest

from bpfvm.core.errors import UsageError
from bpfvm.kernel import features
from bpfvm.kernel.probes.answers import Answer
from bpfvm.tables import features as table
from bpfvm.tables.features import Feature
from bpfvm.tables.helpers import HELPERS, allowed
from bpfvm.tables.helpers.allowed import UNKNOWN
from bpfvm.tables.maps import MAP_TYPES
from bpfvm.tables.progs import PROGRAM_TYPES
from bpfvm.testing.needs import EXPLAINED, verdict
from kernel_tests.loading import release, version
from kernel_tests.mounts import mounts
from kernel_tests.needs import needs
from kernel_tests.tables.test_tables import _limited, measured_only

# Where bpftool 7.1 with libbpf 1.1 and bpfvm differ on a kernel of 6.18, and why bpftool is wrong
BPFTOOL_IS_WRONG = {
    "tracing": "it tries one attach type, fentry, and where policy refuses that, says no of all: tp_btf and iter load",
}
# Words that libbpf 1.1 takes for a complaint of arguments, so that bpftool calls the helper available
NEW_WORDS = ("program of this type cannot use helper", "not supported for program type", "not allowed in probe")

needs_bpftool = pytest.mark.skipif(shutil.which("bpftool") is None, reason="bpftool is not installed")
namespaces = pytest.mark.skipif(shutil.which("unshare") is None, reason="unshare(1) is not installed")


@functools.cache
def bpftool() -> Any:
    """What bpftool finds. It mounts bpffs: in a mount namespace of its own, which ends with it."""
    command = ["unshare", "--mount", "--propagation", "private", "bpftool", "feature", "probe", "kernel", "-j"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def any_place(program: str) -> bool:
    """Whether programs of the type load for any of its attach types."""
    rows = [row for row in table.every_program() if row.name.split("/")[1] == program]
    return any(features.probe(row.name).have for row in rows)


@needs_bpftool
@namespaces
def test_program_types_are_those_of_bpftool() -> None:
    found = bpftool()["program_types"]
    compared, explained = 0, []
    for row in PROGRAM_TYPES:
        theirs = found.get(f"have_{row.name}_prog_type")
        if theirs is None:  # newer than this bpftool
            continue
        compared += 1
        if any_place(row.name) != theirs:
            assert row.name in BPFTOOL_IS_WRONG, (row.name, theirs)
            explained.append(row.name)
    print(f"{compared} program types, {compared - len(explained)} equal, explained: {', '.join(explained) or 'none'}")
    assert compared >= 31


@needs_bpftool
@namespaces
def test_map_types_are_those_of_bpftool() -> None:
    found = bpftool()["map_types"]
    compared = 0
    for row in MAP_TYPES:
        theirs = found.get(f"have_{row.name}_map_type")
        if theirs is not None:
            assert features.map_type(row.name).have == theirs, (row.name, features.map_type(row.name))
            compared += 1
    print(f"{compared} map types, all equal")
    assert compared >= 31


@needs_bpftool
@namespaces
def test_other_features_are_those_of_bpftool() -> None:
    found = bpftool()
    pairs = {"large_insn_limit": "large_programs", "bounded_loops": "bounded_loops", "v2_isa_extension": "isa_v2",
             "v3_isa_extension": "isa_v3"}  # fmt: skip
    for theirs, mine in pairs.items():
        assert features.probe(mine).have == found["misc"][f"have_{theirs}"], mine
    config = found["system_config"]
    assert features.probe("unprivileged_bpf").have == (config["unprivileged_bpf_disabled"] == 0)
    assert features.probe("jit").have == (config["bpf_jit_enable"] in (1, 2))
    assert features.probe("bpf").have == found["syscall_config"]["have_bpf_syscall"]
    print(f"{len(pairs) + 3} other features equal")


@needs_bpftool
@namespaces
def test_helpers_are_those_of_bpftool() -> None:
    found = bpftool()["helpers"]
    known = {name for names in found.values() for name in names}  # it leaves out those that write to the kernel's log
    equal = explained = 0
    for row in PROGRAM_TYPES:
        names = found.get(f"{row.name}_available_helpers")
        if not names:  # not a type that it can load
            continue
        for helper in HELPERS:
            if f"bpf_{helper.name}" not in known:
                continue
            mine, theirs = features.helper(row.name, helper.name), f"bpf_{helper.name}" in names
            if mine.have == theirs:
                equal += 1
                continue
            assert theirs, (row.name, helper.name, mine)
            assert any(words in mine.reason for words in NEW_WORDS), (row.name, helper.name, mine)
            explained += 1
    print(f"{equal + explained} pairs of program type and helper, {equal} equal, {explained} that bpftool misreads")
    assert equal + explained >= 5_300
    assert equal >= 2_100


HOST = {"probe_write_user", "override_return"}  # which lockdown and the kernel's configuration decide


@measured_only
def test_helpers_are_those_of_the_table() -> None:
    """The table was measured by a loader of the tests' own."""
    compared = there = 0
    for row in PROGRAM_TYPES:
        if not row.number or row.name in UNKNOWN:
            continue
        attach = {"xdp": "xdp"}.get(row.name) or (row.attach_types[0].name if row.attach_types else None)
        for helper in HELPERS:
            answer = features.helper(row.name, helper.name)
            if answer.have is None or answer.cause in ("privilege", "configuration") or helper.name in HOST:
                continue
            assert answer.have == allowed(helper.name, row.name, attach), (row.name, helper.name, answer)
            compared, there = compared + 1, there + bool(answer.have)
    print(f"{compared} pairs, {there} of them may")
    assert compared >= 5_500
    assert there >= 2_300


def everything() -> list[Feature]:
    return [*table.FEATURES, *table.every_program(), *table.every_map()]


def test_versions_of_the_table_hold_on_this_kernel() -> None:
    """What is there is not newer than the kernel; what is not there is newer, or there is a reason beside age."""
    seen = there = 0
    for row in everything():
        answer = features.probe(row.name)
        if answer.have and row.since:
            assert version(row.since) <= release(), row
            there += 1
        what, reason = verdict(row, answer, release())
        assert what != "fail" or answer.cause == "unasked", reason
        if what == "skip":
            print(f"skip: {reason}")
        seen += 1
    print(f"{seen} features asked, {there} there")
    assert seen >= 180
    assert there >= 120 or release() < (6, 12)


def test_every_no_has_its_reason() -> None:
    told = 0
    for row in everything():
        answer = features.probe(row.name)
        assert (answer.cause == "") == bool(answer.have), (row.name, answer)
        if not answer.have:
            assert answer.reason, row.name
            assert answer.reason.isprintable(), row.name
            assert (answer.cause == "unasked") == (answer.have is None), (row.name, answer)
            told += 1
        if answer.cause == "configuration":
            assert re.search(r"CONFIG_\w+", answer.reason), answer
    print(f"{told} reasons")
    assert told


def test_nothing_stays_behind_and_it_is_quick() -> None:
    features.forget()
    before, descriptors = mounts(), set(os.listdir("/proc/self/fd"))
    start = time.perf_counter()
    for row in everything():
        features.probe(row.name)
    spent = time.perf_counter() - start
    assert set(os.listdir("/proc/self/fd")) == descriptors
    assert mounts() == before
    print(f"{len(everything())} probes in {spent:.3f} s")
    assert spent < 5  # 0.1 s measured; other tests run beside it


def test_an_answer_is_kept() -> None:
    first = features.probe("ringbuf")
    assert features.probe("ringbuf") is first
    assert features.probe("map/ringbuf") is first
    assert features.map_type("ringbuf") is first


@measured_only
def test_what_a_process_with_less_is_told() -> None:
    """In a child with CAP_BPF alone: networking and tracing are refused by the name of what lacks."""
    wanted = {"xdp": "CAP_NET_ADMIN", "tcx": "CAP_NET_ADMIN", "kprobe": "CAP_PERFMON", "ringbuf": "",
              "prog_by_id": "CAP_SYS_ADMIN", "uprobe_pmu": "CAP_PERFMON"}  # fmt: skip

    def report() -> bytes:
        answers = {name: features.probe(name) for name in wanted}
        return json.dumps({name: (one.have, one.cause, one.reason) for name, one in answers.items()}).encode()

    said = _limited(("CAP_BPF",), report)
    assert said, "the child failed"
    for name, (have, cause, reason) in json.loads(said).items():
        if not wanted[name]:
            assert have, (name, reason)
        else:
            assert (have, cause) == (False, "privilege"), (name, cause, reason)
            assert f"lacks {wanted[name]}" in reason, (name, reason)
    assert features.probe("xdp").have, "the parent's answers are its own"


def test_programs_helpers_and_kfuncs() -> None:
    assert features.program("xdp").have
    assert features.program("socket_filter").have
    assert features.helper("xdp", "redirect_map").have
    refused = features.helper("socket_filter", "redirect_map")
    assert not refused.have
    assert "redirect_map" in refused.reason
    if features.probe("vmlinux_btf").have:
        assert not features.kfunc("bpfvm_no_such_function").have
        assert "bpfvm_no_such_function" in features.kfunc("bpfvm_no_such_function").reason
    with pytest.raises(UsageError, match="there is no feature 'ringbuff'"):
        features.probe("ringbuff")


NEW = Feature("new", "maps", "map array", "6.6", "a planted feature")


@pytest.mark.parametrize(
    ("answer", "running", "what"),
    [
        (Answer(True), (5, 10), "run"),
        (Answer(True), (6, 18), "run"),
        (Answer(False, "not there", "absent"), (5, 10), "skip"),
        (Answer(False, "not there", "absent"), (6, 5), "skip"),
        (Answer(False, "not there", "absent"), (6, 6), "fail"),
        (Answer(False, "not there", "absent"), (6, 18), "fail"),
        (Answer(None, "not asked", "unasked"), (6, 18), "fail"),
        *((Answer(False, "for a reason", cause), (6, 18), "skip") for cause in sorted(EXPLAINED)),  # type: ignore[arg-type]
    ],
)
def test_a_skip_has_to_be_explained(answer: Answer, running: tuple[int, int], what: str) -> None:
    assert verdict(NEW, answer, running)[0] == what


def test_a_test_that_needs_what_is_there_runs_and_one_that_needs_a_lost_feature_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    needs("bpf", "array", "helper/xdp/redirect_map")
    monkeypatch.setattr(features, "probe", lambda name: Answer(False, "planted", "absent"))
    with pytest.raises(pytest.fail.Exception, match="needs map/ringbuf: planted; this kernel is"):
        needs("ringbuf")
    monkeypatch.setattr(features, "probe", lambda name: Answer(False, "planted", "policy"))
    with pytest.raises(pytest.skip.Exception, match="needs map/ringbuf: planted"):
        needs("ringbuf")
