"""Calls of a random program: functions of its own, helpers on an array map, helpers that call functions of its own.

A function that a helper calls gets a word of its caller's stack and reads and writes it. What else it works on is the
map's value `GIVEN`, whatever the rest of the program works on.
"""

from __future__ import annotations

from bpfvm.fuzz.body import GIVEN, R0, R1, R2, R10, SCRATCH, TABLE, VALUE, WORD, Body, Callee
from bpfvm.fuzz.places import access_at, pointer_for
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import BY_NAME, OPS, Kind, Op
from bpfvm.tables.helpers import BY_NAME as HELPERS

_MOST_CALLS = 8  # places of a program that call functions
_MOST_LEVEL = 7  # MAX_CALL_FRAMES is 8
_MOST_CALLBACKS = 2  # places of a program that hand on functions: a verifier goes through each again and again
_ROUNDS = (1, 2, 3, 5, 7)  # of bpf_loop. Of 0 the verifier drops the function, and then misses it (6.18)
_ELEMENT_ROWS = tuple(
    op for op in OPS
    if op.kind in (Kind.LOAD, Kind.LOAD_SX, Kind.STORE, Kind.ATOMIC, Kind.LOAD_ACQUIRE, Kind.STORE_RELEASE)
)  # fmt: skip


def call(body: Body, op: Op) -> bool:
    """A call of the row's kind; False where calls would spoil what is kept."""
    if not body.calls or body.locked & SCRATCH:
        return False
    if op.name == "call_local":
        return _local(body, op)
    body.rng.choice((_lookup, _lookup, _update, _delete))(body)
    return True


def map_handle(body: Body, op: Op) -> bool:
    """The load of a map, for a helper."""
    return call(body, BY_NAME["call"])


def _local(body: Body, op: Op) -> bool:
    code = body.code
    if body.level >= _MOST_LEVEL or code.calls >= _MOST_CALLS:
        return False
    callee = _callee(body)
    code.calls += 1
    body.emit("mov64_x", R1, body.home)
    if body.fields:
        body.emit("ldx64", R2, R10, body.context)
    code.emit(Insn(op, 0, op.src_is or 0), callee.label)
    for one in sorted(SCRATCH - {R0}):
        body.renumber(one)
    body.log(R0)
    body.log(body.register(without=tuple(SCRATCH)))
    return True


def _callee(body: Body) -> Callee:
    """A function to call: one that stands already, or a new one."""
    code, rng = body.code, body.rng
    known = [one for one in code.callees if one.level > body.level
             and (one.memory, one.fields, one.by) == (body.memory, body.fields, None)]  # fmt: skip
    if known and rng.random() < 0.4:
        return rng.choice(known)
    deeper = body.level + 1 if rng.random() < 0.8 else rng.randrange(body.level + 1, _MOST_LEVEL + 1)
    return _new(body, Callee(code.label(), deeper, body.memory, body.fields))


def _new(body: Body, callee: Callee) -> Callee:
    body.code.callees.append(callee)
    body.code.waiting.append(callee)
    return callee


def callback(body: Body, op: Op) -> bool:
    """The row for a helper that calls the function; False where calls would spoil what is kept."""
    code, rng = body.code, body.rng
    handed = sum(one.by is not None for one in code.callees)
    if not body.calls or body.locked & SCRATCH or body.level >= _MOST_LEVEL or handed >= _MOST_CALLBACKS:
        return False
    helper = rng.choice(("loop", "for_each_map_elem"))
    callee = _new(body, Callee(code.label(), body.level + 1, "value", False, helper))
    if helper == "for_each_map_elem":
        body.emit("lddw_map", R1, symbol=TABLE.name)
    elif rng.random() < 0.6:
        body.emit("lddw", R1, imm=rng.choice(_ROUNDS))
    else:
        body.emit("mov64_x", R1, body.register())
        body.emit("and64_k", R1, imm=7)
    code.emit(Insn(op, R2, op.src_is or 0), callee.label)
    body.emit("mov64_x", 3, R10)
    body.emit("add64_k", 3, imm=body.slot(WORD))
    body.emit("mov64_k", 4, imm=int(rng.random() < 0.05))
    _help(body, helper)
    _after(body)
    return True


