"""Calls of kernel functions (kfuncs): who may call, with what, what is left in registers, references and sections."""

from __future__ import annotations

from bpfvm.isa.insn import Insn
from bpfvm.obj.btf.types import Struct
from bpfvm.obj.btf.view import essential_name
from bpfvm.tables.kernel_functions import BY_NAME, KernelFunction
from bpfvm.verifier.callees.kfunc_arguments import Given, check_arguments
from bpfvm.verifier.domain import slots
from bpfvm.verifier.domain.invalidation import forget_packets, release
from bpfvm.verifier.domain.regs import MEM, OBJECT, RCU, READ_ONLY, UNTRUSTED, Reg, pointer, unknown
from bpfvm.verifier.domain.state import Ref
from bpfvm.verifier.paths.walk import Walk, put
from bpfvm.verifier.steps import callbacks
from bpfvm.verifier.steps.calls import region_of
from bpfvm.verifier.steps.subprogram import check_thrown, leaked
from bpfvm.verifier.structures import graph
from bpfvm.verifier.structures.objects import local
from bpfvm.verifier.structures.types import TypeRef

_LOCKED = graph.FUNCTIONS | {
    "bpf_refcount_acquire_impl",
    "bpf_iter_num_new",
    "bpf_iter_num_next",
    "bpf_iter_num_destroy",
}
_POPS = frozenset({"bpf_list_pop_front", "bpf_list_pop_back"})
_PUSHES = frozenset({"bpf_list_push_front_impl", "bpf_list_push_back_impl", "bpf_rbtree_add_impl"})
_LOOKS = frozenset({"bpf_list_front", "bpf_list_back", "bpf_rbtree_first", "bpf_rbtree_root", "bpf_rbtree_left",
                    "bpf_rbtree_right"})  # fmt: skip
_MOVES_PACKET = frozenset({"bpf_xdp_pull_data"})


def row_of(walk: Walk, one: Insn) -> KernelFunction:
    """The row of the function that is called."""
    name = essential_name(one.symbol or "")
    row = BY_NAME.get(name)
    if row is None:
        walk.undecided(f"kernel function {name}")
    return row


def call_kernel(walk: Walk, one: Insn) -> int | None:
    """Walk a call of a kernel function: the slot behind it, or None where the path ends."""
    row = row_of(walk, one)
    _check_held(walk, row)
    if not row.may_call(walk.setting.row.name, walk.setting.attach_type):
        walk.refuse(f"calling kernel function {row.name} is not allowed")
    if row.name.startswith("bpf_xdp_metadata_rx_"):
        walk.undecided("kernel functions of a device's metadata")
    if "sleeps" in row.flags and not walk.setting.sleepable:
        walk.refuse(f"program must be sleepable to call sleepable kfunc {row.name}")
    given = Given(row)
    check_arguments(walk, given)
    if row.name == "bpf_rbtree_add_impl" and given.func is not None and given.head is not None:
        callbacks.compare(walk, given.func, graph.lend(walk, graph.node(walk, given.head)))
    _regions(walk, row)
    if "sleeps" in row.flags and (region := region_of(walk)):
        walk.refuse(f"kernel func {row.name} is sleepable within {region} region")
    if given.given:
        release(walk, given.ref)
    if row.name in _PUSHES:
        graph.lend_all(walk, walk.state.regs[2].ref)
    if row.name == "bpf_throw":
        _throw(walk)
        return None
    given_regs = walk.state.regs[:6]
    for number in range(6):
        walk.touched_regs.add(number)
    walk.clobber(range(6))
    _result(walk, given, given_regs)
    if row.name in _MOVES_PACKET:
        forget_packets(walk)
    return slots.behind(walk, given)


def _check_held(walk: Walk, row: KernelFunction) -> None:
    if any(ref.kind == "lock" for ref in walk.state.refs) and row.name not in _LOCKED:
        walk.refuse("function calls are not allowed while holding a lock")


def _regions(walk: Walk, row: KernelFunction) -> None:
    state, where = walk.state, f"(kernel function {row.name})"
    match row.name:
        case "bpf_preempt_disable":
            state.preempt += 1
        case "bpf_preempt_enable":
            if not state.preempt:
                walk.refuse(f"unmatched attempt to enable preemption {where}")
            state.preempt -= 1
        case "bpf_rcu_read_lock":
            if state.rcu:
                walk.refuse(f"nested rcu read lock {where}")
            state.rcu += 1
        case "bpf_rcu_read_unlock":
            if not state.rcu:
                walk.refuse(f"unmatched rcu read unlock {where}")
            state.rcu -= 1
            _distrust(walk)


