"""Random programs of the instruction table that the kernel's verifier takes, nearly all of them.

A program is a few actions one after the other, each made for one row of the table: arithmetic on any registers, a
branch around other actions, a loop, an access, a call. A row is chosen first, then how to bring it about, so that a new
row of a known kind is met the day it is added; rows that cannot be met here are in LEFT_OUT with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from bpfvm.core.bits import signed
from bpfvm.core.machine import Entries
from bpfvm.fuzz import edges
from bpfvm.fuzz.body import GIVEN, R0, R1, R6, R10, SCRATCH, SIZE, TABLE, VALUE, Body, Callee, Code
from bpfvm.fuzz.branches import branch, early_exit, jump_about, may_goto
from bpfvm.fuzz.calls import begin_callback, call, callback, map_handle
from bpfvm.fuzz.case import Case, make
from bpfvm.fuzz.inputs import given, inputs
from bpfvm.fuzz.places import ACCESSES, access
from bpfvm.isa.insn import Insn, insn
from bpfvm.isa.ops import OPS, Kind, Op
from bpfvm.tables.ctx.ethernet import ETH
from bpfvm.tables.progs import BY_NAME as PROGRAM_TYPES

_TYPES = {"syscall": 0.4, "xdp": 0.15, "sched_cls": 0.2, "socket_filter": 0.15, "cgroup_skb": 0.1}
_FROM_NETWORK, _FROM_MAC = -0x10_0000, -0x20_0000  # SKF_NET_OFF, SKF_LL_OFF of linux/filter.h
_MOST_FRAMES, _FRAME_BYTES = 8, (24, 32, 48)  # 8 frames of 64 bytes, as JITs round them, fill the 512 of a call chain

Action = Callable[[Body, Op], bool]  # writes something that executes the row, or nothing and False


def _arithmetic(body: Body, op: Op) -> bool:
    dst = body.register()
    src = body.source(dst) if "src" in op.uses else 0
    imm = op.imm_is or 0
    if "imm" in op.uses:
        imm = edges.operand(body.rng, op)
    body.code.emit(Insn(op, dst, src, op.off_is or 0, imm))
    body.maybe_log(dst)
    return True


def _wide(body: Body, op: Op) -> bool:
    if op.name == "lddw":
        dst = body.register()
        body.emit("lddw", dst, imm=edges.number(body.rng))
        body.maybe_log(dst)
        return True
    if op.name == "lddw_map_value":
        return access(body, body.rng.choice(_ACCESS_ROWS))  # its places include the value by address
    return callback(body, op) if op.name == "lddw_func" else map_handle(body, op)


def _packet_load(body: Body, op: Op) -> bool:
    """Takes the context from the stack to r6, which is where such a load wants it; what calls spoil, it spoils too.

    A load outside of the packet ends the program, so most are inside. The entry alone has them: bpfvm.fuzz.case says
    why no function may.
    """
    code, rng = body.code, body.rng
    if body.level or not (body.calls and PROGRAM_TYPES[code.kind].ld_abs):
        return False
    if body.home == R6 or not (SCRATCH | {R6}).isdisjoint(body.locked):
        return False
    offset, half = 0, code.packet // 2
    if "src" not in op.uses:
        place = _packet_place(code, op, code.packet)
    else:
        offset = body.register(without=(R6,))
        place = _packet_place(code, op, half)
        if rng.random() < 0.7:
            body.emit("and64_k", offset, imm=half - 1)
        else:
            start = edges.number(rng)
            body.emit("lddw", offset, imm=start)
            place = signed(place - start, 32)
    body.emit("ldx64", R6, R10, body.context)
    code.emit(Insn(op, 0, offset, op.off_is or 0, place))
    for one in sorted({*range(1, R6 + 1)} & set(body.free)):
        body.renumber(one)
    body.maybe_log(R0)
    return True


def _packet_place(code: Code, op: Op, room: int) -> int:
    """A place to load from, mostly in the first `room` bytes of the packet; some of those are counted from a header."""
    rng = code.rng
    if rng.random() < 0.03:
        return rng.choice((code.packet + rng.randrange(4096), -1, -4096, -(1 << 31), (1 << 31) - 1))
    inside = rng.randrange(room - op.bits // 8 + 1)
    if code.kind == "socket_filter" or rng.random() < 0.7:  # whose headers BPF_PROG_TEST_RUN has elsewhere
        return inside
    return _FROM_MAC + inside if rng.random() < 0.5 else _FROM_NETWORK + max(inside - ETH, 0)


ACTIONS: Mapping[Kind, Action] = {
    Kind.ALU: _arithmetic,
    Kind.JUMP: branch,
    Kind.GOTO: jump_about,
    Kind.MAY_GOTO: may_goto,
    Kind.CALL: call,
    Kind.EXIT: early_exit,
    Kind.IMM64: _wide,
    Kind.PACKET: _packet_load,
    **ACCESSES,
}

_NO_TABLE = "needs a table of maps, which no machine here takes"
LEFT_OUT: Mapping[str, str] = {
    "callx": "no kernel takes it",
    "gotox": "kernels take it since 6.19, with a table of targets that no object holds",
    "addr_space_cast": "needs an arena map",
    "call_kfunc": "needs a function's id in the kernel's BTF",
    "lddw_btf_id": "needs a variable's id in the kernel's BTF",
    "lddw_map_idx": _NO_TABLE,
    "lddw_map_idx_value": _NO_TABLE,
}  # fmt: skip

FUZZED = tuple(op for op in OPS if op.name not in LEFT_OUT)
_ACCESS_ROWS = tuple(op for op in FUZZED if op.kind in ACCESSES)

_KINDS: Mapping[Kind, float] = {
    Kind.JUMP: 0.5,
    Kind.GOTO: 2,
    Kind.MAY_GOTO: 2,
    Kind.CALL: 6,
    Kind.EXIT: 1,
    Kind.PACKET: 9,
}
_WEIGHTS = [_KINDS.get(op.kind, 1.0) for op in FUZZED]
_SIMPLE = tuple(op for op in FUZZED if op.kind in (Kind.ALU, *ACCESSES))


def act(body: Body, count: int) -> None:
    """Write `count` actions, fewer where the function has used up its own."""
    for _ in range(count):
        if body.actions <= 0:
            return
        body.actions -= 1
        rows = _SIMPLE if body.nesting > 2 else FUZZED
        weights = None if body.nesting > 2 else _WEIGHTS
        while True:
            op = body.rng.choices(rows, weights)[0]
            if ACTIONS[op.kind](body, op):
                break


def program(rng: random.Random, name: str) -> Case:
    """A random program with two inputs: contexts of a syscall program, packets of one that sees packets."""
    kind = rng.choices(tuple(_TYPES), tuple(_TYPES.values()))[0]
    code = Code(rng, kind, act)
    calls = rng.random() < 0.7
    body = Body(code, 0, _home(rng, calls, 2), code.memory, code.has_fields, rng.choice(_FRAME_BYTES), calls,
                rng.randrange(6, 22), PROGRAM_TYPES[kind].returns is not None)  # fmt: skip
    over = _given_memory(body)
    body.begin()
    _write(body)
    if over is not None:
        code.place(over)
        body.emit("mov64_k", R0, imm=1)
        body.emit("exit")
    while code.waiting:
        _called(code, code.waiting.pop(0))
    return make(name, kind, code.finish(), inputs(code), (GIVEN, VALUE, TABLE), _contents(code))


def _home(rng: random.Random, calls: bool, least: int) -> int:
    return rng.randrange(6 if calls else least, R10)


def _write(body: Body) -> None:
    act(body, body.actions)
    body.end()


def _called(code: Code, callee: Callee) -> None:
    """A function that something calls."""
    rng = code.rng
    calls = callee.level < _MOST_FRAMES - 1 and rng.random() < 0.7
    is_callback = callee.by is not None
    body = Body(code, callee.level, _home(rng, calls or is_callback, 1), callee.memory, callee.fields,
                rng.choice(_FRAME_BYTES), calls, rng.randrange(2, 8), is_callback)  # fmt: skip
    code.place(callee.label)
    if callee.by is not None:
        begin_callback(body, callee.by)
    else:
        body.begin()
    _write(body)


def _given_memory(body: Body) -> int | None:
    """The given memory into r1, the context on the stack; the label for packets that are too short, if some are."""
    if body.fields:
        body.emit("stx64", R10, R1, body.context)
    if body.memory == "packet":
        return _guard(body)
    if body.memory == "value":
        body.emit("lddw_map_value", R1, symbol=GIVEN.name)
    return None


def _guard(body: Body) -> int:
    """The packet into r1, if it has SIZE bytes; otherwise the program goes to the label."""
    over = body.code.label()
    start, end = (0, 4) if body.code.kind == "xdp" else (76, 80)  # data and data_end of xdp_md and of __sk_buff
    body.emit("ldx32", 2, R1, end)
    body.emit("ldx32", R1, R1, start)
    body.emit("mov64_x", 3, R1)
    body.emit("add64_k", 3, imm=SIZE)
    body.code.emit(insn("jgt64_x", 3, 2), over)
    return over


def _contents(code: Code) -> dict[str, Entries]:
    rng = code.rng
    found: dict[str, Entries] = {}
    if code.memory == "value" or any(one.by for one in code.callees):
        found[GIVEN.name] = [(bytes(4), given(code, SIZE))]
    for one in (VALUE, TABLE):
        keys = (index.to_bytes(4, "little") for index in range(one.max_entries))
        found[one.name] = [(key, edges.memory(rng, one.value_size)) for key in keys]
    return found
