"""Calls of helpers: who may call, with what, and what is left in registers, packet pointers, references and locks."""

from __future__ import annotations

from bpfvm.core.articles import an
from bpfvm.isa.insn import Insn
from bpfvm.tables.helpers import BY_ID, Helper, Ret, allowed, allowed_in_table, call_name
from bpfvm.tables.helpers.allowed import HOST
from bpfvm.verifier.callees.arguments import Call, check_arguments
from bpfvm.verifier.callees.matrix import fits
from bpfvm.verifier.callees.object_arguments import returned
from bpfvm.verifier.callees.texts import check_format
from bpfvm.verifier.domain.invalidation import forget_packets, release
from bpfvm.verifier.domain.regs import (
    COMMON,
    MEM,
    OBJECT,
    SCALAR,
    SOCK,
    TCP,
    TRUSTED,
    VALUE,
    Reg,
    pointer,
    unknown,
)
from bpfvm.verifier.domain.scalar import sync
from bpfvm.verifier.domain.stack import scrub
from bpfvm.verifier.domain.state import Ref
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps import callbacks
from bpfvm.verifier.steps.branch import push
from bpfvm.verifier.steps.subprogram import back, leaked
from bpfvm.verifier.structures.locks import lock, unlock

_MAX_ERRNO = 4095
_SIZED_RESULT = frozenset({"get_stack", "get_task_stack", "probe_read_str", "probe_read_kernel_str",
                           "probe_read_user_str"})  # fmt: skip
_CASTS = frozenset({"tcp_sock", "sk_fullsock"})
_LATER = frozenset({"timer_set_callback"})


def call_helper(walk: Walk, one: Insn) -> int | None:
    """Walk a call of a helper: the slot to go on at, None where the path ends."""
    if any(ref.kind == "lock" for ref in walk.state.refs) and one.imm != 94:
        walk.refuse("function calls are not allowed while holding a lock")
    row = _permitted(walk, one)
    call = Call(row)
    check_arguments(walk, call)
    if call.raw is not None:
        scrub(walk, *call.raw)
    if call.given:
        _release(walk, call)
    _special(walk, call)
    for number in range(6):
        walk.touched_regs.add(number)
    walk.clobber(range(6))
    _result(walk, call)
    if call.map is not None and not fits(call.map.spec.type, row.name, walk.setting.row.name, walk.setting.attach_type):
        from bpfvm.tables.maps import BY_NAME

        if call.map.spec.type in ("sockmap", "sockhash") and row.name in ("map_update_elem", "map_delete_elem"):
            walk.say("cannot update sockmap in this context")
        walk.refuse(f"cannot pass map_type {BY_NAME[call.map.spec.type].number} into func {call_name(row.id)}")
    written = row.name == "dynptr_write" and call.dynptr is not None and call.dynptr.name == "skb"
    if row.name == "tail_call":  # which comes back where no other program has run
        return _tail_call(walk) if len(walk.state.frames) > 1 else walk.at + 1
    if row.moves_packet or written:
        forget_packets(walk)
    return walk.at + 1


def _tail_call(walk: Walk) -> int | None:
    """In a function: another program runs, and returns to the caller; or there is none, and the function goes on."""
    push(walk, walk.at + 1)
    forget_packets(walk)
    walk.set(0, unknown())
    return back(walk)


def _permitted(walk: Walk, one: Insn) -> Helper:
    """The helper, which this program may call."""
    row = BY_ID.get(one.imm)
    if one.imm == 0:
        walk.refuse("program of this type cannot use helper bpf_unspec#0")
    if row is None:
        walk.refuse(f"invalid func {call_name(one.imm)}")
    name = walk.setting.row.name
    traced = walk.setting.traced
    if name == "struct_ops" and traced is not None:
        may = allowed_in_table(row.name, traced.table, traced.name)
    else:
        may = allowed(row.name, name, walk.setting.attach_type)
    if may is None:
        walk.undecided(f"helpers in {an(name)} program")
    if not may:
        walk.refuse(f"program of this type cannot use helper {call_name(row.id)}")
    if row.name in HOST:
        walk.undecided(f"bpf_{row.name}, which the host's policy or configuration may refuse")
    if row.gpl and not walk.setting.gpl:
        walk.refuse("cannot call GPL-restricted function from non-GPL compatible program")
    if row.sleeps and not walk.setting.sleepable:
        walk.refuse("helper call might sleep in a non-sleepable prog")
    if row.sleeps and (region := region_of(walk)):
        walk.refuse(f"sleepable helper {call_name(row.id)} in {region} region")
    if row.name in _LATER:
        walk.undecided("timers")
    return row


