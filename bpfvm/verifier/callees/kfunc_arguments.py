"""What kernel functions are given: how each argument is checked is told by its type and its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from bpfvm.obj.btf.types import Struct
from bpfvm.tables.kernel_functions import KernelFunction, Parameter
from bpfvm.verifier.callees.arguments import check_memory, check_object_offset, is_null
from bpfvm.verifier.domain import slots
from bpfvm.verifier.domain.regs import (
    COMMON,
    CTX,
    FUNC,
    KEY,
    MAP,
    MEM,
    META,
    OBJECT,
    PACKET,
    RCU,
    SCALAR,
    SOCK,
    STACK,
    TCP,
    VALUE,
    Reg,
    type_name,
)
from bpfvm.verifier.domain.stack import FAR
from bpfvm.verifier.domain.state import Special
from bpfvm.verifier.errors import Rejected
from bpfvm.verifier.paths.precision import mark_precise
from bpfvm.verifier.paths.walk import Walk
from bpfvm.verifier.steps.access import check_fixed
from bpfvm.verifier.structures.fields import REFCOUNT, Field
from bpfvm.verifier.structures.graph import HEADS, NODES, check_head, check_node
from bpfvm.verifier.structures.objects import is_trusted, record
from bpfvm.verifier.structures.types import TypeRef, begins_with

_SOCKETS = {SOCK: "sock", COMMON: "sock_common", TCP: "tcp_sock", MAP: "bpf_map"}
_BASIC = {
    "char": 1, "u8": 1, "bool": 1, "s16": 2, "u16": 2, "be16": 2, "int": 4, "s32": 4, "u32": 4, "be32": 4, "u64": 8,
    "s64": 8, "unsigned long": 8, "long": 8,
}  # fmt: skip
_MOVABLE = (STACK, PACKET, META, KEY, VALUE, MEM, SCALAR)


@dataclass(slots=True)
class Given:
    """What the arguments so far tell. ref: of a referenced one. given: the register of one that is released.

    head: a list or tree's. node: the register of a node. constant: of an argument that has to be one. size: of memory
    that the result points to. func: of a callback. type: of an object. owning: the program holds it itself.
    dynptr: or an iterator; made: its frame and slot.
    """

    row: KernelFunction
    ref: int = 0
    given: int = 0
    head: Field | None = None
    head_kind: str = ""
    node: int = 0
    constant: int = 0
    size: int = 0
    func: int | None = None
    type: TypeRef | None = None
    owning: bool = False
    dynptr: Special | None = None
    made: list[int] = field(default_factory=list)


def check_arguments(walk: Walk, given: Given) -> None:
    """All arguments, in order."""
    for at, parameter in enumerate(given.row.parameters, 1):
        if parameter.suffix in ("ign", "prog"):
            continue
        walk.touched_regs.add(at)
        reg = walk.state.regs[at]
        if not parameter.is_pointer:
            _number(walk, given, at, parameter, reg)
        else:
            _pointer(walk, given, at, parameter, reg)
    if "release" in given.row.flags and not given.given:
        walk.refuse(f"release kernel function {given.row.name} expects refcounted PTR_TO_BTF_ID")


def _number(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    if reg.kind != SCALAR:
        walk.refuse(f"R{at} is not a scalar")
    if parameter.suffix == "k":
        _constant(walk, at, reg)
        given.constant = reg.v
    elif parameter.suffix in ("sz", "szk"):
        _sized(walk, given, at, parameter)


def _constant(walk: Walk, at: int, reg: Reg) -> None:
    if reg.m:
        walk.refuse(f"R{at} must be a known constant")
    mark_precise(walk, at)


def _sized(walk: Walk, given: Given, at: int, parameter: Parameter) -> None:
    """A size, and the memory before it."""
    memory, reg = walk.state.regs[at - 1], walk.state.regs[at]
    optional = given.row.parameters[at - 2].suffix == "opt"
    if not (optional and is_null(memory)):
        _check_sized(walk, at, memory, reg)
    if parameter.suffix == "szk":
        _constant(walk, at, reg)
        given.size = reg.v


def _check_sized(walk: Walk, at: int, memory: Reg, reg: Reg) -> None:
    words = f"arg#{at - 2} arg#{at - 1} memory, len pair leads to invalid memory access"
    try:
        if reg.smin < 0:
            walk.refuse(f"R{at} min value is negative, either use unsigned or 'var &= const'")
        if reg.umax >= FAR:
            walk.refuse(f"R{at} unbounded memory access, use 'var &= const' or 'if (var < const)'")
        for write in (False, True):
            check_memory(walk, at - 1, reg.umax, write=write, zero=True)
            mark_precise(walk, at)
    except Rejected:
        walk.refuse(words)


def _pointer(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    flags = given.row.flags
    trusted = "trusted" in flags or "release" in flags
    null = is_null(reg)
    if (trusted or "rcu" in flags) and (null or reg.null) and parameter.suffix not in ("nullable", "opt"):
        walk.refuse(f"Possibly NULL pointer passed to trusted arg{at - 1}")
    if reg.ref:
        if "release" in flags and given.ref:
            walk.refuse(f"more than one arg with ref_obj_id R{at} {reg.ref} {given.ref}")
        given.ref = reg.ref
        if "release" in flags:
            given.given = at
    if parameter.suffix == "nullable" and null:
        return
    kind = _kind(walk, given, at, parameter, reg)
    _check_offset(walk, given, at, kind, parameter, reg, trusted)
    _check(walk, given, at, kind, parameter, reg)


def _kind(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> str:
    """What the parameter is."""
    struct = parameter.struct
    if parameter.suffix == "alloc":
        return "alloc"
    if parameter.suffix == "refcounted_kptr":
        return "refcounted"
    if parameter.suffix == "irq_flag":
        return "irq flag"
    if given.row.name == "bpf_cast_to_kern_ctx" or (struct is not None and struct == walk.setting.row.context):
        return "ctx"
    if struct == "bpf_dynptr":
        return "dynptr"
    if struct is not None and struct.startswith("bpf_iter_"):
        return "iterator"
    if struct in HEADS:
        return "head"
    if struct in NODES:
        return "node"
    if parameter.type == "function":
        return "callback"
    if struct is not None and (reg.kind in (OBJECT, *_SOCKETS)):
        return "object"
    following = given.row.parameters[at].suffix if at < len(given.row.parameters) else ""
    sized = following in ("sz", "szk")
    if not sized and parameter.type not in _BASIC and not parameter.type.startswith("enum "):
        name = f"STRUCT {struct}" if struct is not None else f"UNKNOWN {parameter.type}"
        walk.refuse(f"arg#{at - 1} pointer type {name} must point to scalar, or struct with scalar")
    return "sized memory" if sized else "memory"


def _check_offset(
    walk: Walk, given: Given, at: int, kind: str, parameter: Parameter, reg: Reg, trusted: bool
) -> None:  # fmt: skip
    if kind in ("object", "alloc"):
        _check_trust(walk, given, at, reg, trusted)
    releases = "release" in given.row.flags and bool(reg.ref)
    if kind in ("dynptr", "iterator", "irq flag"):
        return
    if releases:
        if reg.off:
            walk.refuse(f"R{at} must have zero offset when passed to release func or trusted arg to kfunc")
        check_fixed(walk, at, reg, type_name(reg))
    elif reg.kind == OBJECT:
        check_object_offset(walk, at, reg)
    elif reg.kind not in _MOVABLE:
        check_fixed(walk, at, reg, type_name(reg))


def _check_trust(walk: Walk, given: Given, at: int, reg: Reg, trusted: bool) -> None:
    flags = given.row.flags
    if (not trusted and "rcu" not in flags) or is_trusted(reg):
        return
    if "rcu" not in flags:
        walk.refuse(f"R{at} must be referenced or trusted")
    if RCU not in reg.prefix:
        walk.refuse(f"R{at} must be a rcu pointer")


def _check(walk: Walk, given: Given, at: int, kind: str, parameter: Parameter, reg: Reg) -> None:
    check = _CHECKS.get(kind)
    if check is not None:
        check(walk, given, at, parameter, reg)


def _context(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    if reg.kind != CTX:
        walk.refuse(f"arg#{at - 1} expected pointer to ctx, but got {type_name(reg)}")


def _head(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    given.head_kind = HEADS[parameter.struct or ""]
    given.head = check_head(walk, at, given.head_kind)


def _callback(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    if reg.kind != FUNC:
        walk.refuse(f"arg{at - 1} expected pointer to func")
    given.func = reg.func


def _irq_flag(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    walk.undecided("bpf_local_irq_save")


def _memory(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    size = 4 if parameter.type.startswith("enum ") else _BASIC[parameter.type]
    if is_null(reg):
        return
    if reg.null:
        walk.undecided("a pointer that may be null as memory for a kernel function")
    for write in (False, True):
        check_memory(walk, at, size, write=write)


def _allocated(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    if reg.kind != OBJECT or not reg.owned or reg.prefix or reg.lent:
        walk.refuse(f"arg#{at - 1} expected pointer to allocated object")
    if not reg.ref:
        walk.refuse("allocated object must be referenced")
    given.type = reg.type


def _refcounted(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    given.owning = bool(reg.ref) and reg.kind == OBJECT and reg.owned
    if not given.owning and not (reg.kind == OBJECT and reg.lent):
        walk.refuse(f"arg#{at - 1} is neither owning or non-owning ref")
    if record(walk, reg).find(REFCOUNT) is None:
        walk.refuse(f"arg#{at - 1} doesn't point to a type with bpf_refcount field")
    given.type = reg.type


def _node(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    name = NODES[parameter.struct or ""]
    function = given.row.name
    if function in ("bpf_rbtree_remove", "bpf_rbtree_left", "bpf_rbtree_right"):
        if not (reg.kind == OBJECT and reg.lent) or reg.ref:
            walk.refuse(f"{function.removeprefix('bpf_')} node input must be non-owning ref")
        if any(frame.callback is not None for frame in walk.state.frames):
            walk.refuse(f"{function.removeprefix('bpf_')} not allowed in rbtree cb")
    else:
        if reg.kind != OBJECT or not reg.owned or reg.lent:
            walk.refuse(f"arg#{at - 1} expected pointer to allocated object")
        if not reg.ref:
            walk.refuse("allocated object must be referenced")
    assert given.head is not None
    check_node(walk, at, given.head, name, given.head_kind)
    given.node = at


def _object(walk: Walk, given: Given, at: int, parameter: Parameter, reg: Reg) -> None:
    """A structure of the kernel's of the type, or that begins with it."""
    wanted, name = parameter.struct or "", _SOCKETS.get(reg.kind, "")
    if reg.type is not None:
        name = reg.type.name
    good, words = _is_one(reg, name, wanted)
    if not good:
        if words:
            walk.say(words)
        walk.refuse(
            f"kernel function {given.row.name} args#{at - 1} expected pointer to STRUCT {wanted} but R{at} has a "
            f"pointer to STRUCT {name}"
        )


def _is_one(reg: Reg, name: str, wanted: str) -> tuple[bool, str]:
    """Whether the structure begins with the one that is wanted; and words of a look for it."""
    if name == wanted and not reg.off:
        return True, ""
    if reg.type is None or not reg.type.kernel:
        return wanted in _BEGIN.get(name, ()), ""
    number = reg.type.view.find(Struct, wanted)
    return (False, "") if number is None else begins_with(reg.type.view, reg.type.number, reg.off, number)


_BEGIN = {"sock": ("sock_common",), "tcp_sock": ("sock", "sock_common")}  # structures, and those they begin with
_CHECKS: Mapping[str, Callable[[Walk, Given, int, Parameter, Reg], None]] = {
    "ctx": _context, "alloc": _allocated, "refcounted": _refcounted, "head": _head, "node": _node,
    "callback": _callback, "object": _object, "dynptr": slots.dynptr_argument, "iterator": slots.iterator_argument,
    "irq flag": _irq_flag, "memory": _memory,
}  # fmt: skip