def _distrust(walk: Walk) -> None:
    """What RCU kept alive may be gone."""
    for frame, is_reg, at, reg in walk.every_reg(walk.state):
        if RCU in reg.prefix:
            new = reg.copy()
            new.prefix, new.null = reg.prefix.replace(RCU, UNTRUSTED), False
            put(walk.state, frame, is_reg, at, new)


def _throw(walk: Walk) -> None:
    """The program ends here, in whatever frame."""
    leaked(walk, "bpf_throw")
    check_thrown(walk)


def _result(walk: Walk, given: Given, before: list[Reg]) -> None:
    """What r0 is."""
    row = given.row
    if row.result.type == "void" and not row.result.is_pointer:
        return
    if not row.result.is_pointer:
        walk.set(0, unknown())
        return
    new = _pointed(walk, given, before)
    if "null" in row.flags and not (row.name == "bpf_refcount_acquire_impl" and given.owning):
        new.null, new.id = True, walk.new_id()
    if "acquire" in row.flags:
        ref = walk.new_id()
        if new.null:
            new.id = ref
        new.ref = ref
        walk.state.refs = (*walk.state.refs, Ref(ref, walk.at))
    if row.name in _LOOKS:
        new.lent = True
        from bpfvm.verifier.structures.objects import record

        if record(walk, new).find("bpf_refcount") is not None:
            new.prefix = RCU
    walk.set(0, new)
    slots.result(walk, given, new)


def _pointed(walk: Walk, given: Given, before: list[Reg]) -> Reg:
    row = given.row
    new = pointer(OBJECT)
    match row.name:
        case "bpf_obj_new_impl":
            new.type, new.owned = _new_type(walk, given), True
        case "bpf_refcount_acquire_impl":
            new.type, new.owned = given.type, True
        case "bpf_rbtree_remove":
            node = before[given.node]
            new.type, new.owned, new.off = node.type, True, node.off
        case name if name in _POPS | _LOOKS:
            assert given.head is not None
            new = graph.node(walk, given.head)
        case "bpf_rdonly_cast" | "bpf_cast_to_kern_ctx":
            return _cast(walk, given)
        case "bpf_dynptr_slice" | "bpf_dynptr_slice_rdwr":
            return slots.slice_result(walk, given)
        case _:
            return _typed(walk, given)
    return new


def _typed(walk: Walk, given: Given) -> Reg:
    result = given.row.result
    if result.struct is None:
        new = pointer(MEM)
        new.size, new.prefix = 4, READ_ONLY
        return new
    types = walk.setting.types
    if types is None:
        walk.undecided("objects of the kernel (BTF)")
    number = types.find(Struct, result.struct)
    if number is None:
        walk.undecided(f"struct {result.struct}, which these types do not have")
    new = pointer(OBJECT)
    new.type = TypeRef(types, number, kernel=True)
    if given.row.name == "bpf_get_kmem_cache":
        new.prefix = UNTRUSTED
    return new


def _cast(walk: Walk, given: Given) -> Reg:
    types = walk.setting.types
    if types is None:
        walk.undecided("objects of the kernel (BTF)")
    new = pointer(OBJECT)
    if given.row.name == "bpf_cast_to_kern_ctx":
        walk.undecided("bpf_cast_to_kern_ctx")
    kind = types[given.constant] if 0 < given.constant <= len(types) else None
    if given.constant == 0:
        new.kind, new.prefix = MEM, READ_ONLY + UNTRUSTED
        return new
    if not isinstance(kind, Struct):
        walk.refuse("kfunc bpf_rdonly_cast type ID argument must be of a struct or void")
    new.type, new.prefix = TypeRef(types, given.constant, kernel=True), READ_ONLY + UNTRUSTED
    return new


def _new_type(walk: Walk, given: Given) -> TypeRef:
    if given.constant > 0xFFFF_FFFF:
        walk.refuse("local type ID argument must be in range [0, U32_MAX]")
    btf = walk.setting.btf
    if btf is None:
        walk.refuse("bpf_obj_new/bpf_percpu_obj_new requires prog BTF")
    kind = btf[given.constant] if 0 < given.constant <= len(btf) else None
    if not isinstance(kind, Struct):
        walk.refuse("bpf_obj_new/bpf_percpu_obj_new type ID argument must be of a struct")
    return local(walk, given.constant)