def region_of(walk: Walk) -> str:
    """The section that is open here and in which nothing may sleep, or ""."""
    if walk.state.rcu:
        return "rcu_read_lock"
    return "non-preemptible" if walk.state.preempt else ""


def _release(walk: Walk, call: Call) -> None:
    if call.ref:
        release(walk, call.ref)
        return
    reg = walk.state.regs[call.given]
    if reg.kind == SCALAR and not reg.m and not reg.v:
        return
    walk.refuse(f"func {call_name(call.row.id)} reference has not been acquired before")


def _special(walk: Walk, call: Call) -> None:
    match call.row.name:
        case "tail_call":
            if call.map is not None and call.map.spec.type != "prog_array":
                walk.refuse("expected prog array map for tail call")
            _note_index(walk, call)
            leaked(walk, "tail_call")
        case "snprintf":
            check_format(walk, call)
        case "get_local_storage":
            reg = walk.state.regs[2]
            if reg.kind != SCALAR or reg.m or reg.v:
                walk.refuse("get_local_storage() doesn't support non-zero flags")
        case name if name in callbacks.CALLING:
            assert call.func is not None
            callbacks.CALLING[name](walk, call.func)
        case "spin_lock":
            lock(walk, walk.state.regs[1])
        case "spin_unlock":
            unlock(walk, walk.state.regs[1])


def _note_index(walk: Walk, call: Call) -> None:
    """A constant index of a prog array is compiled in, so it matters."""
    reg = walk.state.regs[3]
    if call.map is not None and reg.kind == SCALAR and not reg.m and reg.v < call.map.spec.max_entries:
        mark_precise(walk, 3)


_KINDS = {
    Ret.SOCKET_OR_NULL: SOCK, Ret.SOCK_COMMON_OR_NULL: COMMON, Ret.TCP_SOCK_OR_NULL: TCP, Ret.RECORD_OR_NULL: MEM,
    Ret.VALUE: VALUE, Ret.VALUE_OR_NULL: VALUE, Ret.BTF: OBJECT, Ret.BTF_OR_NULL: OBJECT,
    Ret.DYNPTR_MEM_OR_NULL: MEM,
}  # fmt: skip


def _result(walk: Walk, call: Call) -> None:
    """What r0 is."""
    ret, row = call.row.ret, call.row
    if ret is Ret.NOTHING:
        return
    if ret is Ret.NUMBER:
        walk.set(0, _number(walk, call))
        return
    kind = _KINDS.get(ret)
    if kind is None:
        walk.undecided("variables of the kernel (BTF)")
    new = pointer(kind)
    new.null = ret not in (Ret.VALUE, Ret.BTF)
    if kind == OBJECT:
        new.type, new.prefix = returned(walk, row), TRUSTED if row.name == "get_current_task_btf" else ""
    if kind == VALUE:
        _value(walk, call, new)
    if kind == MEM:
        new.size = call.size
        if call.dynptr is not None:
            new.uid, new.ref = call.dynptr.id, call.dynptr.ref
        else:
            new.prefix = "ringbuf_"
    if new.null:
        new.id = walk.new_id()
    if (row.name in _CASTS or row.name.startswith("skc_to_")) and call.ref:
        new.ref = call.ref
    elif row.acquires or (
        row.name == "map_lookup_elem" and call.map is not None and call.map.spec.type in ("sockmap", "sockhash")
    ):
        new.id = new.ref = walk.new_id()
        walk.state.refs = (*walk.state.refs, Ref(new.ref, walk.at))
    walk.set(0, new)


def _value(walk: Walk, call: Call, new: Reg) -> None:
    new.map = call.map
    assert call.map is not None
    spec = call.map.spec
    if call.row.name == "map_lookup_elem" and call.key is not None and call.key < spec.max_entries:
        new.null = False
    if not new.null and call.map.lock is not None:
        new.id = walk.new_id()


def _number(walk: Walk, call: Call) -> Reg:
    new = unknown()
    if call.row.name in _SIZED_RESULT:
        new.smax = call.most
        new.smax32 = min(call.most, (1 << 31) - 1)
        new.smin = new.smin32 = -_MAX_ERRNO
        sync(new)
    elif call.row.name == "get_smp_processor_id":
        new.umax = new.umax32 = new.smax = new.smax32 = walk.setting.cpus - 1
        new.umin = new.umin32 = new.smin = new.smin32 = 0
        sync(new)
    return new


__all__ = ["call_helper", "region_of"]
