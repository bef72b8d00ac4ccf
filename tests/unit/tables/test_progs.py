"""The tables of program types and attach types: laws that all rows keep, and machines that refuse by name."""

from __future__ import annotations

import re

import pytest

import bpfvm
from bpfvm.core.errors import BpfvmError
from bpfvm.emulator import INTERP
from bpfvm.isa.insn import insn
from bpfvm.obj.model import ObjectSpec, ProgramSpec
from bpfvm.tables import progs
from bpfvm.tables.attach import ATTACH_TYPES
from bpfvm.tables.ctx import CONTEXTS
from bpfvm.tables.progs import BY_NAME, PROGRAM_TYPES

NEEDS = {"CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"}


def test_numbers_are_all_there() -> None:
    assert [row.number for row in PROGRAM_TYPES] == list(range(33))
    assert [row.number for row in ATTACH_TYPES] == list(range(58))
    print(f"{len(PROGRAM_TYPES)} program types with unspec, {len(ATTACH_TYPES)} attach types")
    assert len(BY_NAME) >= 33


def test_rows_point_to_rows() -> None:
    for row in PROGRAM_TYPES:
        assert row.context is None or row.name in CONTEXTS[row.context].programs.split(), row.name
        assert set(row.needs) <= NEEDS, row.name
        assert row.layer in (None, "eth", "ip"), row.name
        assert re.fullmatch(r"\d\.\d+", row.since), row.name
        assert not row.test_run or re.fullmatch(r"\d\.\d+", row.test_run), row.name
    assert all(name in BY_NAME for one in ATTACH_TYPES for name in one.programs)
    assert all(name in BY_NAME for one in CONTEXTS.values() for name in one.programs.split())


def test_a_fallback_is_a_value_that_the_verifier_takes_at_every_attach_type() -> None:
    seen = 0
    for row in PROGRAM_TYPES:
        for place in (None, *(one.name for one in row.attach_types)):
            least, most = row.return_range(place) or (row.fallback, row.fallback)
            if row.name != "lsm":  # whose fallback, 0, lets the hook go on; the cgroup's asks for 1
                assert least <= row.fallback <= most, (row.name, place)
            seen += 1
    print(f"{seen} pairs of program and attach type")
    assert seen >= 85


def test_named_values() -> None:
    assert BY_NAME["xdp"].action(2) == "XDP_PASS"
    assert BY_NAME["sched_cls"].action(0xFFFFFFFF) == BY_NAME["sched_cls"].action(-1) == "TC_ACT_UNSPEC"
    assert BY_NAME["sched_cls"].action(2) == "TC_ACT_SHOT"
    assert BY_NAME["socket_filter"].action(0) is None
    assert (progs.XDP_PASS, progs.TC_ACT_SHOT, progs.SK_DROP) == (2, 2, 0)  # type: ignore[attr-defined]


def test_one_name_means_one_value() -> None:
    values: dict[str, int] = {}
    for row in PROGRAM_TYPES:
        for value, name in row.actions.items():
            assert values.setdefault(name, value) == value, name
    assert len(values) >= 20


def test_return_ranges() -> None:
    assert BY_NAME["cgroup_skb"].return_range("cgroup_inet_egress") == (0, 3)
    assert BY_NAME["cgroup_skb"].return_range("cgroup_inet_ingress") == (0, 1)
    assert BY_NAME["cgroup_sock_addr"].return_range("cgroup_udp6_recvmsg") == (1, 1)
    assert BY_NAME["xdp"].return_range("xdp") is None


def test_what_sections_and_attach_types_a_type_has() -> None:
    assert BY_NAME["xdp"].sections[-1] == "xdp"
    assert [one.name for one in BY_NAME["sched_cls"].attach_types] == [
        "tcx_ingress", "tcx_egress", "netkit_primary", "netkit_peer",
    ]  # fmt: skip


def refusal(spec: ObjectSpec) -> str | None:
    """The emulator's refusal of the program f, or None."""
    try:
        INTERP.load(spec, "f", {}).close()
    except BpfvmError as error:
        return str(error)
    return None


@pytest.mark.parametrize("row", PROGRAM_TYPES, ids=lambda row: row.name)
def test_the_emulator_runs_a_type_or_says_in_one_line_that_it_does_not(row: progs.ProgramType) -> None:
    code = (insn("mov64_k", 0, imm=0), insn("exit"))
    said = refusal(ObjectSpec({"f": ProgramSpec("f", "s", row.name, code)}, {}))
    assert said is None or (said.endswith(f", not {row.name}") and "\n" not in said)
    assert said is None or row.name not in ("xdp", "syscall")
    assert said is not None or row.number  # nobody runs "unspec"


def test_all_names_of_results_are_exported() -> None:
    """A program returns them by name, of every type that has names."""
    names = {name: value for row in PROGRAM_TYPES for value, name in row.actions.items()}
    assert len(names) >= 24
    assert {name: getattr(bpfvm, name) for name in names} == names
    assert names.keys() <= set(bpfvm.__all__)
