"""The table of features: names, versions, and that each row can be probed."""

from __future__ import annotations

import re

import pytest

from bpfvm.core.errors import UsageError
from bpfvm.kernel.features import _PROBES
from bpfvm.tables.features import BY_NAME, FEATURES, GROUPS, every_map, every_program, feature, later, version
from bpfvm.tables.maps import MAP_TYPES
from bpfvm.tables.progs import PROGRAM_TYPES


def test_rows_are_whole() -> None:
    rows = [*FEATURES, *every_program(), *every_map()]
    for row in rows:
        assert row.group in GROUPS, row
        assert re.fullmatch(r"|[2-9]\.\d+", row.since), row
        assert row.purpose, row
        assert row.purpose.isascii(), row
        assert row.probe.split()[0] in _PROBES, row
        assert all(re.fullmatch(r"[A-Z0-9_]+", one) and not one.startswith("CONFIG") for one in row.config), row
        assert all(one.startswith("CAP_") for one in row.needs), row
    assert len({row.name for row in rows}) == len(rows)
    print(f"{len(rows)} features")
    assert len(rows) >= 200


def test_every_type_has_a_row() -> None:
    assert {row.name for row in every_map()} == {f"map/{row.name}" for row in MAP_TYPES}
    asked = {row.name.split("/")[1] for row in every_program()}
    assert asked == {row.name for row in PROGRAM_TYPES if row.number}


# Which of the kernels 5.10, 6.1, 6.12 and 6.18 have what, by the releases in which it came
HAD = [
    ("xdp_frags", "-+++"), ("syscall", "-+++"), ("bloom_filter", "-+++"), ("user_ringbuf", "-+++"), ("arena", "--++"),
    ("task_kfuncs", "--++"), ("ringbuf", "++++"), ("fentry", "++++"), ("lsm", "++++"), ("uprobe_multi", "--++"),
    ("tcx", "--++"), ("netfilter", "--++"), ("tp_btf", "++++"), ("iter_link", "++++"), ("kprobe_pmu", "++++"),
    ("map_batch", "++++"), ("large_programs", "++++"), ("isa_v3", "++++"), ("isa_v4", "--++"), ("perf_link", "-+++"),
    ("task_storage", "-+++"), ("cgrp_storage", "--++"), ("stream_read", "---+"), ("acquire_release", "---+"),
    ("helper/xdp/loop", "-+++"), ("program/xdp/xdp_cpumap", "++++"), ("kprobe_multi", "-+++"), ("token_create", "--++"),
    ("pointer_arguments", "-+++"), ("lent_keys", "--++"), ("sleepable_queues", "--++"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "has"), HAD)
def test_versions_tell_kernels_apart(name: str, has: str) -> None:
    since = version(feature(name).since)
    for kernel, sign in zip(((5, 10), (6, 1), (6, 12), (6, 18)), has, strict=True):
        assert (kernel >= since) == (sign == "+"), (name, kernel)


@pytest.mark.parametrize(
    ("name", "row", "since"),
    [
        ("ringbuf", "map/ringbuf", "5.8"),
        ("map/ringbuf", "map/ringbuf", "5.8"),
        ("xdp", "program/xdp", "4.8"),
        ("program/sched_cls/tcx_ingress", "program/sched_cls/tcx_ingress", "6.6"),
        ("helper/xdp/redirect_map", "helper/xdp/redirect_map", "4.14"),
        ("helper/sk_lookup/map_lookup_elem", "helper/sk_lookup/map_lookup_elem", "5.9"),
        ("kfunc/bpf_throw", "kfunc/bpf_throw", ""),
        ("tcx", "tcx", "6.6"),
    ],
)
def test_names(name: str, row: str, since: str) -> None:
    assert (feature(name).name, feature(name).since) == (row, since)


WRONG = ["", "ringbuff", "map/", "map/ringbuff", "program/xdp/tcx_ingress", "program/none", "helper/xdp",
         "helper/xdp/none", "helper/none/loop", "kfunc/", "a/b/c/d", "\n"]  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_names_that_mean_nothing(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        feature(name)
    assert str(caught.value).startswith("there is no feature ")
    assert "\n" not in str(caught.value)


def test_versions() -> None:
    assert version("6.10") > version("6.9") > version("")
    assert later("6.9", "6.10") == "6.10"
    assert all(one in BY_NAME for one in ("bpf", "fentry", "may_goto"))
