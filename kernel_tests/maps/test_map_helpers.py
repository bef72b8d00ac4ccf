"""The table of which helpers take which map types (emulator/maps/operations.py) against the running kernel.

Every pair is a program that calls the helper with arguments of the right kinds and the map; the verifier takes it or
refuses it. Helpers that need an object of the kernel as another argument are left out, by name.
"""

from __future__ import annotations

import os

import pytest

from bpfvm.emulator.maps.operations import HELPERS
from bpfvm.isa.insn import Insn, insn
from bpfvm.tables.helpers import BY_NAME as ROWS
from bpfvm.tables.helpers.row import Arg, Helper
from bpfvm.tables.maps import MAP_TYPES, MapType
from bpfvm.tables.progs import BY_NAME as PROGRAMS
from kernel_tests.loading import Place, Verdict, load, release
from kernel_tests.maps.test_map_types import Maker, btf, inner

pytestmark = pytest.mark.skipif(
    release() != (6, 18), reason=f"measured on 6.18, and this kernel is {os.uname().release}"
)
__all__ = ["btf", "inner"]

# helper -> a program type that may call it; others are for xdp
HOME = {
    "get_stackid": "perf_event", "perf_event_read": "kprobe", "perf_event_read_value": "kprobe",
    "skb_under_cgroup": "sched_cls", "current_task_under_cgroup": "kprobe", "msg_redirect_map": "sk_msg",
    "msg_redirect_hash": "sk_msg", "sk_redirect_map": "sk_skb", "sk_redirect_hash": "sk_skb",
    "sk_select_reuseport": "sk_reuseport", "sock_map_update": "sock_ops", "sock_hash_update": "sock_ops",
    "get_local_storage": "cgroup_skb",
}  # fmt: skip
ATTACHED = {
    "sk_skb": "sk_skb_stream_verdict", "sk_msg": "sk_msg_verdict", "cgroup_skb": "cgroup_inet_egress",
    "sock_ops": "cgroup_sock_ops",
}  # fmt: skip
# what needs more than a map: an object typed by BTF, or a callback with types of its own (tested in
# test_map_types_elements.py by calls that run)
LEFT_OUT = {
    "for_each_map_elem", "user_ringbuf_drain", "sk_storage_get", "sk_storage_delete", "inode_storage_get",
    "inode_storage_delete", "task_storage_get", "task_storage_delete", "cgrp_storage_get", "cgrp_storage_delete",
    "skb_output", "xdp_output",
}  # fmt: skip
SOCKETS = {("sockmap", "map_update_elem"), ("sockhash", "map_update_elem")}  # the value is a socket
LATER = "reference"  # the verifier's word for a record that is not given back, which it looks at behind the call
MEMORY = 64  # bytes below r10 that are zero, and hold every argument that is memory
_ADDRESSES = (Arg.KEY, Arg.VALUE, Arg.VALUE_OUT, Arg.MEM, Arg.OUT, Arg.INOUT, Arg.FIXED)


def call(row: Helper, map_fd: int) -> list[Insn]:
    """A program up to its call of a helper with the map."""
    out = [insn("mov64_x", 6, 1), insn("mov64_k", 0, imm=0)]
    out += [insn("stx64", 10, 0, off=-at) for at in range(8, MEMORY + 1, 8)]
    for register, kind in enumerate(row.args, 1):
        if kind is Arg.MAP:
            out.append(insn("lddw_map", register, imm=map_fd))
        elif kind is Arg.CTX:
            out.append(insn("mov64_x", register, 6))
        elif kind in _ADDRESSES or kind is Arg.DYNPTR_RECORD_OUT:
            out += [insn("mov64_x", register, 10), insn("add64_k", register, imm=-MEMORY)]
        else:
            size = 24 if row.name == "perf_event_read_value" else 8
            out.append(insn("mov64_k", register, imm=size if kind in (Arg.SIZE, Arg.CONST_SIZE) else 0))
    return [*out, insn("call", imm=row.id)]


def verdict(row: Helper, map_fd: int) -> Verdict:
    """What the verifier says of such a call."""
    kind = PROGRAMS[HOME.get(row.name, "xdp")]
    place = Place(kind, ATTACHED.get(kind.name))
    return load(place, [*call(row, map_fd), *place.exit])


def _made(row: MapType, inner: int, btf: int) -> Maker:
    """Keys and values of at least 8 bytes where the type leaves a choice, so that all memory fits."""
    maker = Maker(row, inner, btf)
    if row.name == "lpm_trie":
        maker.base["key_size"] = 8
    return maker


def test_helpers_take_the_map_types_of_the_table(inner: int, btf: int) -> None:
    names = sorted({name for helpers in HELPERS.values() for name in helpers} - LEFT_OUT)
    wrong, compared, taken_by = [], 0, dict.fromkeys(names, 0)
    for row in MAP_TYPES:
        if row.name == "struct_ops":
            continue
        with _made(row, inner, btf).made() as fd:
            assert fd is not None, row.name
            for name in [one for one in names if (row.name, one) not in SOCKETS]:
                said = verdict(ROWS[name], fd)
                taken = said.errno == 0 or LATER in said.log
                taken_by[name] += taken
                compared += 1
                if taken != (name in HELPERS[row.name]):
                    wrong.append(f"{name} on {row.name}: {said.errno} {said.log[-300:]}")
    print(f"{compared} pairs of {len(names)} helpers and map types; left out: {', '.join(sorted(LEFT_OUT))}")
    assert not wrong, "\n".join(wrong)
    assert all(taken_by.values()), taken_by
    assert compared >= 750