def begin_callback(body: Body, by: str) -> None:
    """What a function has that a helper calls: numbers in its registers and frame, once it has used its arguments."""
    rng = body.rng
    passed = {"loop": {2}, "for_each_map_elem": {1, 2, 3, 4}}[by]
    body.emit("lddw_map_value", body.home, symbol=GIVEN.name)
    body.locked |= passed
    body.fill([one for one in body.free if one != R1])  # of bpf_loop, r1 is a number
    body.maybe_log(R1 if R1 in body.free else R0)
    if by == "for_each_map_elem":
        body.emit(f"ldx{8 * rng.choice((1, 2, 4))}", body.register(), 2)
        op = rng.choice(_ELEMENT_ROWS)
        access_at(body, op, 3, rng.randrange(0, TABLE.value_size - op.bits // 8 + 1, op.bits // 8), R0)
    for op in rng.choices(_ELEMENT_ROWS, k=2):
        access_at(body, op, max(passed), rng.randrange(0, WORD, op.bits // 8), R0)
    body.locked -= passed
    for one in sorted(passed):
        body.renumber(one)


def _key(body: Body) -> int:
    """A key on the stack, mostly one that the table has: where."""
    at = body.slot(4)
    if body.rng.random() < 0.5:
        body.emit("st32", R10, 0, at, body.rng.choice((0, 1, 2, 3, 4, -1)))
    else:
        index = body.register()
        body.emit("and64_k", index, imm=7)
        body.emit("stx32", R10, index, at)
    return at


def _arguments(body: Body, key: int) -> None:
    body.emit("lddw_map", R1, symbol=TABLE.name)
    body.emit("mov64_x", 2, R10)
    body.emit("add64_k", 2, imm=key)


def _help(body: Body, name: str) -> None:
    body.emit("call", imm=HELPERS[name].id)


def _lookup(body: Body) -> None:
    """The value under a key, and one access to it."""
    _arguments(body, _key(body))
    _help(body, "map_lookup_elem")
    missing = body.code.label()
    body.code.emit(insn("jeq64_k", R0), missing)
    for one in sorted(SCRATCH - {R0}):
        body.renumber(one)
    op = body.rng.choice(_ELEMENT_ROWS)
    size = op.bits // 8
    exchange = op.name.startswith("atomic_cmpxchg")
    pointer = pointer_for(body, op) if exchange or body.rng.random() < 0.5 else R0
    if pointer != R0:
        body.emit("mov64_x", pointer, R0)
        body.renumber(R0)
    access_at(body, op, pointer, body.rng.randrange(0, TABLE.value_size - size + 1, size), pointer)
    body.code.place(missing)
    for one in sorted(SCRATCH):
        body.renumber(one)


def _update(body: Body) -> None:
    """Another value under a key. r0 stays: 0 or the error."""
    key = _key(body)
    _arguments(body, key)
    if body.rng.random() < 0.5 and body.frame >= TABLE.value_size:
        body.emit("mov64_x", 3, R10)
        body.emit("add64_k", 3, imm=-body.rng.randrange(TABLE.value_size, body.frame + 1, WORD))
    else:
        room = VALUE.value_size - TABLE.value_size
        body.emit("lddw_map_value", 3, imm=body.rng.randrange(0, room + 1) << 32, symbol=VALUE.name)
    body.emit("mov64_k", 4, imm=body.rng.choice((0, 0, 0, 1, 2, 3, 4, 8, -1)))
    _help(body, "map_update_elem")
    _after(body)


def _delete(body: Body) -> None:
    """An array keeps every index: always an error."""
    _arguments(body, _key(body))
    _help(body, "map_delete_elem")
    _after(body)


def _after(body: Body) -> None:
    for one in sorted(SCRATCH - {R0}):
        body.renumber(one)
    body.log(R0)
