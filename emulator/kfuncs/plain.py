"""Kernel functions that are little more than their call: sections, casts, counts, what a device would have known."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bpfvm.emulator.arguments import Function
from bpfvm.emulator.caller import Caller, Operand, Stop
from bpfvm.emulator.contexts import Context
from bpfvm.emulator.maps import MapStore
from bpfvm.emulator.maps.hash import Hashed
from bpfvm.emulator.memory import Pointer
from bpfvm.tables.kfuncs import BY_NAME

RCU, PREEMPTION, INTERRUPTS = "an RCU section", "a section without preemption", "a section without interrupts"
FLAGS = 1 << 9  # what an interrupts' section gives back: that they were on (X86_EFLAGS_IF)


def _begin(caller: Caller, section: str) -> None:
    caller.system.sections.append((section, caller.slot))


def _end(caller: Caller, section: str, name: str) -> None:
    """The innermost of the kind."""
    open_ones = caller.system.sections
    at = next((at for at in reversed(range(len(open_ones))) if open_ones[at][0] == section), None)
    if at is None:
        raise Stop("helper", f"{BY_NAME[name].called} ends {section}, and there is none")
    del open_ones[at]


def rcu_read_lock(caller: Caller) -> None:
    """Nothing is freed while a program runs."""
    _begin(caller, RCU)


def rcu_read_unlock(caller: Caller) -> None:
    """Stop where there is no section."""
    _end(caller, RCU, "bpf_rcu_read_unlock")


def preempt_disable(caller: Caller) -> None:
    """Programs run one after the other."""
    _begin(caller, PREEMPTION)


def preempt_enable(caller: Caller) -> None:
    """Stop where there is no section."""
    _end(caller, PREEMPTION, "bpf_preempt_enable")


def local_irq_save(caller: Caller, flags: Pointer) -> None:
    """The flags are for local_irq_restore alone."""
    _begin(caller, INTERRUPTS)
    caller.write(flags, FLAGS.to_bytes(8, "little"), BY_NAME["bpf_local_irq_save"].called)


def local_irq_restore(caller: Caller, flags: bytes) -> None:
    """Stop where there is no section."""
    _end(caller, INTERRUPTS, "bpf_local_irq_restore")


def rdonly_cast(caller: Caller, pointer: Operand, kind: int) -> Operand:
    """The pointer."""
    return pointer


def map_sum_elem_count(caller: Caller, store: MapStore) -> int:
    """Elements of a hash map; 0 of other types."""
    return len(store.table) if isinstance(store, Hashed) else 0


def _unknown(caller: Caller, context: Context, *places: Pointer) -> int:
    """-EOPNOTSUPP, as of a device that knows nothing."""
    return -errno.EOPNOTSUPP


FUNCTIONS: Mapping[str, Function] = {
    "bpf_rcu_read_lock": rcu_read_lock,
    "bpf_rcu_read_unlock": rcu_read_unlock,
    "bpf_preempt_disable": preempt_disable,
    "bpf_preempt_enable": preempt_enable,
    "bpf_local_irq_save": local_irq_save,
    "bpf_local_irq_restore": local_irq_restore,
    "bpf_rdonly_cast": rdonly_cast,
    "bpf_map_sum_elem_count": map_sum_elem_count,
    "bpf_xdp_metadata_rx_timestamp": _unknown,
    "bpf_xdp_metadata_rx_hash": _unknown,
    "bpf_xdp_metadata_rx_vlan_tag": _unknown,
}
