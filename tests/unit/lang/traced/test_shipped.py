"""The types that ship: every name that the table wants, every tracepoint with its fields, in few bytes."""

from __future__ import annotations

from bpfvm import vmlinux
from bpfvm.lang.contexts.formats import of_event
from bpfvm.lang.types.described import of_name, struct_of
from bpfvm.lang.types.kernel_btf import KERNEL
from bpfvm.obj.btf.extract import ENUMERATOR, KINDS
from bpfvm.obj.btf.index import open_index
from bpfvm.obj.btf.types import Struct
from bpfvm.tables import linux

MOST = 256 << 10  # bytes: a small part of a kernel's


def test_what_is_wanted_is_there() -> None:
    types = open_index(linux.TYPES)
    count = 0
    for kind, names in linux.wanted().items():
        for name in names:
            count += 1
            found = types.enumerator(name) if kind == ENUMERATOR else next(
                (number for one in KINDS[kind] if (number := types.find(one, name)) is not None), None)  # fmt: skip
            assert found is not None, f"{kind} {name}"
    print(f"{count} names, {linux.TYPES.stat().st_size} bytes")
    assert count >= 500
    assert linux.TYPES.stat().st_size <= MOST


def test_every_tracepoint_tells_its_fields() -> None:
    assert KERNEL.are_shipped
    told = {event: of_event(*event.split(":")) for event in linux.CLASSES}
    print(f"{len(told)} tracepoints, {sum(map(len, told.values()))} fields")
    assert len(told) >= 200
    assert [event for event, fields in told.items() if not fields] == []
    assert list(told["sched:sched_wakeup_new"]) == ["comm", "pid", "prio", "target_cpu"]
    assert told["sched:sched_process_exec"]["filename"].located


def test_functions_are_known_by_name() -> None:
    assert [vmlinux.has_function(one) for one in ("vfs_read", "vfs_reads", "task_struct")] == [True, False, False]


def test_places_are_those_of_the_kernel() -> None:
    """By pahole's kind of facts, which no kernel of this version on this machine has otherwise."""
    types = open_index(linux.TYPES)
    number = types.find(Struct, "sock_common")
    assert number is not None
    common = struct_of(types, number)
    assert [common[name].offset for name in ("skc_daddr", "skc_rcv_saddr", "skc_dport", "skc_family", "skc_state")] == [
        0, 4, 12, 16, 18,
    ]  # fmt: skip
    assert of_name(types, "iphdr").sizeof == 20
    assert of_name(types, "ipv6hdr").sizeof == 40
