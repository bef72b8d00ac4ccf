"""Kernel functions that the emulator has, by the names of their rows in bpfvm.tables.kfuncs; a module a theme.

A module is loaded when a program calls a function of its.
"""

from __future__ import annotations

from collections.abc import Mapping

from bpfvm.emulator.arguments import Function, Helper, bind, fault
from bpfvm.emulator.catalogue import Catalogue
from bpfvm.tables.kfuncs import BY_NAME

IMPLEMENTED: Mapping[str, Function] = Catalogue(__name__, "FUNCTIONS", {
    "dynptrs":
        "bpf_dynptr_from_skb bpf_dynptr_from_xdp bpf_dynptr_slice bpf_dynptr_slice_rdwr bpf_dynptr_adjust "
        "bpf_dynptr_is_null bpf_dynptr_is_rdonly bpf_dynptr_size bpf_dynptr_clone bpf_dynptr_copy bpf_dynptr_memset",
    "iterators":
        "bpf_iter_num_new bpf_iter_num_next bpf_iter_num_destroy bpf_iter_bits_new bpf_iter_bits_next "
        "bpf_iter_bits_destroy",
    "plain":
        "bpf_rcu_read_lock bpf_rcu_read_unlock bpf_preempt_disable bpf_preempt_enable bpf_local_irq_save "
        "bpf_local_irq_restore bpf_rdonly_cast bpf_map_sum_elem_count bpf_xdp_metadata_rx_timestamp "
        "bpf_xdp_metadata_rx_hash bpf_xdp_metadata_rx_vlan_tag",
    "strings":
        "bpf_strcmp bpf_strcasecmp bpf_strchr bpf_strnchr bpf_strchrnul bpf_strrchr bpf_strlen bpf_strnlen bpf_strspn "
        "bpf_strcspn bpf_strstr bpf_strnstr",
})  # fmt: skip


def builtin(name: str, program_type: str) -> Helper | None:
    """What programs of a type call under a name; a fault where they may not. None where the emulator has no such."""
    row = BY_NAME.get(name)
    if row is None:
        return None
    if not row.may_call(program_type):
        return fault(f"{row.called} is not for {program_type} programs: the kernel refuses to load such a call")
    return bind(row, IMPLEMENTED[name], program_type)
